"""Means of losses over the steps since somebody last looked."""

from __future__ import annotations

import math
from collections.abc import Mapping

from jobs.errors import TrainingFailed


class LossMeans:
    """Collects the losses of steps and hands out their means."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, losses: Mapping[str, float]) -> None:
        """Count the losses of one step."""
        self._steps += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The means over the steps counted; counting starts afresh."""
        means = {name: value / self._steps for name, value in self._sums.items()}
        self._sums, self._steps = {}, 0
        return means


def check_finite(values: Mapping[str, float], *, step: int, what: str) -> None:
    """Refuse to go on with numbers that are none: every later step would be lost.

    Raises:
        TrainingFailed: A value is NaN or infinite.
    """
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise TrainingFailed(
            f"{what} of step {step} is not a finite number: {', '.join(broken)}",
            where=f"step {step}",
            hint="use a smaller learning rate, or look for broken frames in the clips",
            code="training_diverged",
        )
