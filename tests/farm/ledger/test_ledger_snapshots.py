"""A snapshot and the rest of the journal give what the whole journal gives; and many jobs need little memory."""

from __future__ import annotations

import base64
import random
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_lives import events_of_a_farm

from farm.ledger import Ledger, SegmentStates
from jobs.errors import JournalCorrupt
from jobs.journal_events import (
    AnyJournalEvent,
    JobPlanned,
    JobReceived,
    SegmentCommitted,
    StateMoved,
    event_from_json,
)
from jobs.lifecycle import JobState, SegmentState
from jobs.manifest import SegmentRecord
from jobs.reasons import ReasonKind


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=events_of_a_farm(), data=st.data())
def test_a_snapshot_and_the_rest_are_the_fold_of_all(
    events: list[AnyJournalEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(events)))
    snapshot = Ledger.fold(events[:cut]).to_json()
    ledger = Ledger.from_json(snapshot)
    assert ledger.sequence == cut
    for event in events[cut:]:
        ledger.take(event_from_json(event.model_dump_json()))
    assert ledger == Ledger.fold(events)
    assert ledger.to_json() == Ledger.fold(events).to_json()


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", '{"schema_version": "farm.ledger/v99", "sequence": 1, "jobs": []}']
)
def test_what_is_no_snapshot_is_refused(body: str) -> None:
    with pytest.raises(JournalCorrupt):
        Ledger.from_json(body)


@given(changes=st.lists(st.tuples(st.integers(0, 11), st.sampled_from(list(SegmentState))), max_size=40))
def test_packed_states_are_the_same_states(changes: list[tuple[int, SegmentState]]) -> None:
    plain, packed = SegmentStates(12), SegmentStates(12)
    packed.pack()
    model = [SegmentState.BLOCKED] * 12
    for number, state in changes:
        plain.change(number, state)
        packed.change(number, state)
        model[number] = state
    assert list(plain) == list(packed) == model
    assert plain == packed == SegmentStates.from_text(packed.text())
    assert plain.text() == packed.text()
    assert len(packed) == 12
    for state in SegmentState:
        assert plain.count(state) == packed.count(state) == model.count(state)
        assert list(packed.numbers(state)) == [n for n, each in enumerate(model) if each is state]


DOCUMENT = {"apiVersion": "farm/v1", "kind": "RenderJob", "spec": {f"field-{n}": "x" * 20 for n in range(20)}}


WRONG_LETTERS = base64.b64encode(zlib.compress(b"bb?b")).decode()


def record_of(segment: int) -> SegmentRecord:
    return SegmentRecord(
        index=segment, first_frame=0, frame_count=50, key=f"k{segment}", sha256="0" * 64, size_bytes=9
    )


def move(subject: str, before: str, event: str, after: str, kind: ReasonKind) -> StateMoved:
    return StateMoved(subject=subject, before=before, event=event, after=after, reason_kind=kind, reason="so")


def life_of(name: str, segments: int) -> list[AnyJournalEvent]:
    work, turn, plan = ReasonKind.WORK, ReasonKind.TURN, ReasonKind.PLAN
    events: list[AnyJournalEvent] = [
        JobReceived(job=name, studio="north", document=DOCUMENT, folder="/jobs"),
        move(name, "received", "validation started", "validating", plan),
        JobPlanned(job=name, plan_hash="ab" * 32, takes=1, segments_per_take=segments),
        move(name, "validating", "planned", "planned", plan),
        move(name, "planned", "queued", "queued", plan),
        move(name, "queued", "started", "running", turn),
    ]
    for segment in range(segments):
        subject = f"{name}/{segment}"
        events += [
            move(subject, "blocked", "motion merged", "ready", work),
            move(subject, "ready", "leased", "leased", turn),
            move(f"{subject}#1", "dispatched", "started", "running", turn),
            move(f"{subject}#1", "running", "succeeded", "succeeded", work),
            move(subject, "leased", "committed", "committed", work),
        ]
    return [
        *events,
        move(name, "running", "rendered", "stitching", work),
        move(name, "stitching", "stitched", "delivering", work),
        move(name, "delivering", "delivered", "succeeded", work),
    ]


def test_a_finished_job_is_small_however_long_it_was() -> None:
    sizes = []
    for segments in (4, 100):
        tracemalloc.start()
        ledger = Ledger()
        for number in range(10):
            for event in life_of(f"job-{number}", segments):
                ledger.take(event)
        sizes.append(tracemalloc.get_traced_memory()[0] / 10)
        tracemalloc.stop()
        assert all(job.state is JobState.SUCCEEDED for job in ledger.jobs.values())
    short, long = sizes
    assert long < short + 1000, "bytes"
    assert long < 4000, "10 000 of them need 40 MB"
    assert len(ledger.to_json()) / 10 < 1500


def test_a_snapshot_grows_by_little_with_every_segment_that_is_committed() -> None:
    """Whatever order they come in, and also of jobs that failed and may be retried."""
    chance = random.Random(1)
    numbers = range(2000)
    ledger = Ledger()
    for event in life_of("film", len(numbers))[:6]:
        ledger.take(event)
    before = len(ledger.to_json())
    for number in chance.sample(numbers, 1000):
        ledger.take(move(f"film/{number}", "blocked", "committed", "committed", ReasonKind.STORE))
        ledger.take(SegmentCommitted(job="film", segment=number, record=record_of(number)))
    ledger.take(move("film", "running", "failed", "failed", ReasonKind.PERMANENT))
    body = ledger.to_json()
    assert len(body) - before < 1000, "bytes, of 1000 segments"
    assert Ledger.from_json(body) == ledger
    assert Ledger.from_json(body).jobs["film"].segments.count(SegmentState.COMMITTED) == 1000


@pytest.mark.parametrize(
    "text", ["", "no base64", "YWJj", SegmentStates(5).text(), WRONG_LETTERS], ids=lambda text: text[:9]
)
def test_a_snapshot_whose_states_cannot_be_is_refused(text: str) -> None:
    ledger = Ledger.fold(life_of("film", 4)[:6])
    right = SegmentStates(4).text()
    body = ledger.to_json()
    assert right in body
    with pytest.raises(JournalCorrupt):
        Ledger.from_json(body.replace(right, text))


def test_what_cannot_be_is_found_wherever_an_event_is_missing_twice_or_moved() -> None:
    events = life_of("film", 3)
    chance = random.Random(1)
    for _ in range(10):
        place = chance.randrange(len(events) - 1)
        broken = [*events[:place], *events[place + 1 :]]
        if (
            events[place].kind == "moved" and "#" in events[place].subject
        ):  # of an attempt there may be others
            continue
        with pytest.raises(JournalCorrupt):
            Ledger.fold([*broken, events[place], events[-1]])
