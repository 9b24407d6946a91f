"""A segment that a farm gave up, and bundles of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_stages import FACE_CONTEXT, FakeStages

from farm.execution.calls import ReplicaSetup, SegmentCall
from farm.execution.pools.messages import Task
from farm.replay.bundle import Failure
from farm.replay.writing import write_bundle
from farm.scheduling.units import Stage, Unit
from jobs.errors import SegmentFailed
from jobs.spec import InspectionPolicy
from stages.payloads import MESH_POINTS, TORSO_POINTS, PosedFace

FIRST_FRAME, FRAME_COUNT = 150, 12
LEAD, FACE_FRAMES = FACE_CONTEXT, FACE_CONTEXT + FRAME_COUNT + 1
TRIPPED = SegmentFailed("the render stage tripped")

WriteBundle = Callable[..., Path]


@pytest.fixture
def segment_task(tmp_path: Path, stages: FakeStages) -> Task:
    rng = np.random.default_rng(3)
    face = PosedFace(
        mesh_TN3=rng.normal(256, 50, (FACE_FRAMES, MESH_POINTS, 3)).astype(np.float32),
        torso_TN3=rng.normal(256, 50, (FACE_FRAMES, TORSO_POINTS, 3)).astype(np.float32),
    )
    setup = ReplicaSetup(
        weights=stages.shared_weights(),
        subject=stages.builtin_subjects()["fake"],
        store=str(tmp_path / "farm-store"),
        profile="preview",
        fps=Fraction(25),
        inspection=InspectionPolicy.RETRY,
    )
    call = SegmentCall(
        face=face,
        lead=LEAD,
        index=3,
        first_frame=FIRST_FRAME,
        frame_count=FRAME_COUNT,
        key="renders/tests/hello/abc/take-01/segment-00003.mp4",
        inspection_key="renders/tests/hello/abc/take-01/segment-00003.inspection.json",
    )
    return Task(key="k", job="hello-7", unit=Unit(1, 3, Stage.RENDER), setup=setup, call=call)


@pytest.fixture
def bundle(tmp_path: Path, segment_task: Task) -> WriteBundle:
    """Writes a bundle of the segment; keywords replace arguments of `write_bundle`."""

    def write(**changes: Any) -> Path:
        arguments: dict[str, Any] = {
            "task": segment_task,
            "failure": Failure.of(TRIPPED),
            "engine_version": "0.1.0+abc",
            "device_kind": "cpu test",
        } | changes
        return write_bundle(tmp_path / "bundles" / "hello-7.3", **arguments)

    return write
