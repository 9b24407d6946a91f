"""How a job is run, as opposed to what it renders: nothing here may change a byte of the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from farm.scheduling.units import Stage
from jobs.farm_spec import FarmReplicas

# Ray counts resources in ten-thousandths.
_SHARE_STEP = 10_000

# One unit running and one waiting beside it, so that a replica never idles between two.
SLOTS_PER_REPLICA = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSizes:
    """Replicas per stage.

    The renderer does nearly all the work, so it alone is scaled by default; one replica of each small stage keeps
    several renderers busy. Jobs in one piece have pools of their own, of which there may be none.
    """

    motion: int = 1
    face: int = 1
    render: int = 2
    preparation: int = 0
    training: int = 0
    evaluation: int = 0

    def __post_init__(self) -> None:
        if min(self.motion, self.face, self.render) < 1:
            raise ValueError("every pool that renders needs at least one replica")
        if min(self.preparation, self.training, self.evaluation) < 0:
            raise ValueError("no pool has fewer than no replicas")

    @property
    def total(self) -> int:
        """Replicas of all pools together."""
        return sum(self.by_stage().values())

    @classmethod
    def of(cls, replicas: FarmReplicas, *, renderers: int) -> Self:
        """As the farm is written; `renderers` where it leaves their number to the machine."""
        return cls(
            motion=replicas.motion,
            face=replicas.face,
            render=replicas.render or renderers,
            preparation=replicas.preparation,
            training=replicas.training,
            evaluation=replicas.evaluation,
        )

    def by_stage(self) -> Mapping[Stage, int]:
        """The sizes under the names of their stages."""
        return {stage: int(getattr(self, stage.value)) for stage in Stage}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaShare:
    """What one replica books of a machine: a fraction of a GPU where there is one, and a share of the cores."""

    cpus: float
    gpus: float


def share_machine(*, cores: int, gpus: int, replicas: int) -> ReplicaShare:
    """Equal shares with which all replicas always fit at the same time.

    A replica never gets more than one core or one GPU, and shares are such that each device holds a whole number of
    replicas: three replicas on two GPUs book a half each, not two thirds, of which a third would not fit.

    Raises:
        ValueError: There is no core or no replica.
    """
    if cores < 1 or replicas < 1 or gpus < 0:
        raise ValueError(f"cannot share {cores} cores and {gpus} GPUs between {replicas} replicas")
    return ReplicaShare(cpus=_share(cores, replicas), gpus=_share(gpus, replicas) if gpus else 0.0)


def _share(devices: int, replicas: int) -> float:
    per_device = math.ceil(replicas / devices)
    return math.floor(_SHARE_STEP / per_device) / _SHARE_STEP
