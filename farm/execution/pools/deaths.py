"""What Ray raises in place of an answer when a replica is gone, and what each says about the cause."""

from __future__ import annotations

from typing import Final

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfDiskError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RaySystemError,
    RuntimeEnvSetupError,
    WorkerCrashedError,
)

KNOWN_DEATHS: Final[tuple[type[RayError], ...]] = (
    ActorDiedError,
    ActorUnavailableError,  # perhaps only out of reach: it is ended all the same, so that nobody waits for it
    WorkerCrashedError,
    OutOfMemoryError,
    NodeDiedError,
    LocalRayletDiedError,
    ObjectLostError,  # the task was done, and its result lost with a node
    OutOfDiskError,
    RaySystemError,
    RuntimeEnvSetupError,
)
"""They share no base but the one of all errors of Ray, some of which are no deaths. Any other is met as a death too:
a replica that answers with it is of no use."""

_EXPLAINED: Final = (
    NodeDiedError,
    LocalRayletDiedError,
    ObjectLostError,
    OutOfDiskError,
    RuntimeEnvSetupError,
)

_LONGEST_REASON = 240


def is_explained(error: RayError) -> bool:
    """Whether the error itself says that no task is to blame."""
    if isinstance(error, RayActorError) and error.preempted:
        return True
    return isinstance(error, _EXPLAINED) or "its node has died" in str(error)


def reason_of_death(error: RayError) -> str:
    """The one line of Ray's explanation that says something, cut where it goes on about common causes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if "creation task" in lines[0]:
        # An actor that could not be made at all ends in the traceback of its process.
        telling = lines[-1]
    else:
        telling = next(
            (line for line in lines if line.startswith("The actor ") and "unexpectedly" not in line), lines[0]
        )
    telling = telling.split(" Some common causes")[0]
    return telling if len(telling) <= _LONGEST_REASON else f"{telling[: _LONGEST_REASON - 3]}..."
