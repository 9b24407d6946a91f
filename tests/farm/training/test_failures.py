"""Who is to blame for a worker's error, and whether the step is taken again."""

from __future__ import annotations

import pickle

import pytest
from raising import RAISING

from farm.crashes import caught
from farm.training.failures import is_worth_retrying, training_error
from jobs.errors import (
    Cancelled,
    DataUnusable,
    DiskFull,
    FarmError,
    InfrastructureError,
    ReplicaLost,
    StoreError,
    StoreUnavailable,
    TrainingFailed,
    WeightsMismatch,
)
from stages.errors import SubjectError, WeightsError


@pytest.mark.parametrize(
    ("raised", "becomes", "is_retried"),
    [
        pytest.param(ValueError("bad shape"), TrainingFailed, False, id="a fault of the code"),
        pytest.param(
            SubjectError(code="subject_clip_too_short", what="too short"), DataUnusable, False, id="bad data"
        ),
        pytest.param(WeightsError(code="weights_sizes", what="no fit"), WeightsMismatch, False, id="weights"),
        pytest.param(
            RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer"),
            ReplicaLost,
            True,
            id="a peer died under gloo",
        ),
        pytest.param(
            RuntimeError("NCCL communicator was aborted on rank 0"),
            ReplicaLost,
            True,
            id="a peer died under nccl",
        ),
        pytest.param(RuntimeError("shapes differ"), TrainingFailed, False, id="torch refuses"),
        pytest.param(MemoryError(), InfrastructureError, True, id="no memory"),
        pytest.param(StoreError("denied"), StoreError, False, id="the store refuses"),
        pytest.param(
            StoreUnavailable("no route"), StoreUnavailable, False, id="the store was waited for already"
        ),
        pytest.param(DiskFull("full"), DiskFull, False, id="the disk is full"),
        pytest.param(Cancelled("stopped"), Cancelled, False, id="stopped"),
    ],
)
def test_errors_have_owners(raised: Exception, becomes: type[FarmError], is_retried: bool) -> None:
    error = training_error(raised)
    assert type(error) is becomes
    assert is_worth_retrying(error) is is_retried


def test_a_fault_of_the_code_is_told_with_its_cause_and_place() -> None:
    try:
        raise KeyError("mouth_mask")
    except KeyError as raised:
        error = training_error(raised)
    assert "KeyError" in error.message
    assert "mouth_mask" in error.message
    assert "test_failures.py:" in error.hint


def test_the_death_of_a_process_is_worth_another_attempt() -> None:
    # Ray Train tells it with errors of its own, which are none of ours.
    assert is_worth_retrying(RuntimeError("the actor died unexpectedly"))


@pytest.mark.parametrize("kind", RAISING)
def test_what_nobody_foresaw_in_a_worker_brings_its_traceback_along(kind: str) -> None:
    with caught() as outcome:
        RAISING[kind]()
    assert outcome.error is not None
    error = pickle.loads(pickle.dumps(training_error(outcome.error)))
    assert isinstance(error, InfrastructureError if kind == "MemoryError" else TrainingFailed)
    assert kind in error.traceback
    assert "\n" not in error.line()
    assert len(error.line()) < 700
