"""Whom a transition is about: ``JOB``, ``JOB/SEGMENT`` or ``JOB/SEGMENT#TRY``."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
