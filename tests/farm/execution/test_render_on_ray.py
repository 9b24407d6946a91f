"""Whole jobs on real Ray actors, with real SIGKILLs; small stages. One cluster for the module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Any

import fake_stages
import pytest
from fake_stages import FACE_CONTEXT, FakeStages, Fault

from farm.config import PoolSizes
from farm.execution.pools.backend import PoolBackend
from infra.cluster import connected_cluster
from infra.settings import FarmSettings
from jobs.errors import SegmentFailed

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected_cluster(logical_cpus=2):
        # Imported here: Ray reads its environment, which the connection prepares, when it is imported.
        from ray import cloudpickle

        # The small stages are part of no installed package, so they travel to the replicas with their code.
        cloudpickle.register_pickle_by_value(fake_stages)
        yield
        cloudpickle.unregister_pickle_by_value(fake_stages)


def on_ray(stages: FakeStages) -> AbstractContextManager[PoolBackend]:
    """Pools on the module's cluster."""
    from farm.execution.pools.ray_pools import RayPools

    return closing(RayPools(stages=stages, cores=2, gpus=0))


@pytest.mark.slow
def test_one_two_or_three_replicas_and_one_process_give_the_same_bytes(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech(seconds=13.0)
    stages = FakeStages.in_folder(tmp_path / "stages")
    hashes = {}
    for replicas in (0, 1, 2, 3):
        settings = FarmSettings(store=str(tmp_path / f"store-{replicas}"), cache=tmp_path / "cache")
        backend = {"open_backend": partial(on_ray, stages)} if replicas else {}
        pools = PoolSizes(render=max(replicas, 1), motion=2 if replicas == 3 else 1)
        hashes[replicas] = render(make_job(), settings=settings, pools=pools, **backend).takes[0].sha256
    assert len(set(hashes.values())) == 1, hashes


@pytest.mark.chaos
def test_replicas_killed_in_every_stage_are_replaced_and_change_no_byte(
    write_speech: Any, make_job: Any, render: Any, tmp_path: Path
) -> None:
    write_speech(seconds=13.0)
    calm = render(make_job(), settings=FarmSettings(store=str(tmp_path / "calm"), cache=tmp_path / "cache"))
    faults = (
        Fault(stage="motion", frame=150, kind="kill"),
        Fault(stage="face", frame=25 + FACE_CONTEXT, kind="kill"),
        Fault(stage="render", frame=100, kind="kill", times=2),
    )
    stages = FakeStages.in_folder(tmp_path / "deadly", faults=faults)
    settings = FarmSettings(store=str(tmp_path / "shaken"), cache=tmp_path / "cache")
    shaken = render(make_job(), settings=settings, stages=stages, open_backend=partial(on_ray, stages))
    assert shaken.takes[0].sha256 == calm.takes[0].sha256
    assert stages.noted("fault-kill") >= 4
    # The job may be done on the other replica before the last one that was started has loaded.
    assert stages.noted("load-renderer") in {2 + 1, 2 + 2}


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
        open_backend=partial(on_ray, stages),
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
        render(make_job(), stages=stages, open_backend=partial(on_ray, stages))
    assert caught.value.where == "take 1, segment 1 (render)"
    assert not (tmp_path / "out").exists()
