"""A farm as it is written is what the scheduler, the simulation and the pools go by."""

from __future__ import annotations

import random

from farm.config import PoolSizes
from farm.scheduling.scheduler import Scheduler
from farm.simulation.simulator import farm_of
from jobs.farm_spec import FarmPool, FarmReplicas, FarmSpec, PoolTerms, Studio
from jobs.simulation_spec import SimulatedPool, SimulationSpec

JOB = {"name": "film", "studio": "north", "subject": "a", "segments": 2}


def test_the_scheduler_goes_by_every_rule_as_it_is_written() -> None:
    changed = FarmPool.model_validate({name: getattr(FarmPool(), name) + 1 for name in FarmPool.model_fields})
    scheduler = Scheduler(FarmSpec(pool=changed), clock=lambda: 0.0, randomness=random.Random(1))
    assert scheduler.state.pool_rules == changed


def test_a_simulation_runs_its_pool_by_the_terms_it_says_and_by_the_farms_own_rules() -> None:
    assert farm_of(SimulationSpec.model_validate({"jobs": [JOB]})) == FarmSpec()
    terms = {name: getattr(SimulatedPool(), name) + 1 for name in PoolTerms.model_fields}
    spec = SimulationSpec.model_validate({"jobs": [JOB], "pool": terms, "studios": {"north": {"weight": 60}}})
    farm = farm_of(spec)
    assert farm.pool == FarmPool(**terms)
    assert farm.terms("north") == Studio(weight=60)


def test_studios_have_their_terms_and_the_others_have_theirs() -> None:
    north = Studio(weight=60, max_replicas=3, max_queued_segments=100)
    farm = FarmSpec(studios={"north": north}, other_studios=Studio(weight=0.5))
    assert farm.terms("north") == north
    assert farm.terms("unknown") == Studio(weight=0.5)


def test_renderers_are_counted_by_the_machine_where_the_farm_does_not_say() -> None:
    assert PoolSizes.of(FarmReplicas(), renderers=6) == PoolSizes(
        motion=1, face=1, render=6, preparation=1, training=1, evaluation=1
    )
    assert PoolSizes.of(FarmReplicas(render=2), renderers=6).render == 2
