"""Random lives of jobs, drawn from the table of states: events as a farm could write them."""

from __future__ import annotations

from hypothesis import strategies as st

from farm.ledger import Ledger
from jobs.journal_events import (
    AccountNoted,
    AnyJournalEvent,
    BundleWritten,
    JobErred,
    JobPlanned,
    JobReceived,
    JobRestored,
    SegmentCommitted,
    SketchedTake,
    StateMoved,
    TakeChosen,
    TakeDelivered,
    TakesSketched,
)
from jobs.lifecycle import AttemptState
from jobs.manifest import SegmentRecord
from jobs.states import TRANSITIONS, State

TAKES, SEGMENTS = 2, 3
OFFERED = 4
"""Takes that one is chosen from, of a job that asks."""


def moves_from(state: State) -> list[tuple[str, str, str]]:
    """Event, state it leads to, and a reason that explains it."""
    return [
        (event.value, transition.state.value, sorted(transition.reasons)[0].value)
        for (before, event), transition in TRANSITIONS.items()
        if before is state
    ]


def plans_of(name: str) -> tuple[JobPlanned, ...]:
    """What a job may come to: all takes are rendered, or one that somebody chooses."""
    return (
        JobPlanned(job=name, plan_hash="ab" * 32, takes=TAKES, segments_per_take=SEGMENTS),
        JobPlanned(job=name, plan_hash="ab" * 32, takes=1, segments_per_take=SEGMENTS, offered=OFFERED),
    )


@st.composite
def events_of_a_farm(draw: st.DrawFn, most: int = 40) -> list[AnyJournalEvent]:
    """Events that can have happened, one after another."""
    ledger, events = Ledger(), []
    for _ in range(draw(st.integers(1, most))):
        event = draw(next_event(ledger))
        ledger.take(event)
        events.append(event)
    return events


def next_event(ledger: Ledger) -> st.SearchStrategy[AnyJournalEvent]:
    names = [f"job-{number}" for number in range(3)]
    new = [name for name in names if name not in ledger.jobs]
    choices = [
        st.builds(
            JobReceived,
            job=st.just(name),
            studio=st.sampled_from(["north", "south"]),
            document=st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
            folder=st.just("/jobs"),
            on_hold=st.booleans(),
        )
        for name in new[:1]
    ]
    for name in ledger.jobs:
        choices += _of_job(ledger, name)
    return st.one_of(choices)


def _of_job(ledger: Ledger, name: str) -> list[st.SearchStrategy[AnyJournalEvent]]:
    job = ledger.jobs[name]
    choices: list[st.SearchStrategy[AnyJournalEvent]] = [_moves(name, job.state)]
    if not job.state.is_terminal:
        choices += [
            st.just(plan) for plan in plans_of(name) if not job.is_planned or plan.offered == job.offered
        ]
    if not job.is_planned:
        return [choice for choice in choices if not choice.is_empty]
    segments = st.integers(0, len(job.segments) - 1)
    choices += [
        segments.flatmap(lambda segment: _moves(f"{name}/{segment}", job.segments[segment])),
        st.tuples(segments, st.integers(1, 2)).flatmap(
            lambda key: _moves(f"{name}/{key[0]}#{key[1]}", job.attempts.get(key, AttemptState.DISPATCHED))
        ),
        st.builds(
            SegmentCommitted, job=st.just(name), segment=segments, record=RECORDS, seconds=st.floats(0, 9)
        ),
        st.builds(
            AccountNoted,
            job=st.just(name),
            spent=st.floats(0, 1e6),
            max_gpu_seconds=st.none() | st.floats(1, 1e6),
        ),
        st.builds(BundleWritten, job=st.just(name), segment=segments, bundle=st.sampled_from("xy")),
        st.builds(JobErred, job=st.just(name), error=st.just({"code": "x"})),
    ]
    if job.offered and job.chosen is None:
        choices += [
            st.just(SKETCHED.model_copy(update={"job": name})),
            st.integers(1, OFFERED).map(lambda take: TakeChosen(job=name, take=take)),
        ]
    else:
        takes = range(1, TAKES + 1) if job.chosen is None else (job.chosen,)
        choices.append(
            st.sampled_from(takes).map(
                lambda take: TakeDelivered(
                    job=name, take=take, master="m", manifest="n", sha256="0" * 64, size_bytes=1
                )
            )
        )
    if not job.state.is_terminal:
        choices.append(
            st.permutations(range(len(job.segments))).map(
                lambda order: JobRestored(
                    job=name, state="queued", committed=order[:2], quarantined=order[2:3], waived=order[3:4]
                )
            )
        )
    return [choice for choice in choices if not choice.is_empty]


def _moves(subject: str, state: State) -> st.SearchStrategy[AnyJournalEvent]:
    return st.sampled_from(
        [
            StateMoved(
                subject=subject, before=state.value, event=event, after=after, reason_kind=kind, reason="so"
            )
            for event, after, kind in moves_from(state)
        ]
        or [JobErred(job=subject.partition("/")[0], error={"code": "nothing can happen to it"})]
    )


SKETCHED = TakesSketched(
    job="",
    takes=tuple(
        SketchedTake(
            take=take,
            sheet="s",
            sheet_sha256="0" * 64,
            playback="p",
            playback_sha256="0" * 64,
            sketch_seconds=1.0,
            segments=SEGMENTS,
            price_seconds=30.0,
            wait_seconds=30.0,
        )
        for take in range(1, OFFERED + 1)
    ),
    is_measured=False,
    expires_after=60.0,
)
RECORDS = st.builds(
    SegmentRecord,
    index=st.integers(0, SEGMENTS - 1),
    first_frame=st.just(0),
    frame_count=st.just(50),
    key=st.sampled_from(["a", "b"]),
    sha256=st.just("0" * 64),
    size_bytes=st.just(7),
    inspection=st.none(),
)
