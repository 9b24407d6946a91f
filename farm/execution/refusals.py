"""What becomes of an exception in a replica: the error to report, and whether the replica itself is to be trusted.

A CUDA error is known by its class and its message: the farm does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from farm.crashes import text_of
from farm.execution.pools.messages import AnyTask, Refused, Task
from farm.translation import translate
from jobs.errors import FarmError, InfrastructureError, SegmentFailed, SegmentRejected
from jobs.farm_error import Retry, head_and_tail
from jobs.spec import InspectionPolicy

_LONGEST_MESSAGE = 4000

_OUT_OF_MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE
)
_BROKEN_MEMORY = re.compile(r"uncorrectable ECC|\bECC error", re.IGNORECASE)
# After one of these every later call to CUDA in the same process fails too.
_STICKY = re.compile(r"illegal memory access|device-side assert|unspecified launch failure", re.IGNORECASE)


def refusal(error: Exception, *, task: AnyTask, seconds: float) -> Refused:
    """The refusal for whatever a task raised.

    A replica is suspect when its memory may be damaged, or when its process holds memory that only its end frees.
    """
    where = str(task.unit)
    device_error = _device_error(error, where=where)
    ours = device_error or translate(error, where=where)
    ours.where = ours.where or where
    # What leaves a replica is small, whatever a stage says.
    ours.message = head_and_tail(ours.message, _LONGEST_MESSAGE)
    if isinstance(ours, SegmentRejected) and isinstance(task, Task):
        # Rendering is deterministic: only other memory, other weights in it, can give other pictures.
        may_retry = task.setup.inspection is InspectionPolicy.RETRY
        ours.retry = Retry.ELSEWHERE if may_retry else Retry.NEVER
        return Refused(key=task.key, error=ours, seconds=seconds, is_replica_suspect=may_retry)
    return Refused(key=task.key, error=ours, seconds=seconds, is_replica_suspect=device_error is not None)


def _device_error(error: Exception, *, where: str) -> FarmError | None:
    """The farm's error for one of CUDA; None for all others."""
    for cause in _causes(error):
        text = text_of(cause)
        first_line = text_of(cause, first_line=True) or type(cause).__name__
        if _is_out_of_memory(cause):
            return SegmentFailed(
                f"the GPU is out of memory: {first_line}",
                where=where,
                hint="fewer replicas on each GPU leave more memory to each",
                code="cuda_out_of_memory",
            )
        if _BROKEN_MEMORY.search(text):
            return InfrastructureError(
                f"the memory of the GPU is damaged: {first_line}",
                where=where,
                hint="take the GPU out of the farm and have it tested",
                code="gpu_failed",
            )
        if _STICKY.search(text):
            return SegmentFailed(
                f"the GPU failed: {first_line}",
                where=where,
                hint="if it is always the same GPU, have it tested",
                code="gpu_failed",
            )
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    names = {(kind.__module__.split(".")[0], kind.__name__) for kind in type(error).__mro__}
    return ("torch", "OutOfMemoryError") in names or bool(_OUT_OF_MEMORY.search(text_of(error)))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
