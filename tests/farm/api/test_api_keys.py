"""Every address against every kind of key: what opens what, and that an ended key opens nothing any more."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from api_client import IMPATIENT, Api, running_api, settings_in, submitted
from stand_in_farm import StandInFarm

from jobs.access import Scope

# None: any key will do.
ADDRESSES: dict[tuple[str, str], Scope | None] = {
    ("POST", "/v1/uploads"): Scope.WRITE,
    ("GET", "/v1/uploads/{upload}"): Scope.READ,
    ("POST", "/v1/jobs"): Scope.WRITE,
    ("GET", "/v1/jobs"): Scope.READ,
    ("GET", "/v1/jobs/{job}"): Scope.READ,
    ("GET", "/v1/jobs/{job}/why"): Scope.READ,
    ("GET", "/v1/jobs/{job}/events"): Scope.READ,
    ("POST", "/v1/jobs/{job}/pause"): Scope.WRITE,
    ("POST", "/v1/jobs/{job}/resume"): Scope.WRITE,
    ("POST", "/v1/jobs/{job}/cancel"): Scope.WRITE,
    ("POST", "/v1/jobs/{job}/retry"): Scope.WRITE,
    ("POST", "/v1/jobs/{job}/choose"): Scope.WRITE,
    ("GET", "/v1/jobs/{job}/takes/{take}/sheet"): Scope.READ,
    ("GET", "/v1/jobs/{job}/takes/{take}/playback"): Scope.READ,
    ("POST", "/v1/jobs/{job}/segments/requeue"): Scope.WRITE,
    ("POST", "/v1/jobs/{job}/segments/waive"): Scope.WRITE,
    ("GET", "/v1/jobs/{job}/masters/{take}"): Scope.READ,
    ("GET", "/v1/jobs/{job}/masters/{take}/manifest"): Scope.READ,
    ("GET", "/v1/jobs/{job}/masters/{take}/captions"): Scope.READ,
    ("GET", "/v1/jobs/{job}/hls/{take}/{name}"): Scope.READ,
    ("GET", "/v1/events"): Scope.READ,
    ("POST", "/v1/batches"): Scope.WRITE,
    ("GET", "/v1/batches"): Scope.READ,
    ("GET", "/v1/batches/{batch}"): Scope.READ,
    ("POST", "/v1/batches/{batch}/cancel"): Scope.WRITE,
    ("POST", "/v1/webhooks"): Scope.WRITE,
    ("GET", "/v1/webhooks"): Scope.READ,
    ("GET", "/v1/webhooks/{webhook_id}"): Scope.READ,
    ("DELETE", "/v1/webhooks/{webhook_id}"): Scope.WRITE,
    ("POST", "/v1/webhooks/{webhook_id}/secret"): Scope.WRITE,
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): Scope.READ,
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{number}/resend"): Scope.WRITE,
    ("GET", "/v1/key"): None,
    ("POST", "/v1/keys"): Scope.ADMIN,
    ("GET", "/v1/keys"): Scope.ADMIN,
    ("GET", "/v1/keys/changes"): Scope.ADMIN,
    ("DELETE", "/v1/keys/{key_id}"): Scope.ADMIN,
    ("GET", "/metrics"): Scope.METRICS,
}
OPEN = {("GET", "/v1/health"), ("GET", "/v1/ready"), ("GET", "/v1/errors/{code}")}
BODIES = {
    "/v1/jobs/{job}/segments/requeue": {"first_frame": 0, "last_frame": 1},
    "/v1/jobs/{job}/segments/waive": {"first_frame": 0, "last_frame": 1},
    "/v1/jobs/{job}/choose": {"take": 1},
    "/v1/keys": {"studio": "north"},
    "/v1/batches": {"name": "spring", "template": {}, "rows": []},
    "/v1/webhooks": {"url": "https://127.0.0.1/"},
}


def filled(address: str, job: str = "hello-1") -> str:
    return address.format(
        job=job,
        take="1",
        name="main.m3u8",
        upload="0" * 32,
        key_id="0" * 12,
        webhook_id="wh_0",
        number="1",
        batch="b_0",
    )


def asked(client: httpx.Client, method: str, address: str, job: str = "hello-1") -> httpx.Response:
    with client.stream(
        method, filled(address, job), json=BODIES.get(address) if method == "POST" else None
    ) as answer:
        if answer.headers["content-type"].startswith("application/json"):
            answer.read()
        return answer


def test_the_table_has_every_address(api: Api) -> None:
    schema = httpx.get(f"{api.server.address}/openapi.json").json()
    offered = {(method.upper(), path) for path, methods in schema["paths"].items() for method in methods}
    assert offered == ADDRESSES.keys() | OPEN


@pytest.mark.parametrize(("method", "address"), ADDRESSES, ids=str)
def test_an_address_opens_with_a_key_of_its_scope_alone(
    api: Api, farm: StandInFarm, method: str, address: str
) -> None:
    scope = ADDRESSES[method, address]
    with api.client() as own:
        job = submitted(own)
    wrong = [other for other in Scope if scope not in (None, other)]
    revoked, expired = api.key("north", *Scope), api.key("north", *Scope, expires_at=time.time() - 1)
    api.journal.keys.revoke(revoked[5:17], by="a test")
    refusals = [
        ("Bearer", 401, "no_key"),
        ("Basic eDp5", 401, "no_key"),
        ("Bearer moda_x", 401, "key_unknown"),
        (f"Bearer {api.key()[:-2]}zz", 401, "key_unknown"),
        (f"Bearer {expired}", 401, "key_expired"),
        (f"Bearer {revoked}", 401, "key_revoked"),
    ]
    if scope is not None:
        refusals.append((f"Bearer {api.key('north', *wrong)}", 403, "scope_missing"))
    for authorization, status, code in refusals:
        with httpx.Client(base_url=api.server.address, headers={"Authorization": authorization}) as client:
            answer = asked(client, method, address, job)
        assert (answer.status_code, answer.json()["code"]) == (status, code), authorization
        assert ("www-authenticate" in answer.headers) == (status == 401)
    with httpx.Client(base_url=api.server.address) as client:
        assert asked(client, method, address, job).json()["code"] == "no_key"
    with api.client("north", scope or Scope.READ) as client:
        assert asked(client, method, address, job).status_code not in (401, 403)
    if "{job}" in address:
        assert scope is not None
        with api.client("south", scope) as client:
            other = asked(client, method, address, job)
            nobody = asked(client, method, address, "nothing-77")
        assert (other.status_code, other.json()["code"]) == (404, "unknown_job")
        theirs, nobodys = other.json(), nobody.json()
        for answer_of in (theirs, nobodys):
            del answer_of["request_id"], answer_of["where"]
        assert theirs == nobodys, "another studio's job is told from none"


def test_a_revoked_key_opens_nothing_from_the_next_request_on(api: Api) -> None:
    text = api.key("north", Scope.READ)
    with api.client(key=text) as client, api.client("house", Scope.ADMIN) as admin:
        assert client.get("/v1/jobs").status_code == 200
        answer = admin.delete(f"/v1/keys/{text[5:17]}")
        assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
        assert client.get("/v1/jobs").json()["code"] == "key_revoked"
        changes = admin.get("/v1/keys/changes").json()["changes"]
    assert [change["what"] for change in changes] == ["created", "created", "revoked"]
    assert changes[-1]["by"].startswith("key ")


@pytest.mark.parametrize("scope", list(Scope))
def test_a_key_may_always_ask_what_it_is(api: Api, scope: Scope) -> None:
    with api.client("south", scope) as client:
        told = client.get("/v1/key").json()
    assert (told["studio"], told["scopes"], told["state"]) == ("south", [scope.value], "active")
    assert "key" not in told


def test_a_key_made_through_the_api_is_shown_once_and_opens(api: Api) -> None:
    with api.client("house", Scope.ADMIN) as admin:
        made = admin.post("/v1/keys", json={"studio": "south", "label": "nightly", "scopes": ["read"]})
        assert made.status_code == 201
        with api.client(key=made.json()["key"]) as client:
            assert client.get("/v1/jobs").json() == {"jobs": [], "next_cursor": None}
            assert client.post("/v1/jobs/x-1/pause").status_code == 403
        listed = admin.get("/v1/keys", params={"studio": "south"}).json()["keys"]
        assert [key["label"] for key in listed] == ["nightly"]
        assert made.json()["key"] not in admin.get("/v1/keys").text
        for wrong in (
            {"studio": "../x"},
            {"studio": "x", "scopes": []},
            {"studio": "x", "scopes": ["all"]},
            {"studio": "x", "expires_at": "2001-01-01T00:00:00Z"},
            {"studio": "x", "expires_at": "2101-01-01T00:00:00"},
            {"studio": "x", "label": "two\nlines"},
            {"studio": "x", "role": "king"},
        ):
            assert admin.post("/v1/keys", json=wrong).status_code == 422, wrong
        assert admin.delete("/v1/keys/000000000000").json()["code"] == "unknown_key"


def test_a_studio_that_asks_too_often_is_told_how_long_to_wait_and_no_other_is(tmp_path: Path) -> None:
    with (
        running_api(settings_in(tmp_path), limits=replace(IMPATIENT, requests_per_minute=5)) as api,
        api.client() as one,
        api.client() as two,
        api.client("south") as other,
    ):
        answers = [client.get("/v1/jobs") for client in (one, two) * 4]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        told = answers[-1].json()
        assert (told["code"], told["where"], told["retry"]) == (
            "rate_limited",
            "requests_per_minute",
            "later",
        )
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert other.get("/v1/jobs").status_code == 200
        assert one.get("/v1/health").status_code == 200
