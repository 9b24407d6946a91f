"""What a training run tells whoever watches it, how that comes from a worker to the driver, and its last report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol


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

    def waits(self, *, reason: str) -> None:
        """The store does not answer; the run goes on once it does."""
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """See `TrainingListener.waits`."""

    reason: str

    def tell(self, listener: TrainingListener) -> None:
        """See `TrainingEvent.tell`."""
        listener.waits(reason=self.reason)


class Mailbox:
    """Keeps what the workers tell until the driver takes it; lives in a small actor, which the driver starts and kills.

    Ray Train's own way, `ray.train.report`, is a barrier for all workers that its controller clears every two seconds,
    and ends in the controller's process rather than the driver's. This one costs the first worker a millisecond.
    """

    def __init__(self) -> None:
        self._events: list[TrainingEvent] = []
        self._first: TrainingEvent | None = None
        self._furthest_step = 0
        self._losses_in_a_row = 0
        self._is_stopping = False

    def tell(self, event: TrainingEvent) -> bool:
        """Keep an event of the first worker; whether the run should stop."""
        if isinstance(event, TrainingAdvanced) and event.step > self._furthest_step:
            self._furthest_step = event.step
            self._losses_in_a_row = 0
        self._first = self._first or event
        self._events.append(event)
        return self._is_stopping

    def lost(self, reason: str) -> int:
        """Note that workers were lost; how often, since the run last got further than before."""
        self._losses_in_a_row += 1
        self._events.append(Restarted(reason=reason, attempt=self._losses_in_a_row))
        return self._losses_in_a_row

    def take(self) -> list[TrainingEvent]:
        """What was told since the last call."""
        taken, self._events = self._events, []
        return taken

    def resumed_from(self) -> int | None:
        """Step of the checkpoint that the first group of workers went on from; None where it began afresh."""
        return self._first.step if isinstance(self._first, Resumed) else None

    def stop(self) -> None:
        """Ask the run to stop; the first worker hears it with its next event."""
        self._is_stopping = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedLimits:
    """What a subject's limits were fitted on.

    Attributes:
        frames: Frames of its clip that were drawn.
        unseen: Those of them that nothing was learnt from.
        beyond: What is not good all the same, in words: the inspection would reject videos of the subject.
    """

    frames: int
    unseen: int
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """A finished run.

    Attributes:
        name: Name of the job.
        stage: What was trained: ``moda``, ``faco`` or ``renderer``.
        steps: Optimiser steps of the whole run.
        resumed_from: Step of the checkpoint that this start of the run went on from; None for a fresh one.
        first_score: Validation score before the first step.
        best_score: Lowest validation score, which chose the weights.
        best_step: Step of the chosen weights.
        weights: Path or ``s3://`` URI of the chosen weights.
        weights_sha256: Hash of them.
        checkpoints: Prefix of the run's keys in the store.
        logs: Folder with the TensorBoard events and the contact sheets.
        seconds: Wall clock of this start of the run.
        workers: Data-parallel workers.
        limits: Of the subject that received the weights; None where none did.
    """

    name: str
    stage: str
    steps: int
    resumed_from: int | None
    first_score: float
    best_score: float
    best_step: int
    weights: str
    weights_sha256: str
    checkpoints: str
    logs: str
    seconds: float
    workers: int
    limits: FittedLimits | None = None

    def as_record(self) -> dict[str, Any]:
        """The report as plain data for ``--json``."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}
