"""What the training loop asks of the workers it runs in: a rank, a barrier, and a line to the driver."""

from __future__ import annotations

from typing import Protocol

from farm.training.progress import TrainingEvent, TrainingListener


class WorkerGroup(Protocol):
    """The data-parallel workers of a run, as one of them sees them."""

    @property
    def rank(self) -> int:
        """Number of this worker, from 0; the first one measures and writes for all."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def wait(self) -> None:
        """Return when every worker has come here."""
        ...

    def from_first(self, value: int | None) -> int | None:
        """The first worker's value, on every worker; waits for all of them."""
        ...

    def tell(self, event: TrainingEvent) -> None:
        """Pass an event to the driver.

        Raises:
            Cancelled: The driver asks the run to stop.
        """
        ...


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
