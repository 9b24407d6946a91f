"""Batches through the API: every row or none, seen and ended together, the same batch when it is sent again."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from api_client import Api, uploaded
from stand_in_farm import StandInFarm

from farm.scheduling.messages import RequestRefused
from jobs.farm_requests import CancelRequest, SubmitRequest


def body(speech: str, rows: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    template = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "${shot}"},
        "spec": {"speech": speech, "subject": "builtin:fake", "seed": "${seed:number}"},
    }
    return {"name": "spring", "template": template, "rows": rows} | changes


def shots(count: int) -> list[dict[str, Any]]:
    return [{"shot": f"shot-{number}", "seed": number} for number in range(1, count + 1)]


def batch_of(client: httpx.Client, given: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = client.post("/v1/batches", json=given, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def settled(client: httpx.Client, batch: str, *, states: set[str]) -> dict[str, Any]:
    end = time.monotonic() + 20
    while True:
        told = dict(client.get(f"/v1/batches/{batch}").json())
        if set(told["states"]) <= states:
            return told
        assert time.monotonic() < end, told["states"]
        time.sleep(0.05)


def test_each_row_is_a_job_and_they_are_seen_together(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        made = batch_of(client, body(uploaded(client), shots(3)))
        told = settled(client, made["batch"], states={"queued"})
        assert [each["job"] for each in told["jobs"]] == ["shot-1-1", "shot-2-2", "shot-3-3"]
        seeds = [
            request.document["spec"]["seed"]
            for request in farm.requests
            if isinstance(request, SubmitRequest)
        ]
        assert seeds == [1, 2, 3]
        outputs = {
            request.document["spec"]["output"]["uri"]
            for request in farm.requests
            if isinstance(request, SubmitRequest)
        }
        assert len(outputs) == 3
        assert (told["percent"], told["ended"], told["name"]) == (0.0, 0, "spring")
        farm.succeed("shot-2-2")
        told = settled(client, made["batch"], states={"queued", "succeeded"})
        assert (told["percent"], told["ended"], told["states"]) == (33.3, 1, {"queued": 2, "succeeded": 1})
        assert [each["batch"] for each in client.get("/v1/batches").json()["batches"]] == [made["batch"]]
        cancelled = client.post(f"/v1/batches/{made['batch']}/cancel").json()
        assert cancelled == {"batch": made["batch"], "asked": 2}
        told = settled(client, made["batch"], states={"cancelled", "succeeded"})
        assert (told["percent"], told["ended"]) == (100.0, 3)
        asked = [request.job for request in farm.requests if isinstance(request, CancelRequest)]
        assert asked == ["shot-1-1", "shot-3-3"]
        assert client.post(f"/v1/batches/{made['batch']}/cancel").json()["asked"] == 0


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rows_may_be_csv_or_json_lines(api: Api, farm: StandInFarm, form: str) -> None:
    rows = {"csv": "shot,seed\nhello,7\n", "jsonl": '{"shot": "hello", "seed": "7"}\n'}
    with api.client() as client:
        given = body(uploaded(client), [])
        del given["rows"]
        made = batch_of(client, given | {form: rows[form]})
        assert [each["job"] for each in made["jobs"]] == ["hello-1"]


def test_every_mistake_of_every_row_is_told_and_no_row_is_handed_in(api: Api, farm: StandInFarm) -> None:
    rows: list[dict[str, Any]] = [
        {"shot": "good", "seed": 1},
        {"shot": "=cmd|' /C calc'!A0", "seed": "one"},
        {"shot": "../up", "seed": -1},
    ]
    with api.client() as client:
        given = body(uploaded(client), rows)
        for params in ({}, {"dry_run": True}):
            answer = client.post("/v1/batches", json=given, params=params)
            assert (answer.status_code, answer.json()["code"]) == (422, "bad_batch")
            found = [(each["path"], each["code"]) for each in answer.json()["mistakes"]]
            assert ("rows[2].spec.seed", "not_a_number") in found
            assert {path for path, _ in found} == {
                "rows[2].spec.seed",
                "rows[3].metadata.name",
                "rows[3].spec.seed",
            }
        stranger = body("upload:" + "0" * 32, [{"shot": "a", "seed": 1}])
        assert client.post("/v1/batches", json=stranger).json()["mistakes"][0]["code"] == "unknown_upload"
        assert client.get("/v1/jobs").json()["jobs"] == []
        assert client.get("/v1/batches").json() == {"batches": []}
    assert farm.requests == []


def test_a_dry_run_says_what_would_come_and_leaves_nothing(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        answer = client.post("/v1/batches", json=body(uploaded(client), shots(2)), params={"dry_run": True})
        assert (answer.status_code, answer.json()) == (200, {"rows": 2, "names": ["shot-1", "shot-2"]})
        assert client.get("/v1/batches").json() == {"batches": []}
    assert farm.requests == []


def test_a_batch_that_is_sent_again_is_the_same_and_with_other_rows_is_refused(
    api: Api, farm: StandInFarm
) -> None:
    with api.client() as client, api.client("south") as south:
        given = body(uploaded(client), shots(3))
        first = batch_of(client, given, **{"Idempotency-Key": "k"})
        assert batch_of(client, given, **{"Idempotency-Key": "k"})["batch"] == first["batch"]
        other = client.post(
            "/v1/batches", json=body(uploaded(client), shots(2)), headers={"Idempotency-Key": "k"}
        )
        assert (other.status_code, other.json()["code"]) == (409, "token_taken")
        theirs = batch_of(south, body(uploaded(south), shots(1)), **{"Idempotency-Key": "k"})
        assert theirs["batch"] != first["batch"]
        for answer in (
            south.get(f"/v1/batches/{first['batch']}"),
            south.post(f"/v1/batches/{first['batch']}/cancel"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_batch")
        settled(client, first["batch"], states={"queued"})
    assert len(farm.requests) == 4


def test_rows_that_the_farm_refuses_are_seen_as_refused(api: Api) -> None:
    refusal = RequestRefused("north has 1 of 1", where="north", code="queue_full", hint="later")
    farm = StandInFarm(
        api.settings.journal,
        refuse=lambda request: (
            refusal
            if isinstance(request, SubmitRequest) and request.document["metadata"]["name"] != "shot-1"
            else None
        ),
    )
    try:
        with api.client() as client:
            made = batch_of(client, body(uploaded(client), shots(3)))
            told = settled(client, made["batch"], states={"queued", "refused"})
            assert [each["code"] for each in told["jobs"]] == ["", "queue_full", "queue_full"]
            assert told["ended"] == 2
    finally:
        farm.stop()


def test_a_batch_is_kept_while_no_farm_runs(api: Api) -> None:
    with api.client() as client:
        made = batch_of(client, body(uploaded(client), shots(2)))
        assert made["states"] == {"waiting": 2}
        assert client.post(f"/v1/batches/{made['batch']}/cancel").json()["asked"] == 2
        farm = StandInFarm(api.settings.journal)
        try:
            settled(client, made["batch"], states={"cancelled"})
        finally:
            farm.stop()


def test_a_batch_has_rows_in_one_form(api: Api) -> None:
    with api.client() as client:
        given = body("upload:" + "0" * 32, shots(1))
        for wrong in (given | {"csv": "shot,seed\na,1\n"}, {**given, "rows": None}, given | {"extra": 1}):
            assert client.post("/v1/batches", json=wrong).status_code == 422
        large = json.dumps(given | {"rows": None, "csv": "shot,seed\n" + "a,1\n" * 10_000})
        assert (
            client.post(
                "/v1/batches", content=large, headers={"Content-Type": "application/json"}
            ).status_code
            == 413
        )
