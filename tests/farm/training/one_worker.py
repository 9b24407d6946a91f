"""The training loop without Ray: a group of one worker, in the process that watches."""

from __future__ import annotations

from collections.abc import Mapping

from farm.training.progress import TrainingEvent, TrainingListener


class SilentTraining:
    """A listener that shows nothing."""

    def resumed(self, *, step: int) -> None:
        """Ignore it."""

    def advanced(self, *, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """Ignore it."""

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        """Ignore it."""

    def waits(self, *, reason: str) -> None:
        """Ignore it."""

    def restarted(self, *, reason: str, attempt: int) -> None:
        """Ignore it."""


class OneWorker:
    """A group of one, in the process that watches: the loop without Ray."""

    rank = 0
    count = 1

    def __init__(self, listener: TrainingListener) -> None:
        self._listener = listener

    def wait(self) -> None:
        """Return at once."""

    def from_first(self, value: int | None) -> int | None:
        """The value itself."""
        return value

    def tell(self, event: TrainingEvent) -> None:
        """Call the listener."""
        event.tell(self._listener)
