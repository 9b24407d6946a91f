"""A training run without Ray Train: one worker, in the process that watches."""

from __future__ import annotations

from farm.training.failures import training_error
from farm.training.loop import Outcome
from farm.training.progress import Resumed, TrainingEvent, TrainingListener
from farm.training.worker import WorkerSetup, run_worker
from jobs.errors import InternalError


class LoneWorker:
    """A `WorkerGroup` of one, which tells its listener directly."""

    rank = 0
    count = 1

    def __init__(self, listener: TrainingListener) -> None:
        """Args: listener: told of what happens; where it raises `Cancelled`, the run saves its step and ends."""
        self._listener = listener
        self.resumed_from: int | None = None

    def wait(self) -> None:
        """Nobody else has to come."""

    def from_first(self, value: int | None) -> int | None:
        """The value itself."""
        return value

    def tell(self, event: TrainingEvent) -> None:
        """Call the listener. Raises as it does."""
        if isinstance(event, Resumed):
            self.resumed_from = event.step
        event.tell(self._listener)


def train_here(setup: WorkerSetup, *, device: str, listener: TrainingListener) -> tuple[Outcome, int | None]:
    """Run the one worker to its last step.

    Args:
        setup: What to train, and where the run is kept.
        device: Where it computes.
        listener: See `LoneWorker`.

    Returns:
        How it ended, and the step of the checkpoint that it went on from.

    Raises:
        FarmError: The run ended early; it goes on from its last checkpoint when it is started again.
    """
    group = LoneWorker(listener)
    try:
        outcome = run_worker(setup, group=group, device=device)
    except Exception as error:
        raise training_error(error) from error
    if outcome is None:
        raise InternalError("a training of one worker ended without an outcome", where="training")
    return outcome, group.resumed_from
