"""Replicas that come, go, hang or are asked to go; and all else that time alone brings about."""

from __future__ import annotations

import heapq

from farm.scheduling.answers import end_stopped
from farm.scheduling.failures import take_failure
from farm.scheduling.job import Attempt
from farm.scheduling.leases import drop_lease, empty, end_attempt
from farm.scheduling.messages import Drain, Kill, PlaceEvent, ReplicaGone, ReplicaJoined
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.settling import end_finish
from farm.scheduling.state import FarmState
from farm.scheduling.transitions import put_back
from jobs.errors import ReplicaLost
from jobs.farm_spec import FarmPool
from jobs.lifecycle import AttemptEvent, AttemptState, JobState, SegmentEvent
from jobs.reasons import Reason, ReasonKind


def take_place_event(farm: FarmState, event: PlaceEvent) -> None:
    """Take in what happened to a replica; events about replicas that are gone already change nothing.

    Raises:
        ValueError: A replica joins under a name that is taken.
    """
    if isinstance(event, ReplicaJoined):
        if event.replica in farm.pool:
            raise ValueError(f"there is a replica named {event.replica} already")
        farm.pool.add(ReplicaEntry(name=event.replica))
        if farm.pool.restarts_due:
            farm.pool.restarts_due.pop(0)
    elif event.replica not in farm.pool:
        return
    elif isinstance(event, Drain):
        empty(farm, farm.pool[event.replica], ReplicaStatus.DRAINING)
    else:
        _lost(farm, event)


def kill(farm: FarmState, replica: ReplicaEntry, why: str, *, hung: Attempt | None = None) -> None:
    """End a replica that hangs or does not stop; only the attempt that hung is to blame."""
    farm.actions.append(Kill(replica.name, why))
    if hung is not None:
        error = ReplicaLost(why)
        reason = Reason.of(ReasonKind.HANG, error)
        is_last = drop_lease(farm, hung)
        end_attempt(farm, hung, AttemptEvent.TIMED_OUT, reason)
        take_failure(farm, hung, error, reason, is_last=is_last)
    _remove(farm, replica, Reason(ReasonKind.PREEMPTION, f"its replica was killed: {why}"))


def hangs(rules: FarmPool, *, started_s: float, quiet_s: float) -> str:
    """Why a window, a face or a segment is taken to hang; empty where it is not.

    Args:
        rules: The pool's.
        started_s: Seconds since it began.
        quiet_s: Seconds since its replica last said that it goes on.
    """
    if started_s > rules.run_timeout:
        return f"it ran for more than {rules.run_timeout:g} s"
    return f"no progress for {rules.stall:g} s" if quiet_s > rules.stall else ""


def _lost(farm: FarmState, event: ReplicaGone) -> None:
    kind = ReasonKind.PREEMPTION if event.explained else ReasonKind.INFRASTRUCTURE
    _remove(farm, farm.pool[event.replica], Reason(kind, f"replica {event.replica} was lost"))


def _remove(farm: FarmState, replica: ReplicaEntry, reason: Reason) -> None:
    replica.status = ReplicaStatus.DRAINING
    # What runs last: its job may fail with it, and the others should be free by then.
    attempts = sorted(replica.attempts.values(), key=lambda attempt: attempt.state is AttemptState.RUNNING)
    for attempt in attempts:
        if attempt.state is AttemptState.STOPPING:
            end_stopped(farm, attempt)
            continue
        was_running = attempt.state is AttemptState.RUNNING
        is_last = drop_lease(farm, attempt)
        end_attempt(farm, attempt, AttemptEvent.LOST, reason)
        if is_last:
            farm.returned.append((attempt.job, attempt.segment))
        if was_running and reason.kind is ReasonKind.INFRASTRUCTURE:
            # It counts where a copy still runs as well, or copies could die one after another.
            take_failure(farm, attempt, ReplicaLost(reason.text), reason, is_last=is_last)
        elif not is_last:
            continue
        else:
            put_back(farm, farm.jobs[attempt.job], attempt.segment, SegmentEvent.ATTEMPT_LOST, reason)
    farm.pool.remove(replica.name)


def take_tick(farm: FarmState) -> None:
    """Look at every clock. O(attempts on replicas), whatever the number of segments."""
    for attempt in tuple(farm.attempts.values()):
        # One death can end several attempts of the list.
        if attempt.id in farm.attempts:
            _check_patience(farm, attempt)
    for job in tuple(farm.jobs.values()):
        is_late = farm.now - job.stop_at > farm.pool_rules.grace
        if job.state is JobState.CANCEL_REQUESTED and job.finishing and is_late:
            end_finish(farm, job)
    for replica in farm.pool:
        if replica.status is ReplicaStatus.SHUNNED and farm.now >= replica.shunned_until:
            replica.status = ReplicaStatus.SERVING
            replica.failed_jobs.clear()
            farm.pool.file(replica)
    farm.pool.restarts_due = [due for due in farm.pool.restarts_due if farm.now < due]
    _end_delays(farm)


def _check_patience(farm: FarmState, attempt: Attempt) -> None:
    rules, replica = farm.pool_rules, farm.pool[attempt.replica]
    if attempt.state is AttemptState.STOPPING:
        if farm.now - attempt.stop_at > rules.grace:
            kill(farm, replica, f"it did not stop within {rules.grace:g} s")
    elif attempt.state is AttemptState.RUNNING and attempt.started_at is not None:
        why = hangs(rules, started_s=farm.now - attempt.started_at, quiet_s=farm.now - attempt.progressed_at)
        if why:
            kill(farm, replica, why, hung=attempt)
    elif _is_deaf(farm, attempt, replica):
        kill(farm, replica, f"it answered no recall for {rules.stall:g} s")


def _is_deaf(farm: FarmState, attempt: Attempt, replica: ReplicaEntry) -> bool:
    """It was asked back and has neither begun nor come back, with nothing before it that has a clock of its own.

    That something begins is told by whoever hands it out; only a recall waits for a word of the replica itself.
    """
    if attempt.state is not AttemptState.DISPATCHED or not attempt.recall_asked:
        return False
    if any(other.state is not AttemptState.DISPATCHED for other in replica.attempts.values()):
        return False
    return farm.now - max(attempt.recall_asked_at, replica.freed_at) > farm.pool_rules.stall


def _end_delays(farm: FarmState) -> None:
    while farm.delayed and farm.delayed[0][0] <= farm.now:
        due, name, segment = heapq.heappop(farm.delayed)
        job = farm.jobs.get(name)
        if job is not None and job.delayed.get(segment) == due:
            del job.delayed[segment]
            job.line.put(segment)
            farm.changed[name] = None
