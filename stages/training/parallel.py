"""Data-parallel training: each worker takes every n-th item of a step's batch, gradients are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from stages.training.trainer import Workers

Item = TypeVar("Item")


def share_of(items: Sequence[Item], workers: Workers) -> list[Item]:
    """The items of a batch that one worker learns from.

    Raises ValueError when there are fewer items than workers: one of them would have nothing to average in.
    """
    if len(items) < workers.count:
        raise ValueError(f"a batch of {len(items)} cannot be shared by {workers.count} workers")
    return list(items[workers.rank :: workers.count])


def data_parallel(network: nn.Module, *, workers: Workers, device: torch.device) -> nn.Module:
    """`network`, whose gradients are averaged over the workers in every backward pass; itself for one worker.

    Buffers, batch statistics among them, follow worker 0. The process group must exist for several workers.
    """
    if workers.count == 1:
        return network
    if not distributed.is_initialized():
        raise RuntimeError(f"{workers.count} workers need torch.distributed, which is not initialised")
    device_ids = [device.index or 0] if device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=device_ids)
