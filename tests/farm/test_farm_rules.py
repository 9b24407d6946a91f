from __future__ import annotations

from dataclasses import fields

from farm.config import PoolSizes
from farm.farm_rules import farm_rules, pool_sizes
from farm.scheduling.requests import FarmRules, PoolRules, StudioTerms
from jobs.farm_spec import FarmPool, FarmReplicas, FarmSpec, Studio


def test_a_farm_that_says_nothing_has_the_scheduler_s_own_rules() -> None:
    assert farm_rules(FarmSpec()) == FarmRules()


def test_every_rule_of_the_pool_can_be_set() -> None:
    ours = {field.name for field in fields(PoolRules)} - {"stage"}
    assert set(FarmPool.model_fields) == ours
    changed = FarmPool.model_validate({name: getattr(FarmPool(), name) + 1 for name in ours})
    rules = farm_rules(FarmSpec(pool=changed)).pool
    assert {name: getattr(rules, name) for name in ours} == changed.model_dump()


def test_studios_have_their_terms_and_the_others_have_theirs() -> None:
    spec = FarmSpec(
        studios={"north": Studio(weight=60, max_replicas=3, max_queued_segments=100)},
        other_studios=Studio(weight=0.5),
    )
    rules = farm_rules(spec)
    assert rules.terms("north") == StudioTerms(weight=60, max_replicas=3, max_queued_segments=100)
    assert rules.terms("unknown") == StudioTerms(weight=0.5)


def test_renderers_are_counted_by_the_machine_where_the_farm_does_not_say() -> None:
    assert pool_sizes(FarmReplicas(), renderers=6) == PoolSizes(motion=1, face=1, render=6)
    assert pool_sizes(FarmReplicas(render=2), renderers=6).render == 2
