"""One suite for every kind of pool: what the coordinator relies on, wherever replicas live."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from driven_pools import DrivenPools, Tasks
from fake_stages import FakeStages, Fault

from farm.execution.pools.messages import Began, Finished, Gone, Joined, Refused, StoppedAsAsked, TakenBack
from farm.scheduling.units import RENDER_STAGES, Stage
from jobs.errors import Retry, SegmentFailed, SegmentRejected, SubjectRefused, WeightsMismatch
from jobs.spec import InspectionPolicy

pytestmark = pytest.mark.timeout(180)

StartPools = Callable[..., DrivenPools]

ON_RAY = pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.slow])
EVERYWHERE = pytest.mark.parametrize("start_pools", ["inline", ON_RAY], indirect=True)


@EVERYWHERE
def test_every_stage_works_for_whatever_comes_and_says_when_it_begins(
    start_pools: StartPools, tasks: Tasks
) -> None:
    pools = start_pools(every_stage=True)
    given = {
        Stage.MOTION: tasks.window(0),
        Stage.FACE: tasks.face(0),
        Stage.RENDER: tasks.segment(0),
    }
    for stage, task in given.items():
        pools.backend.submit(pools.replica(stage), task)
    for stage, task in given.items():
        assert isinstance(pools.end(task.key), Finished), stage
        assert isinstance(pools.told(task.key)[0], Began)
    assert sorted(joined.stage for joined in pools.of(Joined)) == sorted(RENDER_STAGES)
    assert [joined.replica for joined in pools.joined()] == ["render-1"]


@EVERYWHERE
def test_a_replica_works_in_the_order_in_which_it_is_asked(start_pools: StartPools, tasks: Tasks) -> None:
    pools = start_pools()
    order = [tasks.segment(index).key for index in (4, 2, 9)]
    for index in (4, 2, 9):
        pools.backend.submit(pools.replica(), tasks.segment(index))
    pools.end(order[-1])
    assert [began.key for began in pools.of(Began)] == order
    assert [finished.key for finished in pools.of(Finished)] == order


@EVERYWHERE
def test_a_subject_is_loaded_with_its_first_task_and_stays(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    for name in ("b", "c", "d"):
        stages.add_subject(name, shade=1.0)
    pools = start_pools(kept_subjects=2)
    for index, subject in enumerate(("fake", "b", "fake", "c", "fake", "b")):
        pools.backend.submit(pools.replica(), tasks.segment(index, subject=subject))
    pools.end(tasks.segment(5).key)
    # c took the place of b, which was used longer ago than fake.
    assert [finished.was_cold for finished in pools.of(Finished)] == [True, True, False, True, False, True]
    assert (stages.noted("closed-b"), stages.noted("closed-fake"), stages.noted("closed-c")) == (1, 0, 1)


@EVERYWHERE
def test_a_warm_replica_has_its_subject_before_it_joins(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    pools = start_pools(warm=tasks.setup())
    pools.joined()
    assert stages.noted("draws-fake") == 1
    pools.backend.submit(pools.replica(), tasks.segment(0))
    assert not pools.end(tasks.segment(0).key).was_cold
    assert stages.noted("draws-fake") == 1


@EVERYWHERE
@pytest.mark.parametrize("kept_subjects", [1, 3])
def test_what_a_replica_served_before_changes_no_byte(
    start_pools: StartPools, start_inline: StartPools, tasks: Tasks, stages: FakeStages, kept_subjects: int
) -> None:
    for shade, name in enumerate(("b", "c")):
        stages.add_subject(name, shade=3.0 + 2 * shade)
    subjects = ("fake", "b", "c")
    alone = {}
    for subject in subjects:
        pools = start_inline()
        task = tasks.segment(1, job=f"alone-{subject}", subject=subject)
        pools.backend.submit(pools.replica(), task)
        alone[subject] = pools.end(task.key).result.sha256
    assert len(set(alone.values())) == 3
    pools = start_pools(kept_subjects=kept_subjects)
    mixed = [
        tasks.segment(index, job=f"mixed-{job}-{subject}", subject=subject)
        for job in range(2)
        for index in (0, 1)
        for subject in subjects
    ]
    for task in mixed:
        pools.backend.submit(pools.replica(), task)
    for task in mixed:
        sha256 = pools.end(task.key).result.sha256
        if task.unit.index == 1:
            assert sha256 == alone[task.setup.subject.name], task.key


@EVERYWHERE
def test_a_subject_that_was_trained_anew_in_its_folder_is_loaded_anew(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    pools = start_pools()
    stages.add_subject("b", shade=1.0)
    before = tasks.segment(0, job="before", subject="b")
    pools.backend.submit(pools.replica(), before)
    first = pools.end(before.key)
    stages.add_subject("b", shade=25.0)
    after = tasks.segment(0, job="after", subject="b")
    pools.backend.submit(pools.replica(), after)
    second = pools.end(after.key)
    assert second.was_cold
    assert first.result.sha256 != second.result.sha256


@EVERYWHERE
def test_a_task_that_waits_is_taken_back_and_leaves_nothing(start_pools: StartPools, tasks: Tasks) -> None:
    pools = start_pools()
    first, second, third = (tasks.segment(index, frames=50) for index in range(3))
    for task in (first, second, third):
        pools.backend.submit(pools.replica(), task)
    pools.backend.recall(second.key)
    assert pools.end(second.key) == TakenBack(second.key)
    assert isinstance(pools.end(third.key), Finished)
    assert pools.told(second.key) == [TakenBack(second.key)], "it never began"
    assert tasks.committed(second) is None
    assert isinstance(pools.end(first.key), Finished)


@EVERYWHERE
def test_a_task_that_waits_is_stopped_before_it_begins(start_pools: StartPools, tasks: Tasks) -> None:
    pools = start_pools()
    first, second = tasks.segment(0, frames=50), tasks.segment(1)
    pools.backend.submit(pools.replica(), first)
    pools.backend.submit(pools.replica(), second)
    pools.backend.stop(second.key)
    assert pools.end(second.key) == StoppedAsAsked(second.key)
    assert isinstance(pools.end(first.key), Finished)
    assert tasks.committed(second) is None


@EVERYWHERE
def test_what_is_over_cannot_be_recalled_or_stopped(start_pools: StartPools, tasks: Tasks) -> None:
    pools = start_pools()
    task = tasks.segment(0)
    pools.backend.submit(pools.replica(), task)
    pools.end(task.key)
    pools.backend.recall(task.key)
    pools.backend.stop(task.key)
    pools.backend.recall("never heard of")
    pools.quiet(for_s=0.5)
    assert len(pools.ends(task.key)) == 1


@EVERYWHERE
def test_what_a_stage_raises_is_a_refusal_and_the_replica_goes_on(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    faulty = FakeStages.in_folder(stages.folder, faults=(Fault(stage="render", frame=10, kind="raise"),))
    pools = start_pools(made_of=faulty)
    pools.backend.submit(pools.replica(), tasks.segment(1))
    pools.backend.submit(pools.replica(), tasks.segment(2))
    refused = pools.end(tasks.segment(1).key)
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, SegmentFailed)
    assert (refused.error.retry, refused.is_replica_suspect) == (Retry.ELSEWHERE, False)
    assert isinstance(pools.end(tasks.segment(2).key), Finished)
    assert pools.of(Gone) == []


@EVERYWHERE
def test_a_subject_without_consent_is_refused_for_good(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    (stages.add_subject("b", shade=1.0) / "no-consent").touch()
    pools = start_pools(every_stage=True)
    pools.backend.submit(pools.replica(Stage.FACE), tasks.face(0, subject="b"))
    refused = pools.end(tasks.face(0).key)
    assert isinstance(refused.error, SubjectRefused)
    assert refused.error.retry is Retry.NEVER


@EVERYWHERE
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("black", "segment_rejected"),
        ("gpu-memory", "cuda_out_of_memory"),
        ("gpu-sticky", "gpu_failed"),
    ],
)
def test_a_suspect_replica_is_replaced_and_what_it_held_is_named(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages, kind: str, code: str
) -> None:
    faulty = FakeStages.in_folder(stages.folder, faults=(Fault(stage="render", frame=10, kind=kind),))
    pools = start_pools(made_of=faulty)
    suspect = pools.replica()
    for index in (1, 2, 3):
        pools.backend.submit(suspect, tasks.segment(index))
    refused = pools.end(tasks.segment(1).key)
    assert refused.error.code == code
    assert (refused.error.retry, refused.is_replica_suspect) == (Retry.ELSEWHERE, True)
    gone = pools.end(tasks.segment(2).key)
    assert isinstance(gone, Gone)
    assert gone.tasks == (tasks.segment(2).key, tasks.segment(3).key)
    assert (gone.replica, gone.explained) == (suspect, True)
    assert pools.joined(count=2)[-1].replica == "render-2"
    pools.backend.submit("render-2", tasks.segment(1))
    pools.until(lambda: [end for end in pools.of(Finished) if end.key == tasks.segment(1).key])


@EVERYWHERE
def test_a_task_for_a_replica_whose_end_was_told_gets_a_report_of_its_own(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    faulty = FakeStages.in_folder(stages.folder, faults=(Fault(stage="render", frame=10, kind="black"),))
    pools = start_pools(made_of=faulty)
    suspect = pools.replica()
    pools.backend.submit(suspect, tasks.segment(1))
    pools.until(lambda: pools.of(Gone))
    pools.backend.submit(suspect, tasks.segment(2))
    gone = pools.end(tasks.segment(2).key)
    assert (gone.replica, gone.tasks, gone.explained) == (suspect, (tasks.segment(2).key,), True)


@EVERYWHERE
def test_a_flawed_segment_of_a_job_that_wants_no_second_try_blames_no_replica(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    faulty = FakeStages.in_folder(stages.folder, faults=(Fault(stage="render", frame=10, kind="black"),))
    pools = start_pools(made_of=faulty)
    pools.backend.submit(pools.replica(), tasks.segment(1, inspection=InspectionPolicy.FAIL))
    refused = pools.end(tasks.segment(1).key)
    assert isinstance(refused.error, SegmentRejected)
    assert (refused.error.retry, refused.is_replica_suspect) == (Retry.NEVER, False)


@EVERYWHERE
def test_a_killed_replica_falls_silent_and_another_joins(start_pools: StartPools, tasks: Tasks) -> None:
    pools = start_pools()
    pools.backend.submit("render-1" if pools.joined() else "", tasks.segment(0))
    pools.backend.submit("render-1", tasks.segment(1))
    pools.backend.kill("render-1")
    pools.backend.submit("render-1", tasks.segment(2))
    assert pools.joined(count=2)[-1].replica == "render-2"
    for index in range(3):
        assert pools.told(tasks.segment(index).key) == []
    assert pools.of(Gone) == []
    pools.backend.submit("render-2", tasks.segment(0))
    assert isinstance(pools.end(tasks.segment(0).key), Finished)


@EVERYWHERE
def test_an_empty_replica_retires_silently_and_one_with_tasks_names_them(
    start_pools: StartPools, tasks: Tasks
) -> None:
    pools = start_pools()
    pools.backend.retire(pools.replica())
    assert pools.joined(count=2)[-1].replica == "render-2"
    assert pools.of(Gone) == []
    pools.backend.submit("render-2", tasks.segment(0))
    pools.backend.retire("render-2")
    gone = pools.end(tasks.segment(0).key)
    assert (gone.replica, gone.explained) == ("render-2", True)
    pools.joined(count=3)


@EVERYWHERE
def test_mistakes_of_the_caller_are_told_at_once(start_pools: StartPools, tasks: Tasks) -> None:
    pools = start_pools()
    replica = pools.replica()
    with pytest.raises(ValueError, match="there is no replica render-7"):
        pools.backend.submit("render-7", tasks.segment(0))
    pools.backend.submit(replica, tasks.segment(0))
    with pytest.raises(ValueError, match="is not over"):
        pools.backend.submit(replica, tasks.segment(0))


@EVERYWHERE
def test_weights_that_cannot_be_loaded_stop_warm_pools_with_their_own_error(
    start_pools: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    (stages.folder / "motion.weights").write_bytes(b"other")
    pools = start_pools(every_stage=True, warm=tasks.setup())
    with pytest.raises(WeightsMismatch, match=r"attention\.weight"):
        pools.quiet(for_s=30.0)


@EVERYWHERE
def test_closed_pools_are_silent_and_may_be_closed_again(start_pools: StartPools, tasks: Tasks) -> None:
    pools = start_pools()
    pools.backend.submit(pools.replica(), tasks.segment(0))
    pools.backend.close()
    pools.backend.close()
    assert list(pools.backend.wait(timeout_s=0.0)) == []
