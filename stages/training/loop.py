"""The loop every stage's training runs in: step, log, save, go on where it stopped."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from stages.training.checkpoint import load_checkpoint, save_checkpoint

logger = logging.getLogger(__name__)


class Trainer(Protocol):
    """One stage's networks and optimisers."""

    step: int

    def train_step(self) -> dict[str, float]:
        """Take one optimiser step and count it; returns the losses."""

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on exactly as if unbroken."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""


def run(
    trainer: Trainer, *, steps: int, checkpoint: Path, save_every: int = 100, log_every: int = 20
) -> None:
    """Train to `steps`, saving on the way; picks up `checkpoint` when it exists."""
    state = load_checkpoint(checkpoint)
    if state is not None:
        trainer.restore(state)
    sums: dict[str, float] = {}
    start = time.monotonic()
    while trainer.step < steps:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value
        if trainer.step % log_every == 0:
            means = "  ".join(f"{name} {value / log_every:.4f}" for name, value in sums.items())
            logger.info("step %d  %.2f s  %s", trainer.step, (time.monotonic() - start) / log_every, means)
            sums, start = {}, time.monotonic()
        if trainer.step % save_every == 0 or trainer.step == steps:
            save_checkpoint(checkpoint, trainer.state())


def cosine_rate(step: int, *, steps: int, rate: float, final: float, decay_from: float = 0.0) -> float:
    """Learning rate: constant for the first share `decay_from` of the run, then a half cosine down to `final`."""
    start = decay_from * steps
    if step <= start:
        return rate
    progress = min(1.0, (step - start) / max(1.0, steps - start))
    return final + (rate - final) * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, step: int, decay: float) -> None:
    """Move the running average of weights and statistics towards the network; quick in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    sources = network.state_dict()
    for name, ours in average.state_dict().items():
        theirs = sources[name]
        if ours.is_floating_point():
            ours.lerp_(theirs, 1 - decay)
        else:
            ours.copy_(theirs)
