"""Receivers of a studio: every change at least once, in order per job, signed; a dead one holds nothing up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import Api, running_api, settings_in, submitted
from receiver import Got, ReceiverServer, takes, until
from stand_in_farm import StandInFarm

from farm.api.webhook_sending import WebhookTerms
from jobs.access import Scope
from jobs.webhooks import signatures

HERE = (ip_network("127.0.0.0/8"),)
QUICK = WebhookTerms(networks=HERE, timeout_s=0.5, waits_s=(0.05,) * 60, look_s=0.05)


webhook_api = partial(running_api, webhooks=QUICK)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with webhook_api(settings_in(tmp_path)) as running:
        yield running


@pytest.fixture
def farm(api: Api) -> Iterator[StandInFarm]:
    made = StandInFarm(api.settings.journal)
    yield made
    made.stop()


@pytest.fixture
def receiver() -> Iterator[ReceiverServer]:
    made = ReceiverServer()
    yield made
    made.stop()


def added(client: httpx.Client, url: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": url} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def deliveries(client: httpx.Client, webhook: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries", params=params)
    return list(answer.json()["deliveries"])


def verified(got: Got, secret: str) -> bool:
    """As a receiver does it, from the text of the standard."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in got.headers["webhook-signature"].split(" ")


def told_of(api: Api, job: str) -> list[int]:
    """Sequences of the journal's entries that a receiver is to be told of."""
    kinds = {"received", "planned", "restored", "moved", "erred", "waits", "take delivered"}
    wanted = []
    for entry in api.journal.read():
        record = json.loads(entry.body)
        kind = record["kind"].removeprefix("job ")
        if kind in kinds and job in (record.get("job"), record.get("subject")):
            wanted.append(entry.sequence)
    return wanted


def test_signatures_are_those_of_the_standard() -> None:
    """The example in the specification of Standard Webhooks."""
    made = signatures(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_change_of_a_job_is_told_in_order_and_signed(
    api: Api, farm: StandInFarm, receiver: ReceiverServer
) -> None:
    with api.client() as north, api.client("south") as south:
        before = submitted(north)
        webhook = added(north, receiver.url, label="page")
        job, other = submitted(north), submitted(south)
        farm.succeed(job)
        farm.succeed(other)
        farm.succeed(before)
        wanted = told_of(api, job)
        until(lambda: len([got for got in receiver.taken if got.job == job]) >= len(wanted))
        time.sleep(0.3)
        of_job = [got for got in receiver.taken if got.job == job]
        assert [got.sequence for got in of_job] == wanted
        assert {got.job for got in receiver.taken} == {job, before}, "another studio's are its own"
        assert all(got.sequence > min(wanted) - 1 for got in receiver.taken), (
            "what was before it was added is not told"
        )
        assert all(verified(got, webhook["secret"]) for got in receiver.got)
        first, last = of_job[0], of_job[-1]
        assert (first.path, first.headers["content-type"]) == ("/hook", "application/json")
        assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 30
        assert (first.told["type"], last.told["type"]) == ("job.received", "job.moved")
        assert last.told["data"]["after"] == "succeeded"
        assert {got.told["type"] for got in of_job} == {
            "job.received",
            "job.planned",
            "job.moved",
            "take.delivered",
        }
        assert str(api.settings.studios) not in "".join(got.body.decode() for got in receiver.got)
        listed = deliveries(north, webhook, limit=200)
        assert {each["state"] for each in listed} == {"delivered"}
        assert [each["number"] for each in listed] == sorted(
            (each["number"] for each in listed), reverse=True
        )
        page = north.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries", params={"limit": 2}).json()
        assert page["next_before"] == page["deliveries"][-1]["number"]
        assert webhook["secret"] not in north.get("/v1/webhooks").text


def test_a_receiver_may_want_some_messages_alone(
    api: Api, farm: StandInFarm, receiver: ReceiverServer
) -> None:
    with api.client() as client:
        added(client, receiver.url, types=["take.delivered"])
        job = submitted(client)
        farm.succeed(job)
        until(lambda: bool(receiver.taken))
        time.sleep(0.3)
    assert [got.told["type"] for got in receiver.got] == ["take.delivered"]


def test_one_that_fails_times_out_redirects_and_restarts_gets_everything_in_order(
    api: Api, farm: StandInFarm, receiver: ReceiverServer
) -> None:
    """Show 4. Each message meets several faults before it is taken; then the receiver is away for a while."""
    tries: dict[int, int] = defaultdict(int)
    faults = [(500, {}), (302, {"Location": "http://169.254.169.254/"}), (0, {}), (-1, {})]
    lock = threading.Lock()

    def moody(got: Got) -> tuple[int, dict[str, str]]:
        with lock:
            tries[got.sequence] += 1
            number = tries[got.sequence]
        if number <= 2:
            status, headers = faults[(got.sequence + number) % len(faults)]
            if status == -1:
                time.sleep(1.0)  # longer than the farm waits
                return 0, {}
            return status, headers
        return 200, {}

    receiver.behave = moody
    with api.client() as client:
        webhook = added(client, receiver.url)
        jobs = [submitted(client) for _ in range(3)]
        farm.succeed(jobs[0])
        until(lambda: len(receiver.taken) > 3, within_s=60)
        receiver.stop()
        farm.succeed(jobs[1])
        time.sleep(0.3)
        second = ReceiverServer(port=receiver.port, behave=moody)
        try:
            farm.succeed(jobs[2])
            wanted = {job: told_of(api, job) for job in jobs}
            everything = sum(len(each) for each in wanted.values())
            until(
                lambda: len(deliveries(client, webhook, state="delivered", limit=200)) == everything,
                within_s=90,
            )
            taken = receiver.taken + second.taken
            for job in jobs:
                sequences = [got.sequence for got in taken if got.job == job]
                assert list(dict.fromkeys(sequences)) == wanted[job]
                assert sequences == sorted(sequences)
            assert all(verified(got, webhook["secret"]) for got in [*receiver.got, *second.got])
            ids = {got.headers["webhook-id"]: got.sequence for got in [*receiver.got, *second.got]}
            assert len(ids) == everything, "one id for all tries of a message"
        finally:
            second.stop()


def test_a_dead_receiver_holds_no_job_and_no_other_receiver(
    api: Api, farm: StandInFarm, receiver: ReceiverServer
) -> None:
    dead = ReceiverServer()
    dead.stop()
    slow = ReceiverServer(behave=lambda _: (time.sleep(5), (200, {}))[1])
    try:
        with api.client() as client:
            webhook = added(client, dead.url)
            added(client, slow.url)
            added(client, receiver.url)
            jobs = [submitted(client) for _ in range(4)]
            for job in jobs:
                farm.succeed(job)
                assert client.get(f"/v1/jobs/{job}").json()["state"] == "succeeded"
            wanted = sum(len(told_of(api, job)) for job in jobs)
            until(lambda: len(receiver.taken) == wanted)
            pending = deliveries(client, webhook, state="pending", limit=200)
            assert len(pending) == wanted
            tried = [each for each in pending if each["tries"]]
            assert {each["job"] for each in tried} == set(jobs), "the first of each job, and no other"
            assert len(tried) == len(jobs)
            assert all(each["note"].startswith("no answer") for each in tried)
    finally:
        slow.stop()


def test_what_is_given_up_is_seen_and_sent_again(tmp_path: Path, receiver: ReceiverServer) -> None:
    receiver.behave = lambda _: (400, {})
    terms = WebhookTerms(networks=HERE, timeout_s=0.5, waits_s=(0.01, 0.01), look_s=0.05)
    with webhook_api(settings_in(tmp_path), webhooks=terms) as api, api.client() as client:
        webhook = added(client, receiver.url)
        farm = StandInFarm(api.settings.journal)
        try:
            job = submitted(client)
        finally:
            farm.stop()
        wanted = told_of(api, job)
        until(lambda: len(deliveries(client, webhook, state="given up", limit=200)) == len(wanted))
        lost = deliveries(client, webhook, limit=200)
        assert {(each["tries"], each["status"], each["note"]) for each in lost} == {(3, 400, "answered 400")}
        receiver.behave = lambda _: (200, {})
        for each in lost:
            address = f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{each['number']}/resend"
            assert client.post(address).json()["state"] == "pending"
        until(lambda: {got.sequence for got in receiver.taken} == set(wanted))
        with api.client("south") as south:
            assert south.post(address).json()["code"] == "unknown_webhook"
        assert client.post(f"/v1/webhooks/{webhook['webhook_id']}/deliveries/77/resend").status_code == 404


def test_redirects_and_whoever_is_gone_are_told_of(
    api: Api, farm: StandInFarm, receiver: ReceiverServer
) -> None:
    answers = [(307, {"Location": "https://elsewhere.example/\x7f"}), (410, {})]
    receiver.behave = lambda _: answers[min(len(receiver.got), 2) - 1]
    with api.client() as client:
        webhook = added(client, receiver.url)
        submitted(client)
        until(lambda: client.get(f"/v1/webhooks/{webhook['webhook_id']}").json()["ended_at"] is not None)
        told = client.get(f"/v1/webhooks/{webhook['webhook_id']}").json()
        assert told["ended_why"] == "the receiver says that it is gone (410)"
        assert {each["state"] for each in deliveries(client, webhook, limit=200)} == {"given up"}
        assert len(receiver.got) == 2, "nothing is sent to it any more, and no redirect was followed"
        number = deliveries(client, webhook)[0]["number"]
        refused = client.post(f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{number}/resend")
        assert (refused.status_code, refused.json()["code"]) == (409, "webhook_ended")


def test_a_redirect_says_where_it_would_have_led(
    api: Api, farm: StandInFarm, receiver: ReceiverServer
) -> None:
    receiver.behave = lambda _: (301, {"Location": "https://studio.example/new"})
    with api.client() as client:
        webhook = added(client, receiver.url)
        submitted(client)
        until(lambda: any(each["tries"] for each in deliveries(client, webhook)))
        (tried,) = [each for each in deliveries(client, webhook) if each["tries"]]
    assert (tried["status"], tried["note"]) == (
        301,
        "redirects to https://studio.example/new, which is not followed: add the new address",
    )


def test_a_receiver_that_asks_for_time_gets_it(api: Api, farm: StandInFarm, receiver: ReceiverServer) -> None:
    receiver.behave = lambda _: (503, {"Retry-After": "120"})
    with api.client() as client:
        webhook = added(client, receiver.url)
        submitted(client)
        until(lambda: any(each["tries"] for each in deliveries(client, webhook)))
        time.sleep(0.3)
    assert len(receiver.got) == 1


def test_old_and_new_secret_sign_while_they_overlap(
    api: Api, farm: StandInFarm, receiver: ReceiverServer
) -> None:
    with api.client() as client:
        webhook = added(client, receiver.url)
        address = f"/v1/webhooks/{webhook['webhook_id']}/secret"
        new = client.post(address, json={"overlap_s": 3600}).json()["secret"]
        submitted(client)
        until(lambda: bool(receiver.taken))
        assert all(verified(got, webhook["secret"]) and verified(got, new) for got in receiver.got)
        until(lambda: not deliveries(client, webhook, state="pending"))
        last = client.post(address, json={"overlap_s": 0}).json()["secret"]
        before = len(receiver.got)
        submitted(client)
        until(lambda: len(receiver.got) > before)
        later = receiver.got[before:]
        assert all(verified(got, last) and not verified(got, new) for got in later)


def test_two_processes_send_each_message_once_while_both_live(
    tmp_path: Path, receiver: ReceiverServer
) -> None:
    settings = settings_in(tmp_path)
    with webhook_api(settings) as api, webhook_api(settings), api.client() as client:
        added(client, receiver.url)
        farm = StandInFarm(settings.journal)
        try:
            jobs = [submitted(client) for _ in range(5)]
            for job in jobs:
                farm.succeed(job)
        finally:
            farm.stop()
        wanted = sum(len(told_of(api, job)) for job in jobs)
        until(lambda: len(receiver.taken) >= wanted)
        time.sleep(0.5)
        assert len(receiver.taken) == wanted


def test_what_was_on_its_way_when_a_server_was_stopped_is_sent_by_the_next_at_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    slow = replace(QUICK, timeout_s=30.0)
    is_asked, may_answer = threading.Event(), threading.Event()

    def holds(_got: Got) -> tuple[int, dict[str, str]]:
        is_asked.set()
        may_answer.wait(20)
        return 200, {}

    with ReceiverServer(behave=holds) as receiver:
        with webhook_api(settings, webhooks=slow) as api, api.client() as client:
            added(client, receiver.url)
            farm = StandInFarm(settings.journal)
            job = submitted(client)
            farm.stop()
            assert is_asked.wait(20)
        may_answer.set()
        receiver.behave = takes
        with webhook_api(settings, webhooks=slow) as api:
            wanted = told_of(api, job)
            until(lambda: {got.sequence for got in receiver.taken} == set(wanted))


def test_what_happens_while_no_api_runs_is_told_afterwards(tmp_path: Path, receiver: ReceiverServer) -> None:
    settings = settings_in(tmp_path)
    farm = None
    try:
        with webhook_api(settings) as api, api.client() as client:
            added(client, receiver.url)
            farm = StandInFarm(settings.journal)
            job = submitted(client)
        farm.succeed(job)
        with webhook_api(settings) as api:
            wanted = told_of(api, job)
            until(lambda: {got.sequence for got in receiver.taken} == set(wanted))
    finally:
        if farm is not None:
            farm.stop()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://studio.example/x", "bad_spec"),
        ("https://", "bad_spec"),
        ("https://me:secret@studio.example/x", "bad_spec"),
        ("https://studio.example/x#part", "bad_spec"),
        ("https://studio.example/a b", "bad_spec"),
        ("https://studio.example/\r\nX: y", "bad_spec"),
        ("https://studio.example:99999/", "bad_spec"),
        ("http://10.0.0.7/x", "receiver_private"),
        ("https://10.0.0.7/x", "receiver_private"),
        ("https://[::1]/x", "receiver_private"),
        ("https://[::ffff:169.254.169.254]/", "receiver_private"),
        ("https://0x7f.1/x", "receiver_private"),
        ("https://2130706433/x", "receiver_private"),
        ("http://93.184.216.34/x", "receiver_not_https"),
        ("https://no-such-host.invalid/x", "receiver_unknown"),
    ],
)
def test_what_can_be_no_receiver_is_refused(tmp_path: Path, url: str, code: str) -> None:
    with webhook_api(settings_in(tmp_path), webhooks=WebhookTerms()) as api, api.client() as client:
        answer = client.post("/v1/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert client.get("/v1/webhooks").json() == {"webhooks": []}


def test_a_receiver_that_moves_to_a_private_address_is_told_nothing(
    tmp_path: Path, receiver: ReceiverServer
) -> None:
    """Added where its network was allowed; the next process is stricter, as after a change of its name's address."""
    settings = settings_in(tmp_path)
    with webhook_api(settings) as api, api.client() as client:
        webhook = added(client, receiver.url)
    with webhook_api(settings, webhooks=WebhookTerms(look_s=0.05)) as api, api.client() as client:
        farm = StandInFarm(settings.journal)
        try:
            submitted(client)
        finally:
            farm.stop()
        until(lambda: any(each["tries"] for each in deliveries(client, webhook)))
        (tried,) = [each for each in deliveries(client, webhook) if each["tries"]]
    assert tried["note"] == "[receiver_private] 127.0.0.1: is not a public address"
    assert receiver.got == []


def test_a_studio_sees_and_changes_its_own_receivers_alone(api: Api, receiver: ReceiverServer) -> None:
    with api.client() as north, api.client("south") as south:
        webhook = added(north, receiver.url)
        address = f"/v1/webhooks/{webhook['webhook_id']}"
        assert south.get("/v1/webhooks").json() == {"webhooks": []}
        for answer in (
            south.get(address),
            south.delete(address),
            south.post(f"{address}/secret"),
            south.get(f"{address}/deliveries"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_webhook")
        assert north.delete(address).json()["webhook_id"] == webhook["webhook_id"]
        assert north.get(address).status_code == 404


def test_a_secret_is_in_no_log(
    api: Api, farm: StandInFarm, receiver: ReceiverServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), api.client("north", *Scope) as client:
        webhook = added(client, receiver.url)
        submitted(client)
        until(lambda: bool(receiver.taken))
    assert webhook["secret"] not in caplog.text
    assert webhook["secret"].removeprefix("whsec_") not in caplog.text
