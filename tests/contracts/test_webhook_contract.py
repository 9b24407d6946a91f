"""Receivers and their outbox, in every database that may keep a journal."""

from __future__ import annotations

import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer

from infra.journal import open_journal
from infra.journal.outbox import Claimed, DeliveryOutcome, Message
from infra.journal.sql_journal import SqlJournal
from infra.journal.webhooks import MOST_WEBHOOKS
from jobs.webhooks import Delivery, DeliveryState, MessageType, Webhook, WebhookRefused

TAKEN = DeliveryOutcome(state=DeliveryState.DELIVERED, status=200, note="taken")
LOST = DeliveryOutcome(state=DeliveryState.GIVEN_UP, status=500, note="answered 500")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["file", "memory", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[SqlJournal]:
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        address = server.fresh_address(f"hooks_{secrets.token_hex(6)}")
    else:
        address = ":memory:" if request.param == "memory" else str(tmp_path / "farm.sqlite")
    opened = open_journal(address)
    opened._clock = clock
    yield opened
    opened.close()


def added(journal: SqlJournal, studio: str = "north", *types: MessageType) -> Webhook:
    return journal.webhooks.add(studio=studio, url="https://a.example/x", label="", types=types)[1]


def put(journal: SqlJournal, webhook: Webhook, *jobs: str) -> None:
    """One message for each of these jobs, in this order."""
    after = journal.outbox.put_up_to()
    messages = [
        Message(webhook_id=webhook.webhook_id, job=job, sequence=after + place, message=MessageType.MOVED)
        for place, job in enumerate(jobs, start=1)
    ]
    assert journal.outbox.put(messages, after=after, up_to=after + len(jobs))


def claim(journal: SqlJournal, *, most_each: int = 100, **busy: int) -> list[Claimed]:
    return list(journal.outbox.claim(busy=busy, most_each=most_each, hold_s=60.0))


def pending(journal: SqlJournal, *webhooks: Webhook) -> int:
    """How many messages are pending, as is told and as is found by looking at each."""
    counted = journal.outbox.pending()
    every = [journal.outbox.deliveries(webhook.webhook_id, limit=10_000) for webhook in webhooks]
    assert counted == sum(each.state is DeliveryState.PENDING for some in every for each in some)
    return counted


def places(claimed: list[Claimed]) -> list[tuple[str, int]]:
    return [(each.delivery.job, each.delivery.sequence) for each in claimed]


def test_a_receiver_is_known_to_its_studio_alone(journal: SqlJournal) -> None:
    epoch = journal.begin_epoch("a test")
    journal.append(epoch, ["{}", "{}"])
    secret, webhook = journal.webhooks.add(
        studio="north", url="https://a.example/x", label="page", types=[MessageType.DELIVERED]
    )
    assert secret.startswith("whsec_")
    assert webhook.after == 2
    assert journal.webhooks.get(webhook.webhook_id, studio="north") == webhook
    assert journal.webhooks.all(studio="north") == [webhook]
    assert journal.webhooks.all(studio="south") == []
    for call in (
        lambda: journal.webhooks.get(webhook.webhook_id, studio="south"),
        lambda: journal.webhooks.remove(webhook.webhook_id, studio="south"),
        lambda: journal.webhooks.rotate(webhook.webhook_id, studio="south", overlap_s=0),
        lambda: journal.webhooks.get("wh_none"),
    ):
        with pytest.raises(WebhookRefused) as caught:
            call()
        assert caught.value.code == "unknown_webhook"
    put(journal, webhook, "a-1")
    journal.webhooks.remove(webhook.webhook_id, studio="north")
    assert journal.webhooks.all() == []
    assert claim(journal) == []


def test_a_studio_has_so_many_and_no_more(journal: SqlJournal) -> None:
    for _ in range(MOST_WEBHOOKS):
        added(journal)
    with pytest.raises(WebhookRefused) as caught:
        added(journal)
    assert caught.value.code == "webhooks_full"
    added(journal, "south")


def test_secrets_overlap_for_as_long_as_was_said(journal: SqlJournal, clock: Clock) -> None:
    first, webhook = journal.webhooks.add(studio="north", url="https://a.example", label="", types=[])
    second = journal.webhooks.rotate(webhook.webhook_id, overlap_s=100.0)
    third = journal.webhooks.rotate(webhook.webhook_id, overlap_s=10.0)

    def known() -> list[str]:
        put(journal, webhook, f"a-{secrets.token_hex(4)}")
        (claimed,) = claim(journal)
        return [secret.text for secret in claimed.secrets]

    assert known() == [third, second, first]
    clock.now += 11
    assert known() == [third]
    assert journal.webhooks.rotate(webhook.webhook_id, overlap_s=0.0) not in (first, second, third)
    assert len(known()) == 1


def test_messages_are_put_once_and_claimed_by_one_in_the_order_of_each_job(
    journal: SqlJournal, clock: Clock
) -> None:
    webhook = added(journal)
    put(journal, webhook, "a-1", "b-2", "a-1", "b-2")
    again = Message(webhook_id=webhook.webhook_id, job="a-1", sequence=1, message=MessageType.MOVED)
    assert not journal.outbox.put([again], after=0, up_to=9)
    assert pending(journal, webhook) == 4
    first = claim(journal)
    assert places(first) == [("a-1", 1), ("b-2", 2)]
    assert claim(journal) == []
    journal.outbox.settle(first[1].delivery, TAKEN)
    assert places(claim(journal)) == [("b-2", 4)]
    assert pending(journal, webhook) == 3
    later = DeliveryOutcome(
        state=DeliveryState.PENDING, status=503, note="answered 503", next_at=clock.now + 5
    )
    journal.outbox.settle(first[0].delivery, later)
    assert claim(journal) == []
    clock.now += 5
    (tried,) = claim(journal)
    assert (tried.delivery.sequence, tried.delivery.tries, tried.delivery.status) == (1, 1, 503)
    journal.outbox.settle(tried.delivery, LOST)
    # What was given up no longer holds up those after it.
    assert places(claim(journal)) == [("a-1", 3)]
    assert pending(journal, webhook) == 2


def test_what_a_process_that_was_killed_had_claimed_is_claimed_again(
    journal: SqlJournal, clock: Clock
) -> None:
    webhook = added(journal)
    put(journal, webhook, "a-1")
    (lost,) = claim(journal)
    clock.now += 61
    (again,) = claim(journal)
    assert again.delivery == lost.delivery
    journal.outbox.settle(again.delivery, TAKEN)
    journal.outbox.settle(lost.delivery, LOST)  # it was not dead, only slow
    (kept,) = journal.outbox.deliveries(webhook.webhook_id, limit=9)
    assert kept.state is DeliveryState.DELIVERED


def test_a_slow_receiver_takes_nothing_from_another(journal: SqlJournal) -> None:
    slow, quick = added(journal), added(journal, "south")
    put(journal, slow, *(f"a-{number}" for number in range(20)))
    put(journal, quick, "b-1")
    assert pending(journal, slow, quick) == 21
    claimed = Counter(each.webhook.webhook_id for each in claim(journal, most_each=2))
    assert claimed == {slow.webhook_id: 2, quick.webhook_id: 1}
    assert claim(journal, most_each=2, **{slow.webhook_id: 2}) == []


def test_what_was_told_can_be_told_again(journal: SqlJournal, clock: Clock) -> None:
    webhook = added(journal)
    put(journal, webhook, "a-1", "a-1")
    (first,) = claim(journal)
    waiting = journal.outbox.send_again(webhook.webhook_id, first.delivery.number + 1)
    assert waiting.next_at is None, "it keeps its place behind the one before it"
    journal.outbox.settle(first.delivery, LOST)
    again = journal.outbox.send_again(webhook.webhook_id, first.delivery.number)
    assert (again.state, again.tries) == (DeliveryState.PENDING, 1)
    assert pending(journal, webhook) == 2, "both have a time now"
    for claimed in claim(journal):
        journal.outbox.settle(claimed.delivery, TAKEN)
    listed = journal.outbox.deliveries(webhook.webhook_id, limit=9)
    assert [(each.sequence, each.state.value) for each in listed] == [(2, "delivered"), (1, "delivered")]
    assert journal.outbox.deliveries(webhook.webhook_id, limit=9, before=listed[0].number) == listed[1:]
    assert journal.outbox.deliveries(webhook.webhook_id, limit=9, state=DeliveryState.PENDING) == []
    with pytest.raises(WebhookRefused) as caught:
        journal.outbox.send_again(webhook.webhook_id, 77)
    assert caught.value.code == "unknown_delivery"


def test_a_receiver_that_has_ended_gets_nothing_more(journal: SqlJournal) -> None:
    webhook = added(journal)
    put(journal, webhook, "a-1", "a-1", "b-1")
    assert pending(journal, webhook) == 3
    gone = DeliveryOutcome(state=DeliveryState.GIVEN_UP, status=410, note="gone", ends_webhook="it says so")
    journal.outbox.settle(claim(journal)[0].delivery, gone)
    assert claim(journal) == []
    kept = journal.webhooks.get(webhook.webhook_id)
    assert (kept.ended_why, kept.ended_at) == ("it says so", 1000.0)
    assert pending(journal, webhook) == 0
    listed = journal.outbox.deliveries(webhook.webhook_id, limit=9)
    assert {each.state for each in listed} == {DeliveryState.GIVEN_UP}
    with pytest.raises(WebhookRefused) as caught:
        journal.outbox.send_again(webhook.webhook_id, listed[0].number)
    assert caught.value.code == "webhook_ended"


@pytest.mark.parametrize("seed", range(3))
def test_every_message_is_taken_in_order_by_whatever_senders_there_are(
    journal: SqlJournal, clock: Clock, seed: int
) -> None:
    """Several senders, some of which are killed while they send, and a receiver that fails at random."""
    chance = random.Random(seed)
    webhook = added(journal)
    taken: dict[str, list[int]] = defaultdict(list)
    jobs = [f"j-{number}" for number in range(3)]

    def sent(delivery: Delivery) -> None:
        if chance.random() < 0.2:
            return  # killed before it sent
        if chance.random() < 0.3:
            later = DeliveryOutcome(state=DeliveryState.PENDING, status=500, note="", next_at=clock.now + 1)
            journal.outbox.settle(delivery, later)
            return
        taken[delivery.job].append(delivery.sequence)
        if chance.random() < 0.8:  # otherwise killed before it could say so
            journal.outbox.settle(delivery, TAKEN)

    wanted: dict[str, list[int]] = defaultdict(list)
    for _ in range(8):
        batch = [chance.choice(jobs) for _ in range(4)]
        for place, job in enumerate(batch, start=journal.outbox.put_up_to() + 1):
            wanted[job].append(place)
        put(journal, webhook, *batch)
        for claimed in claim(journal, most_each=2):
            sent(claimed.delivery)
    for _ in range(300):
        clock.now += 61
        for claimed in claim(journal, most_each=2):
            sent(claimed.delivery)
    for job in jobs:
        firsts = list(dict.fromkeys(taken[job]))
        assert firsts == wanted[job], "every message at least once, in order"
        assert taken[job] == sorted(taken[job]), "none again after a later one"


def test_many_processes_claim_nothing_twice(journal: SqlJournal) -> None:
    webhook = added(journal)
    put(journal, webhook, *(f"a-{number}" for number in range(40)))
    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(lambda _: claim(journal, most_each=10), range(8)))
    numbers = [each.delivery.number for share in shares for each in share]
    assert len(numbers) == len(set(numbers)) == 40
