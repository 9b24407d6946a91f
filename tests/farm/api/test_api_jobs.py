"""Jobs over HTTP: handed in once, seen by their studio alone, changed by the farm's own messages."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from api_client import Api, document, submitted, uploaded
from stand_in_farm import StandInFarm

from farm.scheduling.messages import RequestRefused
from jobs.errors import InternalError, NotSpeech
from jobs.farm_requests import (
    CancelRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    SubmitRequest,
    WaiveRequest,
)
from jobs.standings import Standing, Standings


def test_a_job_is_handed_to_the_farm_with_paths_of_its_studio_alone(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        upload = uploaded(client)
        answer = client.post("/v1/jobs", json=document(upload, seed=7), params={"hold": True})
        assert answer.status_code == 201
        job = answer.json()
        assert answer.headers["location"] == "/v1/jobs/hello-1"
    (request,) = farm.requests
    assert isinstance(request, SubmitRequest)
    assert (request.studio, request.on_hold, request.overwrite) == ("north", True, False)
    assert request.folder == str(api.settings.studios / "north")
    spec = request.document["spec"]
    assert Path(request.folder, spec["speech"]).read_bytes() == b"a recording"
    assert spec["output"]["uri"].startswith("masters/")
    assert spec["output"]["uri"].endswith("/hello.mp4")
    assert (job["job"], job["state"], job["studio"]) == ("hello-1", "held", "north")
    assert job["document"]["spec"] == {"speech": upload, "subject": "builtin:fake", "seed": 7}
    assert str(api.settings.studios) not in answer.text


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml; charset=utf-8"])
def test_a_job_may_be_yaml_as_its_file_is(api: Api, farm: StandInFarm, kind: str) -> None:
    with api.client() as client:
        text = (
            "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: hello}\n"
            f"spec:\n  speech: {{uri: '{uploaded(client)}', gain_db: 3}}\n  subject: builtin:fake\n"
        )
        answer = client.post("/v1/jobs", content=text, headers={"Content-Type": kind})
        assert answer.status_code == 201
        assert answer.json()["document"]["spec"]["speech"]["gain_db"] == 3
        wrong = client.post(
            "/v1/jobs", content=text.replace("gain_db", "gain"), headers={"Content-Type": kind}
        )
        (mistake,) = wrong.json()["mistakes"]
        assert (mistake["path"], mistake["line"]) == ("spec.speech.gain", 5)
        refused = client.post("/v1/jobs", content=text, headers={"Content-Type": "text/xml"})
        assert (refused.status_code, refused.json()["code"]) == (415, "unknown_body")


def test_all_mistakes_come_in_one_answer(api: Api) -> None:
    with api.client() as client:
        answer = client.post("/v1/jobs", json=document("upload:" + "0" * 32, takes=0, sede=7))
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_spec")
        assert {mistake["path"] for mistake in answer.json()["mistakes"]} == {"spec.sede", "spec.takes"}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("speech", "/etc/passwd", "not_an_upload"),
        ("speech", "hello.wav", "not_an_upload"),
        ("speech", "../south/uploads/0/speech", "not_an_upload"),
        ("speech", "s3://bucket/hello.wav", "not_an_upload"),
        ("speech", "upload:../../south", "not_an_upload"),
        ("speech", "upload:" + "0" * 32, "unknown_upload"),
        ("speech", "upload:" + "A" * 32, "not_an_upload"),
        ("subject", "subjects/anna", "not_builtin"),
        ("subject", "s3://bucket/anna", "not_builtin"),
        ("output", {"uri": "/tmp/a.mp4"}, "output_is_the_farms"),
        ("output", {"uri": "s3://bucket/a.mp4"}, "output_is_the_farms"),
    ],
)
def test_nothing_of_a_job_leads_out_of_its_studio(api: Api, field: str, value: object, code: str) -> None:
    with api.client() as client:
        job = document(uploaded(client))
        job["spec"][field] = value
        answer = client.post("/v1/jobs", json=job)
    assert answer.status_code == 422
    (mistake,) = answer.json()["mistakes"]
    assert (mistake["code"], mistake["path"].startswith(f"spec.{field}")) == (code, True)
    assert list(api.journal.asked()) == []


def test_an_upload_of_another_studio_is_unknown(api: Api) -> None:
    with api.client("south") as south, api.client("north") as north:
        theirs = uploaded(south, b"south's own words")
        answer = north.post("/v1/jobs", json=document(theirs))
        assert answer.json()["mistakes"][0]["code"] == "unknown_upload"
        assert north.get(f"/v1/uploads/{theirs.removeprefix('upload:')}").status_code == 404


def test_one_idempotency_key_is_one_job_for_ever(api: Api, farm: StandInFarm) -> None:
    headers = {"Idempotency-Key": "reel-3"}
    with api.client() as client, api.client("south") as other:
        job = document(uploaded(client))
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: client.post("/v1/jobs", json=job, headers=headers), range(12)))
        assert {answer.status_code for answer in answers} == {201}
        assert {answer.json()["job"] for answer in answers} == {"hello-1"}
        # The same job, spelled otherwise.
        spelled = json.dumps(dict(reversed(job.items())), indent=3)
        assert client.post("/v1/jobs", content=spelled, headers=headers).json()["job"] == "hello-1"
        changed = client.post("/v1/jobs", json=job, headers=headers, params={"hold": True})
        assert (changed.status_code, changed.json()["code"]) == (409, "token_taken")
        assert changed.json()["where"] == "Idempotency-Key"
        assert client.post("/v1/jobs/hello-1/pause", headers=headers).json()["code"] == "token_taken"
        uploaded(other)
        assert other.post("/v1/jobs", json=job, headers=headers).json()["job"] == "hello-2"
        for wrong in ("", "x" * 201, "two words"):
            answer = client.post("/v1/jobs", json=job, headers={"Idempotency-Key": wrong})
            assert answer.status_code == 422, wrong
    assert len(farm.requests) == 2


def test_what_is_asked_while_no_farm_serves_is_kept_and_told(api: Api) -> None:
    with api.client() as client:
        answer = client.post("/v1/jobs", json=document(uploaded(client)), headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
        assert answer.json()["why"]["code"] == "no_farm"
        assert client.get("/v1/ready").status_code == 503
        assert [job["job"] for job in client.get("/v1/jobs").json()["jobs"]] == ["hello-1"]
        assert client.get("/v1/jobs", params={"state": "waiting"}).json()["jobs"] != []
        assert client.get("/v1/jobs", params={"state": "queued"}).json()["jobs"] == []
        paused = client.post("/v1/jobs/hello-1/pause")
        assert (paused.status_code, paused.json()["answered"]) == (202, False)
        farm = StandInFarm(api.settings.journal)
        try:
            later = client.post("/v1/jobs", json=document(uploaded(client)), headers={"Idempotency-Key": "k"})
        finally:
            farm.stop()
        assert (later.status_code, later.json()["state"]) == (201, "queued")


@pytest.mark.parametrize(
    ("path", "body", "request_of"),
    [
        ("pause", None, PauseRequest(job="hello-1")),
        ("cancel", None, CancelRequest(job="hello-1")),
        ("retry", None, RetryRequest(job="hello-1")),
        ("resume", None, ResumeRequest(job="hello-1")),
        ("resume", {"max_gpu_seconds": 90.0}, ResumeRequest(job="hello-1", max_gpu_seconds=90.0)),
        (
            "segments/requeue",
            {"first_frame": 100, "last_frame": 149},
            RequeueRequest(job="hello-1", first_frame=100, stop_frame=150),
        ),
        (
            "segments/waive",
            {"first_frame": 7, "last_frame": 7},
            WaiveRequest(job="hello-1", first_frame=7, stop_frame=8),
        ),
    ],
)
def test_a_change_is_the_farms_own_request(
    api: Api, farm: StandInFarm, path: str, body: object, request_of: object
) -> None:
    with api.client() as client:
        job = submitted(client)
        answer = client.post(f"/v1/jobs/{job}/{path}", json=body)
    assert (answer.status_code, answer.json()["answered"], answer.json()["job"]) == (200, True, job)
    assert farm.requests[1:] == [request_of]


def test_what_the_farm_refuses_is_told_as_it_tells_it(api: Api) -> None:
    def refuse(request: object) -> RequestRefused | InternalError | None:
        if isinstance(request, PauseRequest):
            place = api.settings.studios / "north" / "masters" / "1"
            return RequestRefused(
                f"'{place}/hello.mp4' is in the way", where=request.job, code="wrong_state", hint="wait"
            )
        return InternalError("it fell over", where="x") if isinstance(request, CancelRequest) else None

    farm = StandInFarm(api.settings.journal, refuse=refuse)
    try:
        with api.client() as client:
            job = submitted(client)
            refused = client.post(f"/v1/jobs/{job}/pause")
            assert (refused.status_code, refused.json()["code"], refused.json()["hint"]) == (
                409,
                "wrong_state",
                "wait",
            )
            assert refused.json()["message"] == "'masters/1/hello.mp4' is in the way"
            assert client.post(f"/v1/jobs/{job}/cancel").status_code == 500
            explained = client.get(refused.json()["doc_url"])
            assert explained.json()["code"] == "wrong_state"
            assert client.get("/v1/errors/made_up").status_code == 404
    finally:
        farm.stop()


def test_a_submit_that_the_farm_refused_stays_refused_and_says_why(api: Api) -> None:
    def refuse(request: object) -> NotSpeech | None:
        return (
            NotSpeech("nothing is said", where="hello-1", hint="speak")
            if isinstance(request, SubmitRequest)
            else None
        )

    farm = StandInFarm(api.settings.journal, refuse=refuse)
    try:
        with api.client() as client, api.client("south") as south:
            answer = client.post("/v1/jobs", json=document(uploaded(client)))
            assert (answer.status_code, answer.json()["code"]) == (422, "not_speech")
            assert client.get("/v1/jobs/hello-1").json()["code"] == "not_speech"
            assert client.get("/v1/jobs/hello-2").json()["code"] == "unknown_job"
            assert south.get("/v1/jobs/hello-1").json()["code"] == "unknown_job"
    finally:
        farm.stop()


def test_queued_running_and_ended_never_look_alike(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        first, second = submitted(client), submitted(client, "second")
        turn = Standing(code="turn", sentence="Every replica is busy; 3 jobs come before it.", position=3)
        told = Standings(owner="a test", replicas=2, jobs={second: turn})
        epoch = farm._epoch
        api.journal.beat(epoch, told.model_dump_json())
        queued = client.get(f"/v1/jobs/{second}").json()
        assert (queued["state"], queued["why"]["code"], queued["why"]["position"]) == ("queued", "turn", 3)
        assert queued["progress"]["percent"] == 0.0
        assert client.get(f"/v1/jobs/{second}/why").json() == turn.model_dump()
        assert client.get("/v1/ready").json() | {"heard_at": ""} == {
            "is_served": True,
            "heard_at": "",
            "replicas": 2,
        }
        # What was said before the job came to its state is not about that state.
        stale = {"third-3": Standing(code="finishing", sentence="Every segment is settled.")}
        api.journal.beat(epoch, Standings(owner="a test", replicas=2, jobs=stale).model_dump_json())
        third = submitted(client, "third")
        assert client.get(f"/v1/jobs/{third}").json()["why"]["code"] == "queued"
        farm.succeed(first)
        ended = client.get(f"/v1/jobs/{first}").json()
        assert (ended["state"], ended["why"], ended["progress"]["percent"]) == ("succeeded", None, 100.0)
        assert [master["url"] for master in ended["masters"]] == [f"/v1/jobs/{first}/masters/1"]
        assert ended["created_at"] < ended["changed_at"]
        farm.fail(
            second, NotSpeech("nothing is said", where=str(api.settings.studios / "north/uploads/x/speech"))
        )
        failed = client.get(f"/v1/jobs/{second}").json()
        assert (failed["state"], failed["error"]["code"]) == ("failed", "not_speech")
        assert failed["error"]["where"] == "uploads/x/speech"
        assert client.get(f"/v1/jobs/{second}/why").json()["code"] == "over"


def test_a_list_goes_from_page_to_page_while_others_come(api: Api, farm: StandInFarm) -> None:
    with api.client() as client, api.client("south") as other:
        names = [submitted(client, f"clip{number % 3}") for number in range(7)]
        submitted(other)
        seen: list[str] = []
        cursor: str | None = None
        while True:
            given = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/jobs", params=given).json()
            seen += [job["job"] for job in page["jobs"]]
            submitted(client, "late")
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == names[::-1]
        of_name = client.get("/v1/jobs", params={"name": "clip1"}).json()["jobs"]
        assert [job["job"] for job in of_name] == [names[4], names[1]]
        assert client.get("/v1/jobs", params={"project": "default", "name": "clip0"}).json()["jobs"] != []
        assert client.get("/v1/jobs", params={"project": "other"}).json()["jobs"] == []
        for wrong in ({"cursor": "x"}, {"cursor": "e30="}, {"limit": 0}, {"limit": 201}, {"state": "asleep"}):
            assert client.get("/v1/jobs", params=wrong).status_code == 422, wrong


def test_frames_that_are_none_are_refused_before_the_farm_is_asked(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        job = submitted(client)
        for wrong in (
            {"first_frame": 5, "last_frame": 4},
            {"first_frame": -1, "last_frame": 4},
            {"first_frame": 1},
            {"first_frame": 1, "last_frame": 4, "take": 1},
        ):
            assert client.post(f"/v1/jobs/{job}/segments/waive", json=wrong).status_code == 422, wrong
        assert client.post(f"/v1/jobs/{job}/explode").status_code in (404, 422)
    assert len(farm.requests) == 1


def test_two_processes_of_the_api_tell_the_same(api: Api, farm: StandInFarm) -> None:
    from api_client import running_api

    with api.client() as client:
        job = submitted(client)
        key = api.key()
        with running_api(api.settings) as second, second.client(key=key) as other:
            assert other.get(f"/v1/jobs/{job}").json() == client.get(f"/v1/jobs/{job}").json()
            later = submitted(other, "later")
            assert client.get(f"/v1/jobs/{later}").status_code == 200


def test_many_who_ask_at_once_are_all_answered(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        uploaded(client)
        failures: list[str] = []

        def work(number: int) -> None:
            try:
                name = submitted(client, f"n{number}")
                assert client.get(f"/v1/jobs/{name}").json()["job"] == name
            except (AssertionError, httpx.HTTPError) as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert failures == []
    assert len(farm.requests) == 20
