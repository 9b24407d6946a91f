"""The seam to what does jobs in one piece: preparing, training, judging. The real one is `farm.whole_work`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from farm.execution.calls import WholeCall, WholeDone, WholeStep

Tell = Callable[[WholeStep], None]
"""Told how far the work is. Raises `StopAsked` where somebody wants it to stop, which must come through."""


class WholeWork(Protocol):
    """Does jobs of every such kind. Instances travel to the replicas: small and picklable."""

    def perform(self, call: WholeCall, *, device: str, tell: Tell) -> WholeDone:
        """Do a job, going on from what an earlier try of it left.

        Args:
            call: The job.
            device: ``cuda`` or ``cpu``.
            tell: Called while it goes on.

        Raises:
            StopAsked: As `tell` did; what a later try can go on from is kept.
            FarmError: It cannot be done.
        """
        ...
