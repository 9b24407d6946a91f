"""How much of a take can be watched: its committed segments from the first on, up to the first that is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from farm.ledger import LedgerJob
from jobs.errors import InputNotFound, Retry
from jobs.lifecycle import JobState, SegmentState
from jobs.plan import plan_folder

_DECIDED: Final = frozenset({JobState.STITCHING, JobState.DELIVERING, JobState.SUCCEEDED})
"""From here on the master does without what is waived; before, somebody may still want it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedTake:
    """What of a take there is to watch; stays as it is, whatever the job comes to.

    Attributes:
        job: Name of the job in the farm.
        number: Of the take, from 1.
        state: Of the job.
        document_json: The job itself.
        job_folder: Where its relative paths start.
        began_at: When the job came, in seconds since 1970.
        folder: Of the job's plan in the store.
        listed: Segments from the first on, without a gap.
        total: Segments of the take.
        filled: Those of the listed in whose place a picture stands still.
        is_ended: Nothing more comes: all of it is listed, or the job is over.
    """

    job: str
    number: int
    state: JobState
    document_json: str
    job_folder: str
    began_at: float
    folder: str
    listed: int
    total: int
    filled: frozenset[int]
    is_ended: bool

    @property
    def is_whole(self) -> bool:
        """All of it is listed."""
        return self.listed == self.total


def watched_take(job: LedgerJob, number: int) -> WatchedTake:
    """What of a take there is to watch.

    Raises:
        InputNotFound: The job has no such take.
    """
    if job.is_whole:
        raise InputNotFound(
            f"it is a {job.kind}: nothing of it can be watched",
            where=f"take {number}",
            code="nothing_to_watch",
            hint="farm status tells what it made",
        )
    document = job.document
    takes = document["spec"].get("takes", 1)
    if not 1 <= number <= takes:
        raise InputNotFound(
            f"the job has {takes} takes, and none is number {number}",
            where=f"take {number}",
            code="unknown_take",
            hint="takes count from 1",
        )
    if job.is_planned and number not in job.rendered_takes:
        raise _not_rendered(job, number)
    first = job.rendered_takes.index(number) * job.segments_per_take if job.is_planned else 0
    states = job.segments[first : first + job.segments_per_take] if job.is_planned else ()
    listed = _listed(states, is_decided=job.state in _DECIDED or number in job.delivered)
    metadata = document["metadata"]
    return WatchedTake(
        job=job.name,
        number=number,
        state=job.state,
        document_json=job.document_json,
        job_folder=job.folder,
        began_at=job.received_at,
        folder=plan_folder(
            owner=job.studio,
            project=metadata.get("project", "default"),
            name=metadata["name"],
            plan_hash=job.plan_hash,
        ),
        listed=listed,
        total=len(states),
        filled=frozenset(index for index in range(listed) if states[index] is SegmentState.WAIVED),
        is_ended=job.state.is_terminal or (job.is_planned and listed == len(states)),
    )


def _not_rendered(job: LedgerJob, number: int) -> InputNotFound:
    if job.chosen is None:
        return InputNotFound(
            "nobody has chosen yet which take is rendered",
            where=f"take {number}",
            code="nothing_to_watch",
            hint=f"choose one: farm choose {job.name} TAKE",
            retry=Retry.LATER,
        )
    return InputNotFound(
        f"take {job.chosen} was chosen, and no other is rendered",
        where=f"take {number}",
        code="nothing_to_watch",
        hint=f"watch take {job.chosen}",
    )


def not_taken_in(number: int) -> InputNotFound:
    """The error for a take of a job that no farm has taken in yet."""
    return InputNotFound(
        "no farm has taken the job in yet",
        where=f"take {number}",
        code="nothing_to_watch",
        hint="ask again, or follow its events",
        retry=Retry.LATER,
    )


def _listed(states: Sequence[SegmentState], *, is_decided: bool) -> int:
    for index, state in enumerate(states):
        if state is not SegmentState.COMMITTED and not (is_decided and state is SegmentState.WAIVED):
            return index
    return len(states)
