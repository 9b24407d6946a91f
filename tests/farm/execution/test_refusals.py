"""What becomes of an exception in a replica."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.execution.calls import ReplicaSetup, SegmentCall
from farm.execution.pools.messages import Refused, Task
from farm.execution.refusals import refusal
from farm.execution.stages import SharedWeights
from farm.scheduling.units import Stage, Unit
from jobs.errors import InfrastructureError, SegmentFailed, SegmentRejected, StoreError, StoreUnavailable
from jobs.farm_error import Retry
from jobs.framerate import FRAME_RATE
from jobs.spec import InspectionPolicy
from stages.errors import StageError, WeightsError


def refused(error: Exception, *, inspection: InspectionPolicy = InspectionPolicy.RETRY) -> Refused:
    setup = ReplicaSetup(
        weights=SharedWeights(motion=Path("m"), composer=Path("c")),
        subject=Path("s"),
        store="store",
        profile="preview",
        fps=FRAME_RATE,
        inspection=inspection,
    )
    unit = Unit(take=2, index=7, stage=Stage.RENDER)
    call = SegmentCall(  # type: ignore[arg-type]
        face=None, lead=0, index=7, first_frame=350, frame_count=50, key="k", inspection_key="i"
    )
    return refusal(error, task=Task(key="t", job="j", unit=unit, setup=setup, call=call), seconds=1.5)


class OutOfMemoryError(RuntimeError):
    """Named and placed as torch's own."""


OutOfMemoryError.__module__ = "torch"


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("it says nothing that we know"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_full_gpu_is_named_tried_again_and_emptied(error: Exception) -> None:
    found = refused(error)
    assert isinstance(found.error, SegmentFailed)
    assert found.error.code == "cuda_out_of_memory"
    assert found.error.where == "take 2, segment 7 (render)"
    assert (found.error.retry, found.is_replica_suspect) == (Retry.ELSEWHERE, True)


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: device-side assert triggered\nCUDA kernel errors might be reported at some other call",
        "CUDA error: unspecified launch failure",
    ],
)
def test_a_gpu_that_failed_once_fails_for_ever_in_that_process(message: str) -> None:
    found = refused(RuntimeError(message))
    assert isinstance(found.error, SegmentFailed)
    assert found.error.code == "gpu_failed"
    assert message.splitlines()[0] in found.error.message
    assert (found.error.retry, found.is_replica_suspect) == (Retry.ELSEWHERE, True)


def test_damaged_memory_is_never_charged_to_the_job() -> None:
    found = refused(RuntimeError("CUDA error: uncorrectable ECC error encountered"))
    assert isinstance(found.error, InfrastructureError)
    assert found.is_replica_suspect


def test_an_error_of_the_gpu_is_found_below_the_one_of_the_stage() -> None:
    stage_error = StageError(code="render.failed", what="it cannot be drawn")
    stage_error.__cause__ = RuntimeError("CUDA error: an illegal memory access was encountered")
    assert refused(stage_error).is_replica_suspect


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (RuntimeError("the record of this insect specimen"), Retry.ELSEWHERE),
        (MemoryError(), Retry.ELSEWHERE),
        (StoreUnavailable("it does not answer"), Retry.LATER),
        (StoreError("it refuses"), Retry.NEVER),
        (WeightsError(code="weights_keys", what="lacks attention.weight"), Retry.NEVER),
    ],
)
def test_any_other_error_blames_no_replica(error: Exception, retry: Retry) -> None:
    found = refused(error)
    assert (found.error.retry, found.is_replica_suspect) == (retry, False)
    assert found.seconds == 1.5


@pytest.mark.parametrize("inspection", [InspectionPolicy.RETRY, InspectionPolicy.FAIL])
def test_a_rejected_segment_is_drawn_again_elsewhere_if_the_job_wants_it(
    inspection: InspectionPolicy,
) -> None:
    found = refused(SegmentRejected("it is black"), inspection=inspection)
    wants_retry = inspection is InspectionPolicy.RETRY
    assert (found.error.retry, found.is_replica_suspect) == (
        Retry.ELSEWHERE if wants_retry else Retry.NEVER,
        wants_retry,
    )
