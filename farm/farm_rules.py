"""From a farm as it is written to the rules that the scheduler and the pools go by."""

from __future__ import annotations

from farm.config import PoolSizes
from farm.scheduling.requests import FarmRules, PoolRules, StudioTerms
from jobs.farm_spec import FarmPool, FarmReplicas, FarmSpec, Studio


def farm_rules(spec: FarmSpec) -> FarmRules:
    """The pool's rules and the studios' terms."""
    return FarmRules(
        pool=_pool_rules(spec.pool),
        studios={name: studio_terms(studio) for name, studio in spec.studios.items()},
        default_terms=studio_terms(spec.other_studios),
        patience=spec.patience,
    )


def studio_terms(studio: Studio) -> StudioTerms:
    """What a studio may take."""
    return StudioTerms(
        weight=studio.weight,
        max_replicas=studio.max_replicas,
        max_queued_segments=studio.max_queued_segments,
    )


def pool_sizes(replicas: FarmReplicas, *, renderers: int) -> PoolSizes:
    """Replicas of each stage; `renderers` where the farm leaves that to the machine."""
    return PoolSizes(motion=replicas.motion, face=replicas.face, render=replicas.render or renderers)


def _pool_rules(pool: FarmPool) -> PoolRules:
    return PoolRules(
        slots=pool.slots,
        warm_lead=pool.warm_lead,
        first_cost=pool.first_cost,
        max_suspicion=pool.max_suspicion,
        max_failures=pool.max_failures,
        max_tries_failed=pool.max_tries_failed,
        sick_after=pool.sick_after,
        cool_down=pool.cool_down,
        stall=pool.stall,
        run_timeout=pool.run_timeout,
        grace=pool.grace,
        backoff=pool.backoff,
        speculate_after=pool.speculate_after,
        speculate_with=pool.speculate_with,
        restart=pool.restart,
    )
