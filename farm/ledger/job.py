"""One job as the journal tells it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, PlainSerializer, PlainValidator

from farm.ledger.segments import SegmentStates
from jobs.journal_events import JobWaits, TakeDelivered, TakesSketched, WholeAdvanced
from jobs.kinds import RENDER_JOB
from jobs.lifecycle import AttemptState, JobState, SegmentState
from jobs.reasons import Reason

_OVER_FOR_GOOD = frozenset({JobState.SUCCEEDED, JobState.CANCELLED, JobState.REJECTED, JobState.EXPIRED})


Attempts = dict[tuple[int, int], AttemptState]
"""State of each attempt, by segment and number of the try."""


def _attempts_of(triples: Iterable[tuple[int, int, Any]]) -> dict[tuple[int, int], Any]:
    return {(segment, number): state for segment, number, state in triples}


def _triples_of(attempts: Attempts) -> list[tuple[int, int, AttemptState]]:
    return [(segment, number, state) for (segment, number), state in attempts.items()]


# JSON has no keys of two numbers, and a list of states would be long.
_StoredStates = Annotated[
    SegmentStates, PlainValidator(SegmentStates.from_text), PlainSerializer(SegmentStates.text)
]
_StoredAttempts = Annotated[Attempts, BeforeValidator(_attempts_of), PlainSerializer(_triples_of)]
_StoredSet = Annotated[set[int], PlainSerializer(sorted)]


@dataclass(slots=True, kw_only=True)
class LedgerJob:
    """Where a job stands. Of a segment it knows the state alone: what was committed, the store says.

    Attributes:
        name: Its name in the farm.
        studio: Who pays.
        document_json: The job; text, because most jobs are only kept.
        kind: What its document says that it is.
        folder: Where its relative paths start.
        on_hold: It was submitted so.
        overwrite: Its masters may replace files that the farm did not write.
        reason: Why it came to its state; None before its first transition.
        plan_hash: Empty until it is planned.
        told: What the user should know of the speech's file, in sentences.
        takes, segments_per_take: Of what is rendered; 0 until it is planned.
        offered: Takes that one is chosen from; 0 where all are rendered.
        chosen: The one that is rendered of these, once that is known.
        sketched: What shows the takes, while somebody may choose one.
        sketched_at: Since when, in seconds since 1970.
        segments: State of each, counted through all takes.
        filled: Segments that are waived and were given up before.
        attempts: State of each that began and has not ended, by segment and number of the try.
        tries: Attempts that were heard of, in all runs of the farm.
        seconds: What it has spent, in seconds of replicas.
        max_gpu_seconds: What it may spend, where that was noted since it came.
        bundles: Where the replay bundle of a segment lies.
        delivered: Takes that are delivered.
        advanced: How far it is, where it is done in one piece; nothing once it is done.
        made: What it made then.
        waits: What waits for something that does not answer, since it last got on.
        error: What ended it, as `FarmError.as_record` tells it.
        received: Sequence of the journal's entry with which it came.
        received_at, changed_at: When it came, and when it came to its state; seconds since 1970.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    studio: str
    document_json: str
    folder: str
    kind: str = RENDER_JOB.name
    on_hold: bool = False
    overwrite: bool = False
    state: JobState = JobState.RECEIVED
    reason: Reason | None = None
    plan_hash: str = ""
    told: tuple[str, ...] = ()
    takes: int = 0
    segments_per_take: int = 0
    offered: int = 0
    chosen: int | None = None
    sketched: TakesSketched | None = None
    sketched_at: float = 0.0
    segments: _StoredStates = field(default_factory=SegmentStates)
    filled: _StoredSet = field(default_factory=set)
    attempts: _StoredAttempts = field(default_factory=dict)
    tries: int = 0
    seconds: float = 0.0
    max_gpu_seconds: float | None = None
    bundles: dict[int, str] = field(default_factory=dict)
    delivered: dict[int, TakeDelivered] = field(default_factory=dict)
    advanced: WholeAdvanced | None = None
    made: tuple[str, ...] = ()
    waits: JobWaits | None = None
    error: dict[str, Any] | None = None
    received: int = 0
    received_at: float = 0.0
    changed_at: float = 0.0

    @property
    def document(self) -> dict[str, Any]:
        """The job as plain data; a new copy each time."""
        document: dict[str, Any] = json.loads(self.document_json)
        return document

    @property
    def is_planned(self) -> bool:
        """It is known what it comes to."""
        return self.segments_per_take > 0

    @property
    def is_whole(self) -> bool:
        """It is done in one piece: it has no takes, and its one segment is all of its work."""
        return self.kind != RENDER_JOB.name

    @property
    def rendered_takes(self) -> tuple[int, ...]:
        """Takes whose segments it has, in their order; none while one of several is to be chosen."""
        if self.is_whole:
            return ()
        if not self.offered:
            return tuple(range(1, self.takes + 1))
        return () if self.chosen is None else (self.chosen,)

    @property
    def is_over_for_good(self) -> bool:
        """Nothing moves it any more; a failed job may still be retried."""
        return self.state in _OVER_FOR_GOOD

    def counts(self) -> dict[SegmentState, int]:
        """How many segments are in each state; states without one are left out."""
        counts = {state: self.segments.count(state) for state in SegmentState}
        return {state: count for state, count in counts.items() if count}

    def enter(self, state: JobState, reason: Reason) -> None:
        """Come to a state; let go of what is no longer needed there."""
        self.state, self.reason, self.waits = state, reason, None
        if state.is_terminal:
            self.sketched = None
            self.segments.pack()
        else:
            self.segments.unpack()
