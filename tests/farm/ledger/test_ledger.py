"""The fold of the journal: where jobs, segments and attempts stand, and what cannot have happened."""

from __future__ import annotations

import json

import pytest

from farm.ledger import Ledger, load_ledger
from infra.journal import Snapshot, open_journal
from jobs.errors import JournalCorrupt
from jobs.journal_events import (
    AnyJournalEvent,
    BundleWritten,
    JobErred,
    JobPlanned,
    JobReceived,
    JobRestored,
    SegmentCommitted,
    StateMoved,
    TakeDelivered,
)
from jobs.lifecycle import AttemptState, JobState, SegmentState
from jobs.manifest import SegmentRecord
from jobs.reasons import ReasonKind

JOB = "hello"
RECEIVED = JobReceived(job=JOB, studio="north", document={"spec": {"speech": "a.wav"}}, folder="/jobs")
PLANNED = JobPlanned(job=JOB, plan_hash="ab" * 32, takes=2, segments_per_take=3)


def moved(subject: str, before: str, event: str, after: str, kind: str = "work") -> StateMoved:
    return StateMoved(
        subject=subject,
        before=before,
        event=event,
        after=after,
        reason_kind=ReasonKind(kind),
        reason="so it is",
    )


def committed(segment: int) -> SegmentCommitted:
    record = SegmentRecord(
        index=segment % 3, first_frame=0, frame_count=50, key=f"k{segment}", sha256="0" * 64, size_bytes=9
    )
    return SegmentCommitted(job=JOB, segment=segment, record=record, seconds=2.0)


QUEUED: tuple[AnyJournalEvent, ...] = (
    RECEIVED,
    moved(JOB, "received", "validation started", "validating", "plan"),
    PLANNED,
    moved(JOB, "validating", "planned", "planned", "plan"),
    moved(JOB, "planned", "queued", "queued", "plan"),
)
RUNNING = (
    *QUEUED,
    moved(f"{JOB}/4", "blocked", "motion merged", "ready"),
    moved(f"{JOB}/4", "ready", "leased", "leased", "turn"),
    moved(JOB, "queued", "started", "running", "turn"),
    moved(f"{JOB}/4#1", "dispatched", "started", "running", "turn"),
)
DONE = (
    *RUNNING,
    moved(f"{JOB}/4#1", "running", "succeeded", "succeeded"),
    moved(f"{JOB}/4", "leased", "committed", "committed"),
    committed(4),
)


def test_a_job_stands_where_its_events_lead() -> None:
    job = Ledger.fold(RUNNING).jobs[JOB]
    assert (job.state, job.studio, job.folder) == (JobState.RUNNING, "north", "/jobs")
    assert job.document == {"spec": {"speech": "a.wav"}}
    assert (job.plan_hash, job.takes, job.segments_per_take) == ("ab" * 32, 2, 3)
    assert job.counts() == {SegmentState.BLOCKED: 5, SegmentState.LEASED: 1}
    assert list(job.segments.numbers(SegmentState.LEASED)) == [4]
    assert job.attempts == {(4, 1): AttemptState.RUNNING}
    assert job.reason is not None
    assert job.reason.kind is ReasonKind.TURN


def test_attempts_are_forgotten_when_they_end_and_what_they_made_is_kept() -> None:
    job = Ledger.fold(DONE).jobs[JOB]
    assert (job.attempts, job.tries, job.seconds) == ({}, 1, 2.0)
    assert job.segments[4] is SegmentState.COMMITTED


def test_a_received_job_has_no_segments_before_it_is_planned() -> None:
    job = Ledger.fold([RECEIVED]).jobs[JOB]
    assert (job.state, len(job.segments), job.is_planned) == (JobState.RECEIVED, 0, False)


def test_bundles_takes_and_errors_are_kept_and_a_retry_clears_the_error() -> None:
    error = {"code": "segment_failed", "message": "no"}
    ledger = Ledger.fold(
        (
            *DONE,
            BundleWritten(job=JOB, segment=1, bundle="quarantine/1"),
            JobErred(job=JOB, error=error),
            moved(JOB, "running", "failed", "failed", "permanent"),
        )
    )
    job = ledger.jobs[JOB]
    assert (job.bundles, job.error, job.state) == ({1: "quarantine/1"}, error, JobState.FAILED)
    ledger.take(moved(JOB, "failed", "retried", "queued", "user"))
    assert job.error is None
    assert job.segments[4] is SegmentState.COMMITTED


def finish(ledger: Ledger) -> None:
    for segment in (0, 1, 2, 3, 5):
        ledger.take(moved(f"{JOB}/{segment}", "blocked", "committed", "committed", "store"))
        ledger.take(committed(segment))
    ledger.take(moved(JOB, "running", "rendered", "stitching"))
    for take in (1, 2):
        ledger.take(
            TakeDelivered(job=JOB, take=take, master="m", manifest="n", sha256="1" * 64, size_bytes=1)
        )
    ledger.take(moved(JOB, "stitching", "stitched", "delivering"))
    ledger.take(moved(JOB, "delivering", "delivered", "succeeded"))


def test_of_a_delivered_job_counts_and_masters_are_kept() -> None:
    ledger = Ledger.fold(DONE)
    finish(ledger)
    job = ledger.jobs[JOB]
    assert (job.state, sorted(job.delivered)) == (JobState.SUCCEEDED, [1, 2])
    assert job.counts() == {SegmentState.COMMITTED: 6}
    # A late answer of a lost attempt is no surprise.
    ledger.take(moved(f"{JOB}/3", "committed", "committed", "committed", "store"))
    assert job.counts() == {SegmentState.COMMITTED: 6}


@pytest.mark.parametrize("state", ["planned", "queued", "held", "paused", "cancel requested"])
def test_a_restored_job_stands_where_the_new_run_says(state: str) -> None:
    ledger = Ledger.fold(DONE)
    ledger.take(JobRestored(job=JOB, state=state, committed=(4, 0), quarantined=(2,), waived=(3,)))
    job = ledger.jobs[JOB]
    assert job.state.value == state
    assert [each.value for each in job.segments] == [
        "committed",
        "blocked",
        "quarantined",
        "waived",
        "committed",
        "blocked",
    ]


def test_attempts_of_an_earlier_run_are_over_when_a_job_is_restored() -> None:
    ledger = Ledger.fold(RUNNING)
    ledger.take(JobRestored(job=JOB, state="planned"))
    ledger.take(moved(JOB, "planned", "queued", "queued", "plan"))
    ledger.take(moved(f"{JOB}/4", "blocked", "motion merged", "ready"))
    ledger.take(moved(f"{JOB}/4", "ready", "leased", "leased", "turn"))
    ledger.take(moved(f"{JOB}/4#1", "dispatched", "started", "running", "turn"))
    assert ledger.jobs[JOB].tries == 2


def test_planned_again_it_must_come_to_the_same() -> None:
    ledger = Ledger.fold(DONE)
    ledger.take(PLANNED)
    assert ledger.jobs[JOB].segments[4] is SegmentState.COMMITTED
    with pytest.raises(JournalCorrupt, match="otherwise"):
        ledger.take(PLANNED.model_copy(update={"takes": 1}))


IMPOSSIBLE = {
    "unknown job": moved("nobody", "queued", "started", "running", "turn"),
    "no subject": moved("hello/4#", "queued", "started", "running", "turn"),
    "unknown job in another event": JobErred(job="nobody", error={}),
    "received twice": RECEIVED,
    "a name that no subject can hold": RECEIVED.model_copy(update={"job": "a/1"}),
    "a job stands elsewhere": moved(JOB, "queued", "started", "running", "turn"),
    "not in the table": moved(JOB, "running", "delivered", "succeeded"),
    "not for such a reason": moved(JOB, "running", "rendered", "stitching", "user"),
    "leads elsewhere": moved(JOB, "running", "rendered", "delivering"),
    "no event of a job": moved(JOB, "running", "leased", "leased", "turn"),
    "a segment stands elsewhere": moved(f"{JOB}/4", "ready", "leased", "leased", "turn"),
    "no such segment": moved(f"{JOB}/6", "blocked", "motion merged", "ready"),
    "an attempt stands elsewhere": moved(f"{JOB}/4#1", "dispatched", "started", "running", "turn"),
    "an attempt starts as it cannot": moved(f"{JOB}/4#2", "running", "succeeded", "succeeded"),
    "a record of no segment": SegmentCommitted(job=JOB, segment=6, record=committed(0).record),
    "a bundle of no segment": BundleWritten(job=JOB, segment=-1, bundle="b"),
    "no such take": TakeDelivered(job=JOB, take=3, master="m", manifest="n", sha256="1" * 64, size_bytes=1),
    "restored as what cannot be": JobRestored(job=JOB, state="running"),
    "restored in two states": JobRestored(job=JOB, state="queued", committed=(1,), waived=(1,)),
    "restored with no segment of its own": JobRestored(job=JOB, state="queued", committed=(6,)),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_have_happened_is_refused_and_named_and_changes_nothing(name: str) -> None:
    ledger = Ledger.fold(RUNNING)
    with pytest.raises(JournalCorrupt) as caught:
        ledger.take(IMPOSSIBLE[name])
    assert "entry 10 cannot have happened" in caught.value.message
    assert ledger == Ledger.fold(RUNNING)


def test_what_is_over_for_good_is_not_restored() -> None:
    ledger = Ledger.fold(DONE)
    finish(ledger)
    with pytest.raises(JournalCorrupt, match="restored when it is succeeded"):
        ledger.take(JobRestored(job=JOB, state="queued"))


def test_a_ledger_is_loaded_from_the_snapshot_and_the_rest() -> None:
    journal = open_journal(":memory:")
    epoch = journal.begin_epoch("test")
    journal.append(epoch, [event.model_dump_json() for event in DONE[:7]], at=0.0)
    ledger, last = load_ledger(journal)
    assert (ledger, last) == (Ledger.fold(DONE[:7]), 7)
    journal.keep_snapshot(epoch, Snapshot(sequence=last, body=ledger.to_json()))
    journal.append(epoch, [event.model_dump_json() for event in DONE[7:]], at=0.0)
    assert load_ledger(journal) == (Ledger.fold(DONE), len(DONE))


# As it was written while a snapshot still held the records of the segments.
OLD_JOB = {
    "name": JOB,
    "studio": "north",
    "document_json": "{}",
    "folder": "/jobs",
    "on_hold": False,
    "state": "queued",
    "reason": {"kind": "plan", "text": "so it is"},
    "plan_hash": "ab" * 32,
    "takes": 2,
    "segments_per_take": 3,
    "segments": [["blocked", 6]],
    "attempts": [],
    "tries": 0,
    "seconds": 0.0,
    "max_gpu_seconds": None,
    "records": {},
    "bundles": {},
    "delivered": [],
    "error": None,
}
OLD_SNAPSHOTS = [
    {"schema_version": "farm.ledger/v0"},
    {"schema_version": "farm.ledger/v1", "sequence": 5, "jobs": [OLD_JOB]},
]


@pytest.mark.parametrize("old", OLD_SNAPSHOTS, ids=["v0", "v1"])
def test_a_snapshot_of_another_version_is_passed_over(old: dict[str, object]) -> None:
    journal = open_journal(":memory:")
    epoch = journal.begin_epoch("test")
    journal.append(epoch, [event.model_dump_json() for event in DONE], at=0.0)
    journal.keep_snapshot(epoch, Snapshot(sequence=5, body=json.dumps(old)))
    assert load_ledger(journal) == (Ledger.fold(DONE), len(DONE))


def test_an_entry_that_is_no_event_is_named() -> None:
    journal = open_journal(":memory:")
    epoch = journal.begin_epoch("test")
    journal.append(epoch, [RECEIVED.model_dump_json(), '{"kind": "job sung", "job": "x"}'])
    with pytest.raises(JournalCorrupt, match="entry 2 is no event of this version"):
        load_ledger(journal)


def test_an_impossible_entry_is_named_with_its_journal() -> None:
    journal = open_journal(":memory:")
    epoch = journal.begin_epoch("test")
    journal.append(epoch, [RECEIVED.model_dump_json(), RECEIVED.model_dump_json()])
    with pytest.raises(JournalCorrupt, match="entry 2 cannot have happened") as caught:
        load_ledger(journal)
    assert caught.value.where == ":memory:"


def test_what_was_given_up_before_it_was_waived_is_known_until_it_is_back_in_line() -> None:
    given_up = (
        *RUNNING,
        moved(f"{JOB}/4", "leased", "quarantined", "quarantined", "output"),
        moved(f"{JOB}/4", "quarantined", "waived", "waived", "policy"),
        moved(f"{JOB}/3", "blocked", "waived", "waived", "user"),
    )
    ledger = Ledger.fold(given_up)
    assert ledger.jobs[JOB].filled == {4}
    assert Ledger.from_json(ledger.to_json()) == ledger
    ledger.take(JobRestored(job=JOB, state="queued", waived=(3, 4)))
    assert ledger.jobs[JOB].filled == {4}
    ledger.take(moved(f"{JOB}/4", "waived", "retried", "ready", "user"))
    assert ledger.jobs[JOB].filled == set()


def test_a_job_knows_when_it_came_and_when_it_came_to_its_state() -> None:
    journal = open_journal(":memory:")
    epoch = journal.begin_epoch("test")
    for number, event in enumerate(DONE):
        journal.append(epoch, [event.model_dump_json()], at=100.0 + number)
    ledger, _ = load_ledger(journal)
    job = ledger.jobs[JOB]
    moves = [
        number for number, event in enumerate(DONE) if isinstance(event, StateMoved) and event.subject == JOB
    ]
    assert (job.received, job.received_at, job.changed_at) == (1, 100.0, 100.0 + moves[-1])
    again = Ledger.from_json(ledger.to_json())
    assert again == ledger
