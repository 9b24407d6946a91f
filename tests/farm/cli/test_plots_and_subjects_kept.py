"""`farm simulate --plot` and `farm subject prepare` write over nothing that is not the farm's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kept_files import Said, hashes, run

from farm.cli.wiring import Wiring
from jobs.errors import ExitCode

SCENARIO = """
apiVersion: farm/v1
kind: Simulation
metadata: {name: small}
spec:
  jobs:
    - {name: film, studio: north, subject: actor-a, segments: 3}
"""

Farm = Callable[..., Said]


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Farm:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: run(*arguments, wiring=Wiring(), read=capsys.readouterr)


@pytest.fixture
def refuses(farm: Farm, tmp_path: Path) -> Farm:
    def check(*arguments: str | Path) -> Said:
        before = hashes(tmp_path)
        said = farm(*arguments)
        assert said.exit_code in (ExitCode.OUTPUT, ExitCode.CASTING)
        assert hashes(tmp_path) == before
        return said

    return check


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_a_plot_never_replaces_its_scenario(
    options: list[str], refuses: Farm, scenario: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.png").symlink_to(scenario)
    (tmp_path / "plot.png.manifest.json").hardlink_to(scenario)
    for plot in ("small.yaml", "./small.yaml", "link.png", "plot.png"):
        said = refuses("simulate", scenario, "--plot", plot, *options)
        assert said.code == "output_is_input"
        assert "--plot" in said.text
        assert "SCENARIO" in said.text


@pytest.mark.parametrize("name", ["plot.png", "plot.png.manifest.json"])
def test_a_plot_replaces_its_own_kind_and_no_other_file(
    name: str, refuses: Farm, farm: Farm, scenario: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"my own")
    assert refuses("simulate", scenario, "--plot", "plot.png").code == "output_exists"
    assert farm("simulate", scenario, "--plot", "plot.png", "--overwrite").exit_code == ExitCode.OK
    scenario.write_text(SCENARIO.replace("segments: 3", "segments: 9"))
    assert farm("simulate", scenario, "--plot", "plot.png").exit_code == ExitCode.OK
    (tmp_path / "plot.png").write_bytes(b"retouched")
    assert refuses("simulate", scenario, "--plot", "plot.png").code == "output_exists"


def test_a_plot_gets_the_very_name_that_was_asked_for(farm: Farm, scenario: Path, tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"my own")
    for _ in range(2):
        assert farm("simulate", scenario, "--plot", "plot").exit_code == ExitCode.OK
    assert (tmp_path / "plot").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "plot.png").read_bytes() == b"my own"


@pytest.mark.parametrize("plot", ["/", ".", "..", "small.yaml/plot.png", "plot.yaml"])
def test_a_plot_that_cannot_be_is_refused(plot: str, refuses: Farm, scenario: Path) -> None:
    assert refuses("simulate", scenario, "--plot", plot).code == "output_unwritable"


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["", "overwrite"])
@pytest.mark.parametrize("inside", ["clip", "consent"])
def test_a_subject_is_not_prepared_around_its_own_recording(
    inside: str, options: list[str], refuses: Farm, tmp_path: Path
) -> None:
    folder = tmp_path / "zoe"
    folder.mkdir()
    places = {"clip": tmp_path / "clip.mp4", "consent": tmp_path / "consent.pdf"}
    places[inside] = folder / places[inside].name
    for path in places.values():
        path.write_bytes(b"my own")
    (tmp_path / "aka").symlink_to(folder)
    for out in ("zoe", "aka"):
        arguments = [places["clip"], "--name", "Zoe", "--consent", places["consent"], "--out", out]
        said = refuses("subject", "prepare", *arguments, *options)
        assert said.code == "output_is_input"
        assert "--out" in said.text
        assert ("CLIP" if inside == "clip" else "--consent") in said.text
