"""Learning rates over a run, and the running average of the weights."""

from __future__ import annotations

import math

import torch
from torch import nn


def cosine_rate(step: int, *, steps: int, rate: float, final: float, decay_from: float = 0.0) -> float:
    """Learning rate: constant for the first share `decay_from` of the run, then a half cosine down to `final`."""
    start = decay_from * steps
    if step <= start:
        return rate
    progress = min(1.0, (step - start) / max(1.0, steps - start))
    return final + (rate - final) * 0.5 * (1 + math.cos(math.pi * progress))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = rate


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
