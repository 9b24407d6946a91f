"""What becomes of an error in a training worker, and whether another attempt could help.

A lost machine is charged to the infrastructure, and the run goes on from its last checkpoint. Bad data, a diverged loss
or a fault of the code would fail again at the same step: they end the run at once.
"""

from __future__ import annotations

import traceback
from typing import Final

from farm.crashes import said_by, text_of, traceback_of
from farm.translation import translate
from jobs.errors import (
    DataUnusable,
    FarmError,
    ReplicaLost,
    Retry,
    TrainingFailed,
)
from stages.errors import StageError, SubjectError

LARGEST_LOSSES_IN_A_ROW: Final = 3
"""Losses of workers without a step of progress between them, before the run is given up."""

# torch raises plain RuntimeErrors when a peer's process is gone; these words are in all of them.
_OF_THE_GROUP: Final = (
    "gloo",
    "nccl",
    "connection closed by peer",
    "connection reset by peer",
    "process group",
)


def training_error(error: Exception) -> FarmError:
    """The farm's error for anything that was raised in a worker."""
    if isinstance(error, SubjectError):
        return DataUnusable(error.what, where=error.where or "spec.clips", hint=error.hint, code=error.code)
    if isinstance(error, FarmError | StageError | MemoryError):
        return translate(error, where="training")
    message = said_by(error)
    if _is_of_the_group(error, message):
        return ReplicaLost(
            f"the workers lost each other: {message}",
            where="training",
            hint="another worker has died; see whether memory is short",
        )
    hint = f"raised at {_origin(error)}"
    return TrainingFailed(message, where="training", hint=hint, traceback=traceback_of(error))


def is_worth_retrying(error: Exception) -> bool:
    """Whether the same step may succeed in a new process: a machine failed, not the training.

    What does not answer for now was waited for already, where it was asked (`CheckpointStore`).
    """
    return not isinstance(error, FarmError) or error.retry is Retry.ELSEWHERE


def one_line(error: Exception) -> str:
    """The first line of an error that says something."""
    return text_of(error, first_line=True) or type(error).__name__


def _is_of_the_group(error: Exception, message: str) -> bool:
    module = type(error).__module__
    if module.startswith(("ray.", "torch.distributed", "torch._C._distributed")):
        return True
    return isinstance(error, RuntimeError) and any(word in message.lower() for word in _OF_THE_GROUP)


def _origin(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
