"""Random numbers of a training step, drawn from its number: nothing to save, nothing to lose.

A run that was stopped draws in step n what an unbroken one draws there, and so does every data-parallel worker.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What the numbers are for; streams of one step are independent of each other."""

    INITIAL_WEIGHTS = 0
    BATCH = 1
    NOISE = 2
    DROPOUT = 3


def step_random(*, seed: int, step: int, stream: Stream, rank: int = 0) -> np.random.Generator:
    """The generator of one step and purpose; batches are drawn alike on every worker, so with rank 0."""
    return np.random.default_rng([seed, step, int(stream), rank])


def torch_seed(*, seed: int, step: int, stream: Stream, rank: int = 0) -> int:
    """A seed for torch's generators, 63 bits."""
    return int(step_random(seed=seed, step=step, stream=stream, rank=rank).integers(2**63 - 1))


def seed_torch(*, seed: int, step: int, stream: Stream, rank: int = 0) -> None:
    """Seed torch's global generators, which initial weights and dropout draw from."""
    torch.manual_seed(torch_seed(seed=seed, step=step, stream=stream, rank=rank))
