"""A replica works in the form that a task wants, and not for a plan of another kind of processor."""

from __future__ import annotations

from dataclasses import replace

import pytest
from driven_pools import Tasks
from fake_stages import FakeStages

from farm.execution.pools.messages import Finished, Refused, Task
from farm.execution.replica import Replica
from farm.scheduling.units import Stage
from jobs.errors import FormUnavailable
from jobs.farm_error import Retry
from jobs.forms import NetworkForm


def with_setup(task: Task, **changed: str) -> Task:
    return replace(task, setup=replace(task.setup, **changed))


@pytest.fixture
def replica(stages: FakeStages) -> Replica:
    made = Replica(stage=Stage.RENDER, stages=stages)
    made.set_up(gpus=())
    return made


def test_a_replica_loads_a_subject_anew_for_each_form(
    replica: Replica, stages: FakeStages, tasks: Tasks
) -> None:
    for index, form in enumerate((NetworkForm.EXACT, NetworkForm.BF16, NetworkForm.EXACT)):
        assert isinstance(replica.perform(with_setup(tasks.segment(index), form=form)), Finished)
    assert [stages.noted(f"form-{form}") for form in ("exact", "bf16")] == [1, 1]


def test_a_segment_planned_for_another_kind_is_refused_and_can_be_rendered_elsewhere(
    replica: Replica, stages: FakeStages, tasks: Tasks
) -> None:
    (stages.folder / "kind").write_text("cpu x86_64 avx2")
    fits = with_setup(tasks.segment(0), device_kind="cpu x86_64 avx2")
    other = with_setup(tasks.segment(1), device_kind="cpu x86_64 avx512 bf16 vnni")
    # Also where the subject is loaded already.
    assert isinstance(replica.perform(fits), Finished)
    ended = replica.perform(other)
    assert isinstance(ended, Refused)
    assert isinstance(ended.error, FormUnavailable)
    assert (ended.error.code, ended.error.retry) == ("device_kind_mismatch", Retry.ELSEWHERE)
    assert "avx2" in ended.error.message
    assert not ended.is_replica_suspect
