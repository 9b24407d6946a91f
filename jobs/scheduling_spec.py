"""What a job says about its place in the queue and its limits; nothing here decides a byte of a video.

In a job: ``scheduling: {tier: interactive, preview_first: 3, on_quarantine: fill}``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from jobs.priority import OnQuarantine, Tier
from jobs.spec_model import SpecModel, finding

MOST_REPLICAS = 1024
MOST_SEGMENTS = 1_000_000
LONGEST = 1e9  # seconds; thirty years
# Shares are counted in seconds by weight: further apart, one service of the lightest outweighs all that is counted.
LEAST_WEIGHT, MOST_WEIGHT = 0.001, 1e4

SegmentCount = Annotated[int, Field(ge=1, le=MOST_SEGMENTS)]
ReplicaCount = Annotated[int, Field(ge=1, le=MOST_REPLICAS)]
Weight = Annotated[float, Field(ge=LEAST_WEIGHT, le=MOST_WEIGHT)]
GpuSeconds = Annotated[float, Field(gt=0, le=LONGEST)]


class QueueTerms(SpecModel):
    """How a job is queued, and when it stops.

    Attributes:
        tier: How urgent it is; a stricter tier is served first, always.
        weight: Its share among its studio's jobs of the same tier.
        preview_first: So many segments, spread over the whole job, come before the others.
        max_replicas: Replicas that work for it at once; without a limit when not given.
        max_gpu_seconds: What it may spend; once it is spent, the job is held.
        on_quarantine: ``fail``, ``hold`` or ``fill``: what happens when a segment is given up.
        max_failed_segments: With more segments given up than this, the job fails whatever `on_quarantine` says.
    """

    # Strict mode takes enum members only, and a file can hold nothing but their text.
    tier: Annotated[Tier, Field(strict=False)] = Tier.NORMAL
    weight: Weight = 1.0
    preview_first: Annotated[int, Field(ge=0, le=MOST_SEGMENTS)] = 0
    max_replicas: ReplicaCount | None = None
    max_gpu_seconds: GpuSeconds | None = None
    on_quarantine: Annotated[OnQuarantine, Field(strict=False)] = OnQuarantine.FAIL
    max_failed_segments: Annotated[int, Field(ge=0, le=MOST_SEGMENTS)] | None = None


def _no_training(tier: Tier) -> Tier:
    if tier is Tier.TRAINING:
        raise finding("bad_value", "is for training runs", hint="bulk is the last tier of render jobs")
    return tier


class Scheduling(QueueTerms):
    """How a render job is queued on a shared farm. `farm render` has the machine to itself and needs none of it.

    A job with fewer segments than `preview_first` counts all of them as previews.
    """

    tier: Annotated[Tier, Field(strict=False), AfterValidator(_no_training)] = Tier.NORMAL
