"""`farm batch` by both ways: rows of a file, a template, and what they come to together."""

from __future__ import annotations

from pathlib import Path

import pytest
from receiver import until
from stand_in_farm import StandInFarm
from two_ways import CONTENT, Way, delivered

from jobs.errors import ExitCode
from jobs.farm_requests import SubmitRequest

TEMPLATE = """
apiVersion: farm/v1
kind: RenderJob
metadata: {name: "${shot}", project: demo}
spec:
  speech: {uri: "clips/${voice}.wav", gain_db: 3}
  subject: builtin:${who}
  seed: ${seed:number}
"""
ROWS = "shot,voice,who,seed\nshot-1,jane,fake,7\nshot-2,jane,fake,8\nshot-3,john,fake,9\n"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for voice in ("jane", "john"):
        (tmp_path / "clips" / f"{voice}.wav").write_bytes(voice.encode())
    path = tmp_path / "spring.yaml"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_rows_become_jobs_that_are_followed_and_fetched_together(
    way: Way, farm: StandInFarm, template: Path, rows: Path, tmp_path: Path
) -> None:
    code, told = way.told("batch", "submit", template, "--rows", rows)
    assert (code, told["name"], len(told["jobs"])) == (ExitCode.OK, "spring", 3)
    batch = told["batch"]
    until(lambda: way.told("batch", "status", batch)[1]["states"] == {"queued": 3})
    submits = [request for request in farm.requests if isinstance(request, SubmitRequest)]
    heard = [Path(submit.folder, submit.document["spec"]["speech"]["uri"]).read_bytes() for submit in submits]
    assert heard == [b"jane", b"jane", b"john"]
    assert [submit.document["spec"]["seed"] for submit in submits] == [7, 8, 9]
    assert {submit.document["spec"]["speech"]["gain_db"] for submit in submits} == {3}
    assert [each["batch"] for each in way.told("batch", "list")[1]["batches"]] == [batch]
    jobs = [job["job"] for job in told["jobs"]]
    assert jobs == ["shot-1-1", "shot-2-2", "shot-3-3"]
    for job in jobs[:2]:
        delivered(farm, tmp_path, job)
    code, record = way.told("batch", "status", batch)
    assert (record["ended"], record["percent"]) == (2, 66.6)
    assert way.told("batch", "cancel", batch)[1]["asked"] == 1
    until(lambda: way.told("batch", "status", batch)[1]["percent"] == 100.0)
    assert way.run("batch", "status", batch) == ExitCode.OK
    assert "3 of 3 jobs have ended" in way.out
    out = tmp_path / "out"
    code, record = way.told("batch", "download", batch, "--out", out, "--sync")
    assert code == ExitCode.INTERRUPTED, "one of them was cancelled"
    assert [Path(file["path"]).name for file in record["files"]] == [f"{job}.mp4" for job in jobs[:2]]
    assert {path.read_bytes() for path in out.iterdir()} == {CONTENT}


def test_every_mistake_of_every_row_is_told_and_a_dry_run_hands_in_nothing(
    way: Way, farm: StandInFarm, template: Path, rows: Path
) -> None:
    code, told = way.told("batch", "submit", template, "--rows", rows, "--dry-run")
    assert (code, told["rows"], told["names"]) == (ExitCode.OK, 3, ["shot-1", "shot-2", "shot-3"])
    rows.write_text(ROWS + "=1+1,jane,fake,7\nshot-5,jane,fake,seven\nshot-6,jane,../x,7\n")
    for extra in ((), ("--dry-run",)):
        code, told = way.told("batch", "submit", template, "--rows", rows, *extra)
        assert (code, told["error"]["code"]) == (ExitCode.USAGE, "bad_batch")
        assert [(each["path"], each["line"]) for each in told["error"]["mistakes"]] == [
            ("rows[4].metadata.name", 5),
            ("rows[5].spec.seed", 6),
            ("rows[6].spec.subject", 7),
        ]
    assert farm.requests == []
    assert way.run("batch", "submit", template, "--rows", rows.with_suffix(".txt")) == ExitCode.USAGE
    code, told = way.told("batch", "submit", template, "--rows", rows.with_name("nowhere.csv"))
    assert (code, told["error"]["code"]) == (ExitCode.INPUT, "input_not_found")
    assert way.told("batch", "status", "b_none")[1]["error"]["code"] in {"unknown_batch", "journal_not_found"}


def test_the_same_token_is_the_same_batch(way: Way, farm: StandInFarm, template: Path, rows: Path) -> None:
    names = {way.told("batch", "submit", template, "--rows", rows, "--token", "t")[1]["batch"] for _ in "ab"}
    assert len(names) == 1
    rows.write_text(ROWS.replace(",9", ",10"))
    code, told = way.told("batch", "submit", template, "--rows", rows, "--token", "t")
    assert (code, told["error"]["code"]) == (ExitCode.USAGE, "token_taken")
    until(lambda: len(farm.requests) == 3)


@pytest.mark.parametrize("way", ["server"], indirect=True)
def test_recordings_that_lack_are_told_row_by_row_before_anything_is_sent(
    way: Way, farm: StandInFarm, template: Path, rows: Path
) -> None:
    rows.write_text(ROWS + "shot-4,jack,fake,1\nshot-5,jill,fake,1\n")
    _, told = way.told("batch", "submit", template, "--rows", rows)
    assert [(each["path"], each["code"]) for each in told["error"]["mistakes"]] == [
        ("rows[4].spec.speech", "input_not_found"),
        ("rows[5].spec.speech", "input_not_found"),
    ]
    assert not way.api.settings.studios.exists()


@pytest.mark.parametrize("way", ["journal"], indirect=True)
def test_rows_whose_masters_would_meet_are_refused(
    way: Way, farm: StandInFarm, template: Path, rows: Path
) -> None:
    rows.write_text(ROWS.replace("shot-2", "shot-1"))
    code, told = way.told("batch", "submit", template, "--rows", rows)
    assert (code, told["error"]["code"]) == (ExitCode.OUTPUT, "output_twice")
    assert farm.requests == []
