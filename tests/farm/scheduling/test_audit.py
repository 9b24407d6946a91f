"""The audit must see what is broken: each test breaks one thing and looks whether it is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hand_driven_farm import HandDrivenFarm

from farm.scheduling.audit import audit
from farm.scheduling.replicas import ReplicaStatus
from farm.scheduling.state import FarmState
from jobs.farm_spec import Studio
from jobs.lifecycle import AttemptState, JobState, SegmentState
from jobs.reasons import Reason, ReasonKind


def busy_farm() -> FarmState:
    farm = HandDrivenFarm(replicas=2, studios={"north": Studio(max_replicas=2)})
    farm.submit("film", segments=8, max_replicas=2)
    farm.submit("other", segments=4, studio="south")
    farm.begin("r0")
    farm.begin("r1")
    return farm.scheduler.state


def lose_a_segment(farm: FarmState) -> None:
    farm.jobs["film"].line.take()


def miscount(farm: FarmState) -> None:
    farm.jobs["film"].counts[SegmentState.READY] += 1


def lease_twice(farm: FarmState) -> None:
    film = farm.jobs["film"]
    one, *_, other = film.attempts.values()
    film.records[other.segment].leases.clear()
    other.segment = one.segment
    film.records[one.segment].leases[other.id] = other


def lease_of_another_epoch(farm: FarmState) -> None:
    attempt = next(iter(farm.attempts.values()))
    attempt.id = attempt.id._replace(epoch=7)


def exceed_the_jobs_limit(farm: FarmState) -> None:
    film = farm.jobs["film"]
    object.__setattr__(film.request, "max_replicas", 1)


def exceed_the_studios_limit(farm: FarmState) -> None:
    farm.studios["north"].terms = Studio(max_replicas=1)


def miscount_the_studio(farm: FarmState) -> None:
    farm.studios["north"].queued_segments += 1


def miscount_replicas(farm: FarmState) -> None:
    farm.jobs["film"].replicas["r0"] += 1


def overfill(farm: FarmState) -> None:
    replica = farm.pool["r0"]
    replica.attempts.update(farm.pool["r1"].attempts)


def idle_while_others_wait(farm: FarmState) -> None:
    farm.pool["r0"].attempts.popitem()
    farm.pool.file(farm.pool["r0"])


def drop_from_the_line(farm: FarmState) -> None:
    for tier in farm.line.tiers.values():
        tier.studios.leave("south")


def keep_an_ended_attempt(farm: FarmState) -> None:
    next(iter(farm.attempts.values())).state = AttemptState.LOST


def pause_what_runs(farm: FarmState) -> None:
    farm.jobs["film"].state = JobState.PAUSED


def end_too_early(farm: FarmState) -> None:
    farm.jobs["film"].state = JobState.SUCCEEDED


def misfile_a_replica(farm: FarmState) -> None:
    farm.pool["r0"].subject = "actor-z"
    farm.pool["r0"].status = ReplicaStatus.SHUNNED
    farm.pool["r1"].attempts.popitem()


def forget_a_suspect(farm: FarmState) -> None:
    farm.jobs["film"].suspects[7] = 0.0


BREAKS = [
    (lose_a_segment, "ready and lost"),
    (miscount, "counts"),
    (lease_twice, "leased twice"),
    (lease_of_another_epoch, "another epoch"),
    (exceed_the_jobs_limit, "2 replicas of 1"),
    (exceed_the_studios_limit, "north: has 2 replicas of 1"),
    (miscount_the_studio, "segments counted"),
    (miscount_replicas, "replicas counted"),
    (overfill, "of 2 segments"),
    (idle_while_others_wait, "has room"),
    (drop_from_the_line, "the line says otherwise"),
    (keep_an_ended_attempt, "still on a replica"),
    (pause_what_runs, "paused"),
    (end_too_early, "segments missing"),
    (misfile_a_replica, "not found where it belongs"),
    (forget_a_suspect, "suspects"),
]


@pytest.mark.parametrize(("break_it", "words"), BREAKS, ids=lambda value: getattr(value, "__name__", None))
def test_the_audit_sees_it(break_it: Callable[[FarmState], None], words: str) -> None:
    farm = busy_farm()
    assert audit(farm) == []
    break_it(farm)
    assert words in "; ".join(audit(farm))


def test_a_reason_is_part_of_every_transition() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    farm.succeed()
    kinds = [(moved.subject, moved.reason.kind) for moved in farm.moves]
    assert kinds == [
        ("film", ReasonKind.PLAN),
        ("film/0", ReasonKind.TURN),
        ("film", ReasonKind.TURN),
        ("film/0#1", ReasonKind.TURN),
        ("film/0#1", ReasonKind.WORK),
        ("film/0", ReasonKind.WORK),
        ("film", ReasonKind.WORK),
    ]
    assert all(isinstance(moved.reason, Reason) for moved in farm.moves)
