"""What was found in the file of a speech reaches whoever plans, renders and looks at the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_farm import SmallFarm

from farm.cli import main
from farm.cli.wiring import Wiring
from infra.hardware import Hardware
from jobs.lifecycle import JobState
from tests.stages.clocked_media import tone, write_media

GAP = "1.2 s of silence was filled in at 0:01.0, where the sound has a gap"
MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sentence is broken."""
    monkeypatch.setenv("COLUMNS", "240")


def with_gap(folder: Path) -> str:
    write_media(folder / "gap.mkv", sound=[(0, tone(1.0)), (2.2, tone(0.8))])
    return "gap.mkv"


def test_a_gap_is_told_by_journal_status_and_manifest(
    farm: SmallFarm, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = farm.submit(speech=with_gap(farm.folder))
    plain = farm.submit("plain")
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert GAP in farm.job(name).told
    assert not any("gap" in sentence for sentence in farm.job(plain).told)
    monkeypatch.setenv("FARM_JOURNAL", farm.journal_address)
    assert main(["status", name]) == 0
    assert GAP in capsys.readouterr().out
    media = farm.manifest()["speech"]["media"]
    assert GAP in media["told"]
    assert media["found"]["sound"]["gaps"] == {"count": 1, "seconds": 1.2, "first": [[1.0, 1.2]]}
    assert farm.manifest()["speech"]["source_samples"] == 3 * 16_000


def test_plan_tells_it_to_people_and_programs(
    farm: SmallFarm, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    spec = farm.folder / "job.json"
    spec.write_text(json.dumps(farm.document(speech=with_gap(farm.folder))))
    wiring = Wiring(stages=farm.stages, open_on=None, probe=lambda: MACHINE)  # type: ignore[arg-type]
    store = ["--store", str(tmp_path / "empty")]
    assert main(["plan", str(spec), *store], wiring=wiring) == 0
    assert GAP in capsys.readouterr().out
    assert main(["plan", str(spec), *store, "--json"], wiring=wiring) == 0
    record = json.loads(capsys.readouterr().out)
    assert GAP in record["media"]["told"]
    assert record["media"]["found"]["sound"]["gaps"]["count"] == 1
