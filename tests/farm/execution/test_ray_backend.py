"""Real Ray actors, real processes, real SIGKILLs; small stages. One cluster for the module."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Any

import fake_stages
import pytest
from fake_stages import FakeStages, Fault

from farm.config import PoolSizes
from farm.execution.backend import ExecutionBackend
from farm.execution.calls import ReplicaSetup
from farm.execution.opening import opened_ray
from infra.cluster import connected_cluster
from infra.hardware import Hardware
from infra.settings import FarmSettings
from jobs.errors import ReplicaLost, SegmentFailed, WeightsMismatch
from jobs.framerate import FRAME_RATE

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

NO_GPU = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected_cluster(logical_cpus=2, logical_gpus=2):
        # Imported here: Ray reads its environment, which the connection prepares, when it is imported.
        from ray import cloudpickle

        # The small stages are part of no installed package, so they travel to the replicas with their code.
        cloudpickle.register_pickle_by_value(fake_stages)
        yield
        cloudpickle.unregister_pickle_by_value(fake_stages)


def on_ray(
    settings: FarmSettings, stages: FakeStages, *, gpus: int = 0
) -> AbstractContextManager[ExecutionBackend]:
    """A backend that uses the two logical GPUs of the module's cluster, or leaves them alone."""
    if gpus:
        return opened_ray(settings=settings, hardware=NO_GPU, stages=stages)
    from farm.execution.ray_backend import RayBackend

    return closing(RayBackend(stages=stages, cores=2, gpus=0))


def setup_of(stages: FakeStages, settings: FarmSettings) -> ReplicaSetup:
    return ReplicaSetup(
        weights=stages.shared_weights(),
        subject=stages.builtin_subjects()["fake"],
        store=settings.store,
        profile="preview",
        fps=FRAME_RATE,
    )


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended; one that ended but is not reaped yet counts as gone."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_one_two_or_three_replicas_and_one_process_give_the_same_bytes(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech(seconds=13.0)
    stages = FakeStages.in_folder(tmp_path / "stages")
    hashes = {}
    for replicas in (0, 1, 2, 3):
        settings = FarmSettings(store=str(tmp_path / f"store-{replicas}"), cache=tmp_path / "cache")
        backend = {"open_backend": partial(on_ray, settings, stages)} if replicas else {}
        pools = PoolSizes(render=max(replicas, 1), motion=2 if replicas == 3 else 1)
        hashes[replicas] = render(make_job(), settings=settings, pools=pools, **backend).takes[0].sha256
    assert len(set(hashes.values())) == 1, hashes


def test_replicas_killed_in_every_stage_are_replaced_and_change_no_byte(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech(seconds=13.0)
    calm = render(make_job(), settings=FarmSettings(store=str(tmp_path / "calm"), cache=tmp_path / "cache"))
    faults = (
        Fault(stage="motion", frame=150, kind="kill"),
        Fault(stage="face", frame=25, kind="kill"),
        Fault(stage="render", frame=100, kind="kill", times=2),
    )
    stages = FakeStages.in_folder(tmp_path / "deadly", faults=faults)
    settings = FarmSettings(store=str(tmp_path / "shaken"), cache=tmp_path / "cache")
    shaken = render(
        make_job(), settings=settings, stages=stages, open_backend=partial(on_ray, settings, stages)
    )
    assert shaken.takes[0].sha256 == calm.takes[0].sha256
    assert stages.noted("fault-kill") >= 4
    assert stages.noted("load-renderer") == 2 + 2


def test_a_replica_whose_segment_is_rejected_is_replaced_before_the_segment_is_rendered_again(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech(seconds=5.0)
    calm = render(make_job(), settings=FarmSettings(store=str(tmp_path / "calm"), cache=tmp_path / "cache"))
    faults = (Fault(stage="render", frame=50, kind="black"),)
    stages = FakeStages.in_folder(tmp_path / "flawed", faults=faults)
    settings = FarmSettings(store=str(tmp_path / "shaken"), cache=tmp_path / "cache")
    shaken = render(
        make_job(),
        settings=settings,
        stages=stages,
        # Of two, the other one might be done with the segment before the new one has loaded.
        pools=PoolSizes(render=1),
        open_backend=partial(on_ray, settings, stages),
    )
    assert shaken.takes[0].sha256 == calm.takes[0].sha256
    assert shaken.inspection == calm.inspection
    assert stages.noted("load-renderer") == 1 + 1


@pytest.mark.chaos
def test_a_segment_that_kills_every_replica_fails_the_job_and_is_named(
    write_speech: Any, make_job: Any, render: Any, settings: FarmSettings, tmp_path: Path
) -> None:
    write_speech()
    stages = FakeStages.in_folder(
        tmp_path / "poison", faults=(Fault(stage="render", frame=50, kind="kill", times=99),)
    )
    with pytest.raises(SegmentFailed) as caught:
        render(make_job(), stages=stages, open_backend=partial(on_ray, settings, stages))
    assert caught.value.where == "take 1, segment 1 (render)"
    assert not (tmp_path / "out").exists()


def test_each_replica_is_pinned_to_one_of_two_gpus_and_is_gone_after_closing(
    stages: FakeStages, settings: FarmSettings
) -> None:
    with on_ray(settings, stages, gpus=2) as backend:
        facts = backend.start(setup_of(stages, settings), pools=PoolSizes(render=2))
        backend.close()
    assert [fact.device for fact in facts] == ["cuda"] * 4
    assert sorted(fact.gpus for fact in facts) == [("0",), ("0",), ("1",), ("1",)]
    pids = {fact.pid for fact in facts}
    assert len(pids) == 4
    assert os.getpid() not in pids
    deadline = time.monotonic() + 20
    while any(lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(lives(pid) for pid in pids)
    assert stages.noted("load-renderer-cuda") == 2


def test_a_replica_without_a_gpu_works_on_the_cpu(stages: FakeStages, settings: FarmSettings) -> None:
    with on_ray(settings, stages) as backend:
        facts = backend.start(setup_of(stages, settings), pools=PoolSizes(render=1))
    assert {fact.device for fact in facts} == {"cpu"}
    assert {fact.gpus for fact in facts} == {()}


def test_weights_that_a_replica_refuses_stop_the_start_with_their_own_error(
    stages: FakeStages, settings: FarmSettings
) -> None:
    (stages.folder / "motion.weights").write_bytes(b"other")
    with on_ray(settings, stages) as backend, pytest.raises(WeightsMismatch, match=r"attention\.weight"):
        backend.start(setup_of(stages, settings), pools=PoolSizes())


class StillbornStages(FakeStages):
    """Stages whose renderer takes its process down while it loads."""

    def load_renderer(self, *, subject: Any, device: str) -> Any:
        os._exit(1)


def test_replicas_that_die_while_loading_are_not_replaced_for_ever(
    settings: FarmSettings, tmp_path: Path
) -> None:
    stages = StillbornStages(folder=FakeStages.in_folder(tmp_path / "stillborn").folder)
    with on_ray(settings, stages) as backend, pytest.raises(ReplicaLost, match="3 replicas in a row"):
        backend.start(setup_of(stages, settings), pools=PoolSizes(render=1))
