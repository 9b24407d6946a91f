from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.cli import main
from jobs.errors import ExitCode
from jobs.farm_files import load_simulation

EXAMPLE = Path(__file__).parents[3] / "examples" / "simulation.yaml"
SMALL = """
apiVersion: farm/v1
kind: Simulation
metadata: {name: small}
spec:
  studios: {north: {weight: 2}}
  jobs:
    - {name: film, studio: north, subject: actor-a, segments: 12, copies: 2}
    - {name: spot, studio: south, subject: actor-b, segments: 2, tier: interactive, at: 30}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_the_table_has_a_row_for_each_studio(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(small)]) == ExitCode.OK
    out = capsys.readouterr().out
    for word in ("north", "south", "Jain index", "cold loads", "re-renders", "3 succeeded", "interactive"):
        assert word in out


def test_json_has_the_figures_and_the_picture_is_drawn(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", str(small), "--json", "--plot", str(tmp_path / "plot.png")]) == ExitCode.OK
    record = json.loads(capsys.readouterr().out)
    assert record["figures"]["committed"] == 26
    assert [studio["jobs"] for studio in record["figures"]["studios"]] == [2, 1]
    assert (tmp_path / "plot.png").is_file()


def test_mistakes_are_told_with_their_paths(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL.replace("segments: 12", "segmets: 12").replace("weight: 2", "weight: -2"))
    assert main(["simulate", str(small)]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "segmets" in err
    assert "spec.studios.north.weight" in err


def test_the_example_is_a_simulation_with_every_tier_of_trouble() -> None:
    spec = load_simulation(EXAMPLE).spec
    assert {"interactive", "normal", "bulk"} == {job.tier.value for job in spec.jobs}
    assert spec.faults.crash > 0
