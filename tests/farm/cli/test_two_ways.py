"""Each command for a shared farm by both ways, the journal and the server: the same words, documents and exit codes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from api_client import Api
from receiver import ReceiverServer, until
from stand_in_farm import StandInFarm
from two_ways import CONTENT, Way, delivered

from farm.scheduling.messages import RequestRefused
from jobs.access import Scope
from jobs.errors import ExitCode, NotSpeech, SegmentFailed
from jobs.farm_requests import (
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    SubmitRequest,
    WaiveRequest,
    WhyRequest,
)


def test_a_job_from_its_file_to_the_file_of_its_master(
    way: Way, farm: StandInFarm, write_spec: Any, tmp_path: Path
) -> None:
    spec = write_spec(seed=7, speech={"uri": "hello.wav", "gain_db": 3})
    code, told = way.told("submit", spec, "--hold")
    assert (code, told["ok"]) == (ExitCode.OK, True)
    assert told["jobs"] == [
        {"spec": str(spec), "request": 1, "job": "hello-1", "answered": True, "error": None}
    ]
    (request,) = farm.requests
    assert isinstance(request, SubmitRequest)
    assert (request.studio, request.on_hold) == ("default", True)
    assert (request.document["spec"]["seed"], request.document["spec"]["speech"]["gain_db"]) == (7, 3)
    heard = Path(request.folder, request.document["spec"]["speech"]["uri"])
    assert heard.read_bytes() == b"a recording"
    assert way.run("submit", write_spec()) == ExitCode.OK
    assert way.out == "hello-2\n"
    assert way.told("list")[1]["jobs"][0] | {"reason": "", "code": ""} == {
        "job": "hello-1",
        "studio": "default",
        "kind": "RenderJob",
        "state": "held",
        "reason": "",
        "code": "",
        "segments": 1,
        "settled": 0,
        "work": None,
    }
    delivered(farm, tmp_path, "hello-2")
    assert way.run("list") == ExitCode.OK
    assert "hello-1" in way.out
    assert "hello-2" not in way.out
    code, record = way.told("status", "hello-2")
    assert (code, record["state"], record["segment_states"]) == (0, "succeeded", {"committed": 1})
    assert (record["delivered"][0]["take"], record["error"], record["waits"]) == (1, None, None)
    assert way.run("wait", "hello-2") == ExitCode.OK
    out = tmp_path / "out"
    code, record = way.told("download", "hello-2", "--out", out)
    path = out / "hello-2.mp4"
    assert (code, path.read_bytes()) == (ExitCode.OK, CONTENT)
    assert record["files"] == [
        {"job": "hello-2", "take": 1, "path": str(path), "sha256": record["files"][0]["sha256"]}
    ]
    before = path.stat().st_mtime_ns
    assert way.run("download", "hello-2", "--out", out) == ExitCode.OK
    assert path.stat().st_mtime_ns == before
    path.write_bytes(b"edited by hand")
    assert way.told("download", "hello-2", "--out", out)[1]["error"]["code"] == "output_exists"
    assert path.read_bytes() == b"edited by hand"
    assert way.run("download", "hello-2", "--out", out, "--overwrite") == ExitCode.OK
    assert path.read_bytes() == CONTENT
    assert [each.name for each in out.iterdir()] == ["hello-2.mp4"]


def test_captions_go_with_the_job(way: Way, farm: StandInFarm, write_spec: Any, tmp_path: Path) -> None:
    words = b"1\n00:00:00,200 --> 00:00:01,000\nGood morning.\n"
    spec = write_spec(output={"captions": {"uri": "hello.srt", "language": "en"}})
    (spec.parent / "hello.srt").write_bytes(words)
    assert way.run("submit", spec) == ExitCode.OK, way.err
    (request,) = farm.requests
    assert isinstance(request, SubmitRequest)
    captions = request.document["spec"]["output"]["captions"]
    assert captions["language"] == "en"
    assert Path(request.folder, captions["uri"]).read_bytes() == words


def test_every_change_reaches_the_farm(way: Way, farm: StandInFarm, write_spec: Any) -> None:
    way.run("submit", write_spec())
    for arguments in (
        ("pause", "hello-1"),
        ("resume", "hello-1", "--max-gpu-seconds", "90"),
        ("retry", "hello-1"),
        ("requeue", "hello-1", "--frames", "100-149"),
        ("waive", "hello-1", "--frames", "7"),
    ):
        assert way.run(*arguments) == ExitCode.OK, way.err
        assert way.out == "hello-1: done\n"
    code, record = way.told("cancel", "hello-1")
    assert (code, record["job"], record["answered"]) == (ExitCode.OK, "hello-1", True)
    assert [request for request in farm.requests[1:] if not isinstance(request, WhyRequest)] == [
        PauseRequest(job="hello-1"),
        ResumeRequest(job="hello-1", max_gpu_seconds=90),
        RetryRequest(job="hello-1"),
        RequeueRequest(job="hello-1", first_frame=100, stop_frame=150),
        WaiveRequest(job="hello-1", first_frame=7, stop_frame=8),
        CancelRequest(job="hello-1"),
    ]
    assert way.told("wait", "hello-1")[0] == ExitCode.INTERRUPTED
    code, record = way.told("why", "hello-1")
    assert (code, record["job"], record["answered"]) == (ExitCode.OK, "hello-1", True)
    assert record["text"]


def test_a_change_that_is_refused_ends_as_the_farm_says(
    way: Way, api: Api, write_spec: Any, tmp_path: Path
) -> None:
    refusal = RequestRefused("it is succeeded", where="hello-1", code="wrong_state", hint="submit it again")
    farm = StandInFarm(
        api.settings.journal,
        refuse=lambda request: None if isinstance(request, SubmitRequest) else refusal,
    )
    try:
        way.run("submit", write_spec())
        assert way.run("pause", "hello-1") == ExitCode.USAGE
        assert way.err.splitlines() == [
            "error [wrong_state] hello-1: it is succeeded",
            "  hint: submit it again",
        ]
    finally:
        farm.stop()


def test_a_job_that_the_farm_does_not_take_is_told_at_once_and_the_others_are_handed_in(
    way: Way, api: Api, write_spec: Any
) -> None:
    refusal = RequestRefused("north has 9 of 9", where="hello-1", code="queue_full", hint="later")
    farm = StandInFarm(
        api.settings.journal,
        refuse=lambda request: refusal if request.document["metadata"]["name"] == "hello" else None,
    )
    try:
        for extra in ((), ("--hold",)):
            code, record = way.told("submit", write_spec(), write_spec("other"), *extra)
            assert (code, record["ok"]) == (ExitCode.USAGE, False)
            assert [job["error"] and job["error"]["code"] for job in record["jobs"]] == ["queue_full", None]
            assert record["jobs"][1]["job"].startswith("other-")
    finally:
        farm.stop()


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("why",), ("pause",), ("waive", "--frames", "1"), ("wait",), ("watch",), ("download",)],
    ids=lambda arguments: arguments[0],
)
def test_a_job_that_nobody_knows_is_told(way: Way, farm: StandInFarm, arguments: tuple[str, ...]) -> None:
    code, record = way.told(arguments[0], "nobody-7", *arguments[1:])
    assert (code, record["error"]["code"], record["error"]["where"]) == (2, "unknown_job", "nobody-7")


def test_a_failed_job_has_one_exit_code_however_it_is_asked_for(
    way: Way, farm: StandInFarm, write_spec: Any
) -> None:
    for error, code in (
        (SegmentFailed("tripped", where="take 1, segment 0", hint="look at the bundle"), ExitCode.RENDER),
        (NotSpeech("is silent", where="spec.speech", code="speech_silent"), ExitCode.INPUT),
    ):
        job = way.told("submit", write_spec())[1]["jobs"][0]["job"]
        farm.fail(job, error)
        assert way.run("wait", job) == code
        assert f"error [{error.code}] {error.where}: {error.message}" in way.err
        for command in ("watch", "download"):
            assert way.run(command, job) == code
            assert f"[{error.code}]" in way.err


def test_watch_tells_every_event_once_until_the_job_is_over(
    way: Way, farm: StandInFarm, write_spec: Any, tmp_path: Path
) -> None:
    way.run("submit", write_spec())
    later = threading.Timer(0.5, lambda: delivered(farm, tmp_path, "hello-1"))
    later.start()
    code, record = way.told("watch", "hello-1")
    later.join()
    assert (code, record["state"], record["error"]) == (ExitCode.OK, "succeeded", None)
    numbers = [event["sequence"] for event in record["events"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [event["kind"] for event in record["events"]][-2:] == ["take delivered", "moved"]
    assert all(event["sentence"] for event in record["events"])
    assert way.run("watch", "hello-1", "--after", str(numbers[-3])) == ExitCode.OK
    assert [int(line.split()[0]) for line in way.out.splitlines()] == numbers[-2:]


def test_download_can_wait_for_each_master(
    way: Way, farm: StandInFarm, write_spec: Any, tmp_path: Path
) -> None:
    way.run("submit", write_spec())
    way.run("submit", write_spec())
    assert way.told("download", "hello-1", "--out", tmp_path / "out")[0] == ExitCode.NOT_ENDED
    code = way.run("download", "hello-1", "--sync", "--timeout", "0.2", "--out", tmp_path / "out")
    assert code == ExitCode.NOT_ENDED
    later = threading.Timer(0.5, lambda: [delivered(farm, tmp_path, f"hello-{number}") for number in (1, 2)])
    later.start()
    code, record = way.told("download", "hello-1", "hello-2", "--sync", "--out", tmp_path / "out")
    later.join()
    assert (code, [Path(file["path"]).read_bytes() for file in record["files"]]) == (0, [CONTENT] * 2)


def test_a_master_that_is_no_longer_what_was_delivered_never_gets_its_name(
    way: Way, farm: StandInFarm, write_spec: Any, tmp_path: Path
) -> None:
    way.run("submit", write_spec())
    delivered(farm, tmp_path, "hello-1").write_bytes(CONTENT[:-1] + b"x")
    code, record = way.told("download", "hello-1", "--out", tmp_path / "out")
    assert (code, record["error"]["code"]) == (ExitCode.INPUT, "master_changed")
    assert list((tmp_path / "out").glob("*")) == []


def test_wrong_jobs_are_told_with_every_mistake_and_none_is_handed_in(
    way: Way, farm: StandInFarm, write_spec: Any
) -> None:
    code, record = way.told("submit", write_spec(), write_spec("other", sede=7, takes=0))
    assert code == ExitCode.USAGE
    assert {mistake["path"] for mistake in record["error"]["mistakes"]} == {"spec.sede", "spec.takes"}
    assert record["error"]["where"].endswith("other.json")
    assert farm.requests == []


def test_the_same_token_is_the_same_job_by_either_way(way: Way, farm: StandInFarm, write_spec: Any) -> None:
    for _ in range(2):
        assert way.run("submit", write_spec(), "--token", "film-7") == ExitCode.OK
        assert way.out == "hello-1\n"
    assert way.told("submit", write_spec(seed=8), "--token", "film-7")[1]["error"]["code"] == "token_taken"


def test_what_is_asked_while_no_farm_runs_is_kept(way: Way, write_spec: Any) -> None:
    code, record = way.told("submit", write_spec(), "--patience", "0")
    assert (code, record["jobs"][0]["answered"], record["jobs"][0]["job"]) == (0, False, "hello-1")
    assert way.told("status", "hello-1")[1]["state"] == "waits for a farm"
    assert [job["state"] for job in way.told("list")[1]["jobs"]] == ["waits for a farm"]
    assert way.run("pause", "hello-1", "--patience", "0") == ExitCode.OK
    assert "request 2 is kept" in way.err
    assert way.run("wait", "hello-1", "--timeout", "0") == ExitCode.NOT_ENDED


def test_receivers_are_added_seen_and_removed(way: Way, farm: StandInFarm, write_spec: Any) -> None:
    with ReceiverServer() as receiver:
        code, made = way.told("webhook", "add", receiver.url, "--label", "page", "--type", "job.received")
        assert (code, made["studio"], made["types"]) == (ExitCode.OK, "default", ["job.received"])
        assert made["secret"].startswith("whsec_")
        (listed,) = way.told("webhook", "list")[1]["webhooks"]
        assert listed == {name: made[name] for name in listed}
        way.run("submit", write_spec())
        until(lambda: bool(receiver.taken))
        name = made["webhook_id"]
        until(lambda: way.told("webhook", "deliveries", name)[1]["deliveries"][0]["state"] == "delivered")
        (sent,) = way.told("webhook", "deliveries", name)[1]["deliveries"]
        assert (sent["type"], sent["job"], sent["tries"], sent["status"]) == (
            "job.received",
            "hello-1",
            1,
            204,
        )
        assert way.told("webhook", "resend", name, str(sent["number"]))[1]["state"] == "pending"
        until(lambda: len(receiver.taken) == 2)
        code, record = way.told("webhook", "rotate", name, "--overlap", "1")
        assert (code, record["secret"] != made["secret"]) == (ExitCode.OK, True)
        assert way.run("webhook", "list") == ExitCode.OK
        assert "page" in way.out
        assert made["secret"] not in way.out
        assert way.run("webhook", "remove", name) == ExitCode.OK
        assert way.told("webhook", "list")[1]["webhooks"] == []
        assert way.told("webhook", "deliveries", name)[1]["error"]["code"] == "unknown_webhook"
        code, record = way.told("webhook", "add", "ftp://x")
        assert (code, record["error"]["mistakes"][0]["code"]) == (ExitCode.USAGE, "bad_url")


@pytest.mark.parametrize("way", ["server"], indirect=True)
@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({"output": {"uri": "out/hello.mp4"}}, "spec.output.uri", "output_is_the_farms"),
        ({"subject": "subjects/jane"}, "spec.subject", "not_builtin"),
        ({"speech": "s3://bucket/hello.wav"}, "spec.speech", "not_an_upload"),
    ],
    ids=["output", "subject", "speech"],
)
def test_what_only_works_beside_the_farm_is_refused_in_one_line(
    way: Way, farm: StandInFarm, write_spec: Any, spec: dict[str, Any], path: str, code: str
) -> None:
    good, bad = write_spec(), write_spec("bad", **spec)
    assert way.run("submit", good, bad) == ExitCode.USAGE
    (line,) = [line for line in way.err.splitlines() if line.startswith("error")]
    assert line.startswith(f"error [{code}] {bad} {path}: ")
    for option in (["--studio", "north"], ["--overwrite"]):
        assert way.run("submit", good, *option) == ExitCode.USAGE
        assert option[0] in way.err
    assert farm.requests == []


@pytest.mark.parametrize("way", ["server"], indirect=True)
def test_what_a_key_may_not_do_ends_with_its_own_exit_code(
    way: Way, farm: StandInFarm, write_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_KEY", way.api.key("default", Scope.READ))
    assert way.run("list") == ExitCode.OK
    code, record = way.told("submit", write_spec())
    assert (code, record["error"]["code"]) == (ExitCode.ACCESS, "scope_missing")


@pytest.mark.parametrize("way", ["server"], indirect=True)
def test_a_recording_that_is_not_there_is_told_before_anything_is_sent(
    way: Way, farm: StandInFarm, write_spec: Any
) -> None:
    code, record = way.told("submit", write_spec(), write_spec("other", speech="nowhere.wav"))
    assert (code, record["error"]["code"]) == (ExitCode.INPUT, "input_not_found")
    assert farm.requests == []


def test_a_take_is_chosen(way: Way, farm: StandInFarm, write_spec: Any) -> None:
    assert way.run("submit", write_spec(takes=3, choose="ask")) == ExitCode.OK
    assert way.run("choose", "hello-1", "2") == ExitCode.OK
    assert farm.requests[-1] == ChooseRequest(job="hello-1", take=2)
    assert way.run("choose", "hello-1", "0") == ExitCode.USAGE


def test_the_takes_of_a_job_that_waits_are_told(way: Way, farm: StandInFarm, write_spec: Any) -> None:
    assert way.run("submit", write_spec(takes=3, choose="ask")) == ExitCode.OK
    farm.sketch("hello-1")
    code, record = way.told("status", "hello-1")
    assert code == ExitCode.OK
    choice = record["choice"]
    assert (choice["offered"], choice["chosen"], choice["is_measured"]) == (3, None, True)
    assert [each["price_seconds"] for each in choice["takes"]] == [31.0, 32.0, 33.0]
    assert way.run("status", "hello-1") == ExitCode.OK
    assert way.out.count("sheet") >= 3
    assert "replica seconds" in way.out
    farm.choose("hello-1", 3)
    assert way.told("status", "hello-1")[1]["choice"]["chosen"] == 3
