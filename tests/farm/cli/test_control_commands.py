"""The commands for a shared farm, through a real journal, against a farm of a few lines in another thread."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from stand_in_farm import StandInFarm, farm_at

from farm.cli import main
from farm.scheduling.messages import RequestRefused
from infra.journal import open_journal
from jobs.errors import ExitCode, SegmentFailed
from jobs.farm_requests import (
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    SubmitRequest,
    WaiveRequest,
)

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_JOURNAL", farm_at(tmp_path))
    return farm_at(tmp_path)


@pytest.fixture
def farm(journal: str) -> Iterator[StandInFarm]:
    made = StandInFarm(journal)
    yield made
    made.stop()


@pytest.fixture
def spec(tmp_path: Path, make_job: Any) -> Path:
    make_job(seed=7)
    return tmp_path / "hello.yaml"


@pytest.fixture
def specs(spec: Path, tmp_path: Path, make_job: Any) -> list[Path]:
    """Jobs of one name, each with a master of its own."""
    (tmp_path / "others").mkdir()
    others = []
    for number in range(2, 5):
        other = tmp_path / "others" / f"hello-{number}.yaml"
        other.write_text(spec.read_text().replace("out/hello.mp4", f"out/hello-{number}.mp4"))
        others.append(other)
    return [spec, *others]


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_submitted_job_gets_its_name_in_the_farm(farm: StandInFarm, spec: Path, capsys: Any) -> None:
    assert run("submit", spec, "--studio", "north", "--hold") == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == ["hello-1"]
    (request,) = farm.requests
    assert isinstance(request, SubmitRequest)
    assert (request.studio, request.on_hold, request.folder) == ("north", True, str(spec.parent))
    assert request.document["spec"]["seed"] == 7
    assert request.document["spec"]["speech"] == "hello.wav"


def test_several_jobs_are_submitted_at_once_or_not_at_all(
    farm: StandInFarm, spec: Path, specs: list[Path], tmp_path: Path, capsys: Any
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(spec.read_text().replace("seed: 7", "sede: 7"))
    assert run("submit", spec, bad) == ExitCode.USAGE
    assert "sede" in capsys.readouterr().err
    assert farm.requests == []
    assert run("submit", *specs[:2], "--json") == ExitCode.OK
    assert [job["job"] for job in told(capsys)["jobs"]] == ["hello-1", "hello-2"]


def test_the_same_token_is_the_same_job(farm: StandInFarm, spec: Path, capsys: Any) -> None:
    for _ in range(2):
        assert run("submit", spec, "--token", "film-7") == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == ["hello-1", "hello-1"]
    spec.write_text(spec.read_text().replace("seed: 7", "seed: 8"))
    assert run("submit", spec, "--token", "film-7") == ExitCode.USAGE
    assert "[token_taken]" in capsys.readouterr().err
    assert len(farm.requests) == 1


def test_what_is_submitted_while_no_farm_runs_is_kept(journal: str, spec: Path, capsys: Any) -> None:
    assert run("submit", spec, "--patience", "0.1", "--token", "t") == ExitCode.OK
    out, err = capsys.readouterr()
    assert out.splitlines() == ["hello-1"]
    assert "request 1 is kept, and carried out once farm serve is there" in err
    assert run("list", "--json") == ExitCode.OK
    assert [(job["job"], job["state"]) for job in told(capsys)["jobs"]] == [("hello-1", "waits for a farm")]
    assert run("status", "hello-1", "--json") == ExitCode.OK
    assert told(capsys)["state"] == "waits for a farm"
    later = StandInFarm(journal)
    try:
        assert run("submit", spec, "--token", "t", "--json") == ExitCode.OK
    finally:
        later.stop()
    (job,) = told(capsys)["jobs"]
    assert (job["job"], job["answered"]) == ("hello-1", True)
    assert run("list", "--json") == ExitCode.OK
    assert [job["state"] for job in told(capsys)["jobs"]] == ["queued"]


def test_a_refused_submit_ends_with_the_farm_s_own_words(
    journal: str, spec: Path, specs: list[Path], capsys: Any
) -> None:
    refusal = RequestRefused("north has 9 of 9", where="hello-1", code="queue_full", hint="later")
    farm = StandInFarm(journal, refuse=lambda _request: refusal)
    try:
        assert run("submit", spec) == ExitCode.USAGE
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines() == ["error [queue_full] hello-1: north has 9 of 9", "  hint: later"]
        assert run("submit", spec, "--json") == ExitCode.USAGE
        record = told(capsys)
        assert record["ok"] is False
        assert record["jobs"][0]["error"]["code"] == "queue_full"
        assert run("submit", spec, "--wait", "--json") == ExitCode.USAGE
        (job,) = told(capsys)["jobs"]
        assert (job["state"], job["error"]["code"]) == ("refused", "queue_full")
        assert run("submit", *specs[:2]) == ExitCode.USAGE
        assert capsys.readouterr().err.count("error [queue_full]") == 2
        assert run("submit", *specs[:2], "--wait", "--json") == ExitCode.USAGE
        assert len(told(capsys)["jobs"]) == 2
    finally:
        farm.stop()


def test_a_submit_that_was_refused_after_the_patience_is_told_of_later(
    journal: str, spec: Path, capsys: Any
) -> None:
    assert run("submit", spec, "--patience", "0.1") == ExitCode.OK
    refusal = RequestRefused("north has 9 of 9", where="hello-1", code="queue_full", hint="later")
    farm = StandInFarm(journal, refuse=lambda _request: refusal)
    try:
        assert run("submit", spec) == ExitCode.USAGE, "the second is answered after the first"
    finally:
        farm.stop()
    capsys.readouterr()
    for command in ("wait", "status"):
        assert run(command, "hello-1") == ExitCode.USAGE
        assert "error [queue_full] hello-1: north has 9 of 9" in capsys.readouterr().err
        for name in ("hello-7", "other-1", "hello", "hello-99999999999999999999"):
            assert run(command, name) == ExitCode.USAGE
            assert "[unknown_job]" in capsys.readouterr().err


def test_a_refused_change_ends_with_the_farm_s_own_words(journal: str, spec: Path, capsys: Any) -> None:
    refusal = RequestRefused("it is succeeded", where="hello-1", code="wrong_state", hint="later")
    farm = StandInFarm(
        journal, refuse=lambda request: None if isinstance(request, SubmitRequest) else refusal
    )
    try:
        run("submit", spec)
        capsys.readouterr()
        assert run("pause", "hello-1", "--json") == ExitCode.USAGE
        assert told(capsys)["error"]["hint"] == "later"
    finally:
        farm.stop()


@pytest.mark.parametrize("command", ["cancel", "why", "retry"])
def test_a_name_that_nobody_handed_in_is_told_although_no_farm_runs(
    command: str, journal: str, spec: Path, capsys: Any
) -> None:
    run("submit", spec, "--patience", "0")
    capsys.readouterr()
    assert run(command, "nobody-9", "--patience", "0") == ExitCode.USAGE
    assert "[unknown_job] nobody-9" in capsys.readouterr().err
    assert run(command, "hello-1", "--patience", "0") == ExitCode.OK
    box = open_journal(journal)
    assert len(box.asked()) == 2, "what names nobody leaves nothing behind"
    box.close()


def test_a_submit_that_is_interrupted_says_what_was_handed_in(
    journal: str, specs: list[Path], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("farm.asking.answer_to", interrupted)
    assert run("submit", *specs[:2]) == ExitCode.INTERRUPTED
    assert "handed in all the same: hello-1, hello-2" in capsys.readouterr().err


def test_all_submits_of_a_command_share_its_patience(
    journal: str, specs: list[Path], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def silent(*_: Any, within_s: float) -> None:
        waits.append(within_s)
        time.sleep(0.01)

    monkeypatch.setattr("farm.asking.answer_to", silent)
    assert run("submit", *specs, "--patience", "60") == ExitCode.OK
    assert len(waits) == 4
    assert max(waits) <= 60.0
    assert all(later <= earlier - 0.01 for earlier, later in pairwise(waits)), (
        "what one waited, the next does not"
    )


def test_each_command_asks_for_what_it_says(farm: StandInFarm, spec: Path, capsys: Any) -> None:
    run("submit", spec)
    assert run("pause", "hello-1") == ExitCode.OK
    assert run("resume", "hello-1", "--max-gpu-seconds", "90") == ExitCode.OK
    assert run("retry", "hello-1") == ExitCode.OK
    assert run("requeue", "hello-1", "--frames", "100-149") == ExitCode.OK
    assert run("waive", "hello-1", "--frames", "7") == ExitCode.OK
    assert farm.requests[1:] == [
        PauseRequest(job="hello-1"),
        ResumeRequest(job="hello-1", max_gpu_seconds=90),
        RetryRequest(job="hello-1"),
        RequeueRequest(job="hello-1", first_frame=100, stop_frame=150),
        WaiveRequest(job="hello-1", first_frame=7, stop_frame=8),
    ]
    capsys.readouterr()
    assert run("why", "hello-1") == ExitCode.OK
    assert capsys.readouterr().out == "hello-1: It waits for [its] turn.\n"
    assert run("why", "hello-1", "--json") == ExitCode.OK
    record = told(capsys)
    assert (record["job"], record["answered"]) == ("hello-1", True)


@pytest.mark.parametrize("frames", ["", "a", "9-3", "-3", "3-", "1-2-3", "٣"])
def test_frames_that_are_none_are_told_at_once(journal: str, frames: str, capsys: Any) -> None:
    assert run("waive", "hello-1", f"--frames={frames}") == ExitCode.USAGE
    assert "[usage] --frames" in capsys.readouterr().err
    assert not Path(journal).exists()


@pytest.mark.parametrize("seconds", ["0", "inf", "1e12"])
def test_a_budget_that_is_none_is_told_at_once(journal: str, seconds: str, capsys: Any) -> None:
    assert run("resume", "hello-1", "--max-gpu-seconds", seconds) == ExitCode.USAGE
    assert "[usage] --max-gpu-seconds" in capsys.readouterr().err
    assert not Path(journal).exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit", "SPEC", "--studio", "../north"),
        ("submit", "SPEC", "--token", ""),
        ("submit", "SPEC", "SPEC", "--token", "t"),
        ("submit", "nowhere.yaml"),
        ("submit",),
        ("wait",),
    ],
    ids=str,
)
def test_a_wrong_command_line_reaches_no_farm(
    journal: str, spec: Path, arguments: tuple[str, ...], capsys: Any
) -> None:
    assert run(*(spec if each == "SPEC" else each for each in arguments)) == ExitCode.USAGE
    assert "error [" in capsys.readouterr().err
    assert not Path(journal).exists()


def test_status_shows_segments_bundles_and_masters(farm: StandInFarm, spec: Path, capsys: Any) -> None:
    run("submit", spec)
    farm.give_up_segment("hello-1", bundle="/bundles/hello-1/segment-00000")
    farm.succeed("hello-1", master="/out/[a]/hello.mp4")
    capsys.readouterr()
    assert run("status", "hello-1") == ExitCode.OK
    out = capsys.readouterr().out
    for words in ("succeeded", "1 committed", "/bundles/hello-1/segment-00000", "/out/[a]/hello.mp4"):
        assert words in out
    assert run("status", "hello-1", "--json") == ExitCode.OK
    record = told(capsys)
    assert record["segment_states"] == {"committed": 1}
    assert record["delivered"][0]["master"] == "/out/[a]/hello.mp4"
    assert run("list", "--json") == ExitCode.OK
    assert told(capsys)["jobs"] == []
    assert run("list", "--all") == ExitCode.OK
    assert "hello-1" in capsys.readouterr().out


def once_somebody_waits(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], None]) -> None:
    """Have something done when the command has looked once and waits for its next look."""
    deeds, sleep = [deed], time.sleep

    def pause(seconds: float) -> None:
        while deeds:
            deeds.pop()()
        sleep(seconds)

    monkeypatch.setattr("farm.cli.following.time.sleep", pause)


def test_wait_ends_with_the_job_and_its_exit_code(
    farm: StandInFarm, specs: list[Path], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("submit", *specs[:3])
    farm.succeed("hello-1")
    error = SegmentFailed("tripped", where="take 1, segment 0", hint="look at the bundle")
    assert run("wait", "hello-1") == ExitCode.OK
    assert "/out/hello.mp4" in capsys.readouterr().out
    once_somebody_waits(monkeypatch, lambda: farm.fail("hello-2", error))
    assert run("wait", "hello-1", "hello-2") == ExitCode.RENDER
    err = capsys.readouterr().err
    assert "error [segment_failed] take 1, segment 0: tripped" in err
    assert "hello-2 is queued" in err
    assert run("cancel", "hello-3") == ExitCode.OK
    assert run("wait", "hello-3", "--json") == ExitCode.INTERRUPTED
    assert '"cancelled"' in capsys.readouterr().out


def test_wait_can_end_before_the_jobs_do(farm: StandInFarm, spec: Path, capsys: Any) -> None:
    for _ in range(2):
        run("submit", spec)
    farm.succeed("hello-1")
    capsys.readouterr()
    assert run("wait", "hello-1", "hello-2", "--timeout", "0.3") == ExitCode.NOT_ENDED
    assert "[not_ended] wait: the time is up: hello-2 is queued" in capsys.readouterr().err
    assert run("wait", "hello-1", "--timeout", "0") == ExitCode.OK


def test_submit_can_wait_for_the_end(
    farm: StandInFarm, spec: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    once_somebody_waits(monkeypatch, lambda: farm.succeed("hello-1"))
    assert run("submit", spec, "--wait", "--json") == ExitCode.OK
    (job,) = told(capsys)["jobs"]
    assert (job["job"], job["state"], job["masters"]) == ("hello-1", "succeeded", ["/out/hello.mp4"])


@pytest.mark.parametrize("command", ["status", "wait", "list", "pause", "why"])
def test_where_there_is_no_journal_that_is_told(command: str, capsys: Any) -> None:
    assert run(command, *([] if command == "list" else ["hello-1"])) == ExitCode.INFRASTRUCTURE
    assert "[journal_not_found]" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "wait"])
def test_an_unknown_job_is_told(farm: StandInFarm, command: str, capsys: Any) -> None:
    assert run(command, "nobody-7") == ExitCode.USAGE
    assert "[unknown_job] nobody-7" in capsys.readouterr().err


def test_requests_of_another_version_do_not_hide_the_others(journal: str, spec: Path, capsys: Any) -> None:
    box = open_journal(journal)
    box.ask('{"kind": "dance"}', token="new")
    box.close()
    run("submit", spec, "--patience", "0")
    capsys.readouterr()
    assert run("list", "--json") == ExitCode.OK
    assert [job["job"] for job in told(capsys)["jobs"]] == ["hello-2"]
