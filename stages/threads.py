"""One thread per replica: sums must not depend on how many threads they are split over (law 1)."""

from __future__ import annotations

import torch


def use_one_thread() -> None:
    """Keep torch in this process to one thread; replicas are what runs in parallel."""
    torch.set_num_threads(1)
