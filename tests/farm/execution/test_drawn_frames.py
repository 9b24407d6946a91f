"""What a renderer replica sees, inspects and encodes: faces and their context, wanted frames, the profile's size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fake_stages import FACE_CONTEXT, FakeRenderer, FakeStages

from farm.execution.calls import ReplicaSetup, SegmentCall
from farm.execution.pools.messages import Finished, Refused, Task
from farm.execution.replica import Replica
from farm.scheduling.units import Stage, Unit
from jobs.errors import WeightsMismatch
from stages.encode.profile import profile_named
from stages.encode.reduction import reduced
from stages.encode.segment import encode_segment
from stages.inspection.checks import Inspected, Judgement, Range
from stages.payloads import MESH_POINTS, TORSO_POINTS, PosedFace

LEAD, FRAMES, FIRST = FACE_CONTEXT, 6, 50
GOOD = Judgement(check="black_frames", value=0, good=Range(at_most=0))


@dataclass(slots=True)
class Watched:
    """An inspection that keeps what it saw and finds nothing."""

    size: int = 0
    face: PosedFace | None = None
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    notice: str = ""

    def begin(self, face: PosedFace) -> Watched:
        self.face = face
        return self

    def watch(self, frames_HW3: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for frame_HW3 in frames_HW3:
            self.shapes.append(frame_HW3.shape)
            yield frame_HW3

    def judge(self, *, not_finite_frames: int) -> Inspected:
        return Inspected(sampled_frames=0, redetection=False, fitted_limits=False, judgements=(GOOD,))

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStages(FakeStages):
    seen: Watched

    def load_inspector(self, *, subject: Any, folder: Path, size: int) -> Any:
        self.seen.size = size
        return self.seen


@pytest.fixture
def face() -> PosedFace:
    mesh_TN3 = np.zeros((LEAD + FRAMES + 1, MESH_POINTS, 3), np.float32)
    mesh_TN3 += np.random.default_rng(5).normal(100, 10, (len(mesh_TN3), 1, 1)).astype(np.float32)
    return PosedFace(mesh_TN3=mesh_TN3, torso_TN3=np.zeros((len(mesh_TN3), TORSO_POINTS, 3), np.float32))


def perform(face: PosedFace, folder: Path, *, size: int, profile: str, seen: Watched) -> Finished | Refused:
    FakeStages.in_folder(folder)
    (folder / "subjects" / "fake" / "size").write_text(str(size))
    stages = WatchedStages(folder=folder, seen=seen)
    setup = ReplicaSetup(
        weights=stages.shared_weights(),
        subject=stages.builtin_subjects()["fake"],
        store=str(folder / "store"),
        profile=profile,
        fps=Fraction(25),
    )
    call = SegmentCall(
        face=face,
        lead=LEAD,
        index=1,
        first_frame=FIRST,
        frame_count=FRAMES,
        key="a/1.mp4",
        inspection_key="a/1.json",
    )
    replica = Replica(stage=Stage.RENDER, stages=stages)
    replica.set_up(gpus=())
    ended = replica.perform(Task(key="k", job="a", unit=Unit(1, 1, Stage.RENDER), setup=setup, call=call))
    assert isinstance(ended, (Finished, Refused))
    return ended


def drawn(face: PosedFace, folder: Path, *, size: int) -> list[np.ndarray]:
    renderer = FakeRenderer(stages=FakeStages(folder=folder), size=size)
    return list(renderer.render(face, first_frame=FIRST, lead=LEAD, frame_count=FRAMES))


@pytest.mark.parametrize(
    ("size", "profile"), [(256, "preview"), (512, "preview"), (512, "full"), (1024, "full")]
)
def test_the_wanted_frames_are_inspected_as_they_are_drawn_and_encoded_at_the_profiles_size(
    face: PosedFace, tmp_path: Path, size: int, profile: str
) -> None:
    seen = Watched()
    ended = perform(face, tmp_path, size=size, profile=profile, seen=seen)
    assert isinstance(ended, Finished)
    frames, settings = drawn(face, tmp_path, size=size), profile_named(profile)
    averaged = [
        frame.reshape(settings.size, size // settings.size, settings.size, -1, 3).mean(axis=(1, 3))
        for frame in frames
    ]
    given = list(reduced(frames, size=settings.size))
    assert max(np.abs(a - b).max() for a, b in zip(averaged, given, strict=True)) <= 0.5
    wanted = encode_segment(given, fps=Fraction(25), profile=settings)
    assert (tmp_path / "store" / "a" / "1.mp4").read_bytes() == wanted
    assert (ended.result.frame_count, ended.result.first_frame) == (FRAMES, FIRST)
    assert (seen.size, seen.shapes) == (size, [(size, size, 3)] * FRAMES)
    assert seen.face is not None
    assert np.array_equal(seen.face.mesh_TN3, face.mesh_TN3[LEAD : LEAD + FRAMES])


def test_pictures_of_the_wanted_size_are_not_touched() -> None:
    frame_HW3 = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert next(reduced([frame_HW3], size=64)) is frame_HW3
    (half_HW3,) = reduced([frame_HW3], size=32)
    assert np.array_equal(half_HW3, cv2.resize(frame_HW3, (32, 32), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(("size", "profile"), [(256, "full"), (384, "preview"), (128, "preview")])
def test_no_picture_is_made_larger_or_smaller_by_a_part_of_a_pixel(
    face: PosedFace, tmp_path: Path, size: int, profile: str
) -> None:
    ended = perform(face, tmp_path, size=size, profile=profile, seen=Watched())
    assert isinstance(ended, Refused)
    assert isinstance(ended.error, WeightsMismatch)
    assert f"{size} px" in ended.error.message
    assert not (tmp_path / "store" / "a").exists()
