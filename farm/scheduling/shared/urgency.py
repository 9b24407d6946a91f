"""A job that arrives when every slot is taken need not wait for what only waits itself: that is taken back."""

from __future__ import annotations

from farm.scheduling.shared.actions import Purpose
from farm.scheduling.shared.attempts import Attempt
from farm.scheduling.shared.farm_state import FarmState
from farm.scheduling.shared.job_entry import JobEntry
from farm.scheduling.shared.leases import ask_back
from jobs.lifecycle import AttemptState


def make_way(farm: FarmState, job: JobEntry) -> None:
    """Recall attempts that have not begun, for a job that has just come into the line.

    From less strict tiers as many as the job has segments waiting; from its own tier one, of whoever is furthest
    ahead of it: the job's later segments take their turns. O(attempts on replicas), once for each arrival.
    """
    if not farm.is_open(job) or not farm.studio_of(job).has_replica_left:
        return
    if farm.pool.pick(job.request.subject) is not None:
        return
    turn = farm.line.turn(job)
    behind = [attempt for attempt in farm.attempts.values() if _can_be_taken_back(farm, attempt)]
    behind.sort(key=lambda attempt: farm.line.turn(farm.jobs[attempt.job]), reverse=True)
    left = job.waiting
    for attempt in behind:
        other = farm.line.turn(farm.jobs[attempt.job])
        if left == 0 or other <= turn:
            return
        if attempt.job != job.name:
            ask_back(farm, attempt)
            left = left - 1 if other[0] > turn[0] else 0


def _can_be_taken_back(farm: FarmState, attempt: Attempt) -> bool:
    return (
        attempt.state is AttemptState.DISPATCHED
        and not attempt.recall_asked
        and attempt.purpose is not Purpose.SOLO
        and len(farm.pool[attempt.replica].attempts) > 1
    )
