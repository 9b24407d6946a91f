"""Transitions of jobs, segments and attempts, checked against the table of `jobs.states`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from farm.ledger.job import LedgerJob
from jobs.journal_events import StateMoved
from jobs.lifecycle import AttemptEvent, AttemptState, JobEvent, JobState, SegmentEvent, SegmentState
from jobs.reasons import Reason
from jobs.states import IllegalTransition, State, step

EventKind = TypeVar("EventKind", JobEvent, SegmentEvent, AttemptEvent)


class Impossible(Exception):
    """An event that cannot have happened, in words."""


def take_move(jobs: Mapping[str, LedgerJob], event: StateMoved) -> None:
    """Carry a transition out.

    Raises:
        Impossible: Its subject is unknown or stands elsewhere, or the table does not have it; nothing has changed.
    """
    subject = parse_subject(event.subject)
    job = None if subject is None else jobs.get(subject.job)
    if subject is None or job is None:
        raise Impossible(f"there is no {event.subject!r}")
    try:
        if subject.segment is None:
            _move_job(job, event)
        elif subject.segment >= len(job.segments):
            raise Impossible(f"job {job.name!r} has no segment {subject.segment}")
        elif subject.try_number is None:
            _move_segment(job, subject.segment, event)
        else:
            _move_attempt(job, (subject.segment, subject.try_number), event)
    except IllegalTransition as illegal:
        raise Impossible(f"{event.subject}: {illegal}") from illegal


def _move_job(job: LedgerJob, event: StateMoved) -> None:
    _check_before(job.state, event)
    happened, reason = _happened(JobEvent, event), _reason(event)
    after = step(job.state, happened, reason)
    _check_after(after, event)
    if happened is JobEvent.RETRIED:
        job.error = None
        if job.state is JobState.FAILED:
            job.filled.clear()
    job.enter(after, reason)


def _move_segment(job: LedgerJob, segment: int, event: StateMoved) -> None:
    before = job.segments[segment]
    _check_before(before, event)
    after = step(before, _happened(SegmentEvent, event), _reason(event))
    _check_after(after, event)
    if after is not before:
        job.segments.change(segment, after)
        job.filled.discard(segment)
        if before is SegmentState.QUARANTINED and after is SegmentState.WAIVED:
            job.filled.add(segment)


def _move_attempt(job: LedgerJob, key: tuple[int, int], event: StateMoved) -> None:
    # Nothing is written of the dispatch itself, which every attempt begins with.
    before = job.attempts.get(key, AttemptState.DISPATCHED)
    _check_before(before, event)
    after = step(before, _happened(AttemptEvent, event), _reason(event))
    _check_after(after, event)
    job.tries += key not in job.attempts
    if after.is_terminal:
        job.attempts.pop(key, None)
    else:
        job.attempts[key] = after


def _check_before(state: State, event: StateMoved) -> None:
    if state.value != event.before:
        raise Impossible(f"{event.subject} is {state.value}, not {event.before}")


def _check_after(state: State, event: StateMoved) -> None:
    if state.value != event.after:
        raise Impossible(f"{event.subject}: {event.event} leads to {state.value}, not to {event.after}")


def _happened(kind: type[EventKind], event: StateMoved) -> EventKind:
    try:
        return kind(event.event)
    except ValueError:
        raise Impossible(f"{event.subject}: {event.event!r} is nothing that happens to it") from None


def _reason(event: StateMoved) -> Reason:
    return Reason(event.reason_kind, event.reason, event.code, event.retry)


_SUBJECT = re.compile(r"([^/#]+)(?:/([0-9]{1,9})(?:#([0-9]{1,9}))?)?")


@dataclass(frozen=True, slots=True)
class TransitionSubject:
    """A job, a segment of it, or a try of that."""

    job: str
    segment: int | None = None
    try_number: int | None = None


def parse_subject(text: str) -> TransitionSubject | None:
    """The subject; None where the text is none."""
    found = _SUBJECT.fullmatch(text)
    if found is None:
        return None
    job, segment, try_number = found.groups()
    return TransitionSubject(
        job,
        None if segment is None else int(segment),
        None if try_number is None else int(try_number),
    )


def can_be_named(job: str) -> bool:
    """Whether a subject can be told from the job's name."""
    return parse_subject(job) == TransitionSubject(job)
