"""Jobs of one submit are held against one another before the first is handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path

import pytest
from kept_files import Said, hashes, run
from stand_in_farm import StandInFarm, farm_at

from farm.cli.wiring import Wiring
from jobs.errors import ExitCode, OutputRefused
from jobs.farm_requests import SubmitRequest

Submit = Callable[..., Said]


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInFarm]:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_JOURNAL", farm_at(tmp_path))
    made = StandInFarm(farm_at(tmp_path))
    yield made
    made.stop()


@pytest.fixture
def submit(farm: StandInFarm, capsys: pytest.CaptureFixture[str]) -> Submit:
    return lambda *arguments: run("submit", *arguments, wiring=Wiring(), read=capsys.readouterr)


def write_job(folder: Path, name: str, *, speech: str = "hello.wav", output: str = "") -> Path:
    lines = ["apiVersion: farm/v1", "kind: RenderJob", f"metadata: {{name: {name}}}", "spec:"]
    lines += [f"  speech: {speech}", "  subject: builtin:fake"]
    lines += [f"  output: {{uri: {output}}}"] if output else []
    (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.yaml"


PAIRS = {
    "one master": (({"output": "out/x.mp4"}, {"output": "aka/x.mp4"}), "output_twice"),
    "a master that is a speech": (({"output": "talk.mp4"}, {"speech": "talk.mp4"}), "output_is_input"),
    "a manifest that is a speech": (
        ({"output": "x.mp4"}, {"speech": "x.manifest.json"}),
        "output_is_input",
    ),
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("order", list(permutations((0, 1))))
def test_two_jobs_of_one_submit_that_would_meet_are_both_refused(
    kind: str, order: tuple[int, int], submit: Submit, farm: StandInFarm, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "aka").symlink_to("out")
    (tmp_path / "talk.mp4").write_bytes(b"a recording")
    fields, code = PAIRS[kind]
    jobs = [write_job(tmp_path, f"job-{number}", **fields[number]) for number in order]
    before = hashes(tmp_path / "out")
    said = submit(*jobs, "--overwrite")
    assert (said.exit_code, said.code) == (ExitCode.OUTPUT, code)
    assert "job-0.yaml" in said.text
    assert "job-1.yaml" in said.text
    assert farm.requests == []
    assert hashes(tmp_path / "out") == before


def test_one_file_that_is_named_twice_is_two_jobs_with_one_master(
    submit: Submit, farm: StandInFarm, tmp_path: Path
) -> None:
    job = write_job(tmp_path, "hello", output="x.mp4")
    said = submit(job, job)
    assert said.code == "output_twice"
    assert "(job 1)" in said.text
    assert "(job 2)" in said.text
    assert farm.requests == []


def test_a_job_that_would_replace_its_own_speech_is_not_handed_in(
    submit: Submit, farm: StandInFarm, tmp_path: Path
) -> None:
    (tmp_path / "talk.mp4").write_bytes(b"a recording")
    assert submit(write_job(tmp_path, "talk", speech="talk.mp4"), "--overwrite").code == "output_is_input"
    assert farm.requests == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_farm_is_told_whether_files_may_be_replaced(
    overwrite: bool, submit: Submit, farm: StandInFarm, tmp_path: Path
) -> None:
    jobs = [write_job(tmp_path, name) for name in ("one", "two")]
    assert submit(*jobs, *(["--overwrite"] if overwrite else [])).exit_code == ExitCode.OK
    asked = [request.overwrite for request in farm.requests if isinstance(request, SubmitRequest)]
    assert asked == [overwrite, overwrite]


def test_a_job_that_the_farm_turns_away_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_JOURNAL", farm_at(tmp_path))
    refusal = OutputRefused("it is in hand", where="spec.output.uri of hello-1", code="output_twice")
    farm = StandInFarm(farm_at(tmp_path), refuse=lambda _request: refusal)
    try:
        job = write_job(tmp_path, "hello")
        said = run("submit", job, wiring=Wiring(), read=capsys.readouterr)
    finally:
        farm.stop()
    assert said.exit_code == ExitCode.OUTPUT
    assert said.record["jobs"][0]["job"] == "hello-1"
