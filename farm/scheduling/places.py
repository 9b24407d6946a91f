"""Replicas that come, go, and are asked to go."""

from __future__ import annotations

from farm.scheduling.actions import Kill
from farm.scheduling.answers import end_stopped
from farm.scheduling.attempts import Attempt
from farm.scheduling.events import Drain, PlaceEvent, ReplicaGone, ReplicaJoined
from farm.scheduling.failures import suspect
from farm.scheduling.leases import ask_back, drop_lease, end_attempt
from farm.scheduling.moves import put_back
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from jobs.lifecycle import AttemptEvent, AttemptState, SegmentEvent
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
        drain(farm, farm.pool[event.replica])
    else:
        _lost(farm, event)


def drain(farm: FarmState, replica: ReplicaEntry) -> None:
    """It finishes what it runs; what waits beside it goes elsewhere."""
    replica.status = ReplicaStatus.DRAINING
    farm.pool.file(replica)
    for attempt in replica.attempts.values():
        ask_back(farm, attempt)


def kill(farm: FarmState, replica: ReplicaEntry, why: str, *, hung: Attempt | None = None) -> None:
    """End a replica that hangs or does not stop; only the attempt that hung is to blame."""
    farm.actions.append(Kill(replica.name, why))
    if hung is not None:
        reason = Reason(ReasonKind.HANG, why)
        is_last = drop_lease(farm, hung)
        end_attempt(farm, hung, AttemptEvent.TIMED_OUT, reason)
        if is_last:
            suspect(farm, hung, reason)
        else:
            farm.jobs[hung.job].record(hung.segment).suspicion += 1
    _remove(farm, replica, Reason(ReasonKind.PREEMPTION, f"its replica was killed: {why}"))


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
        if not is_last:
            if was_running and reason.kind is ReasonKind.INFRASTRUCTURE:
                # A copy of it still runs; the death counts all the same, or copies could die one after another.
                farm.jobs[attempt.job].record(attempt.segment).suspicion += 1
            continue
        farm.returned.append((attempt.job, attempt.segment))
        if was_running and reason.kind is ReasonKind.INFRASTRUCTURE:
            suspect(farm, attempt, reason)
        else:
            put_back(farm, farm.jobs[attempt.job], attempt.segment, SegmentEvent.ATTEMPT_LOST, reason)
    farm.pool.remove(replica.name)
