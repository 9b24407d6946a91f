"""What a training run tells whoever watches it, and the form in which it travels from a worker to the driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class TrainingListener(Protocol):
    """Watches one run; called in the process that started it."""

    def resumed(self, *, step: int) -> None:
        """The run goes on from the checkpoint of a step."""
        ...

    def advanced(self, *, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """`step` of `steps` are done; the losses are means since the last call, of the first worker's share."""
        ...

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        """The weights of a step were measured on held-out data; a lower score is better."""
        ...

    def restarted(self, *, reason: str, attempt: int) -> None:
        """A worker was lost and all of them start again; attempts count from 1 until the run gets further."""
        ...


class SilentTraining:
    """A listener that shows nothing."""

    def resumed(self, *, step: int) -> None:
        """Ignore it."""

    def advanced(self, *, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """Ignore it."""

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        """Ignore it."""

    def restarted(self, *, reason: str, attempt: int) -> None:
        """Ignore it."""


class TrainingEvent(Protocol):
    """One call of a listener, as plain data."""

    def tell(self, listener: TrainingListener) -> None:
        """Make the call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """See `TrainingListener.resumed`."""

    step: int

    def tell(self, listener: TrainingListener) -> None:
        """See `TrainingEvent.tell`."""
        listener.resumed(step=self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingAdvanced:
    """See `TrainingListener.advanced`."""

    step: int
    steps: int
    losses: Mapping[str, float]

    def tell(self, listener: TrainingListener) -> None:
        """See `TrainingEvent.tell`."""
        listener.advanced(step=self.step, steps=self.steps, losses=self.losses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """See `TrainingListener.validated`."""

    step: int
    losses: Mapping[str, float]
    score: float
    is_best: bool

    def tell(self, listener: TrainingListener) -> None:
        """See `TrainingEvent.tell`."""
        listener.validated(step=self.step, losses=self.losses, score=self.score, is_best=self.is_best)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """See `TrainingListener.restarted`."""

    reason: str
    attempt: int

    def tell(self, listener: TrainingListener) -> None:
        """See `TrainingEvent.tell`."""
        listener.restarted(reason=self.reason, attempt=self.attempt)
