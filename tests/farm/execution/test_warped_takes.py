"""A subject of warped references through the real stages: however a take is cut, and by whom, it looks the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import noted_stages
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_library import write_package
from noted_stages import NotedStages

from farm.config import PoolSizes
from farm.execution.pools.backend import PoolBackend
from farm.execution.stages import FaceComposer, RealStages
from infra.cluster import connected_cluster
from infra.hardware import kind_computing
from infra.settings import FarmSettings
from jobs.framerate import Span
from stages.geometry.canonical import straightened
from stages.moda.merge import merge_windows
from stages.payloads import SAMPLES_PER_FRAME, Motion, PosedFace
from stages.render.warped_stage import WarpedStage
from stages.speech.context import speech_slice
from stages.subject.library_file import read_library
from stages.subject.package import LIBRARY_FILE, SubjectPackage
from stages.warp.library import ReferenceLibrary
from stages.warp.references import FrameReferences, choose_references

WINDOW, STRIDE = 60, 30
FRAMES = 100
SECONDS = FRAMES / 25


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_package(tmp_path_factory.mktemp("subjects") / "zoe")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Take:
    """The motion of a take, and what makes faces and pictures of it."""

    subject: SubjectPackage
    windows: dict[int, Motion]
    composer: FaceComposer
    library: ReferenceLibrary
    renderer: WarpedStage

    def piece(self, start: int, stop: int) -> tuple[PosedFace, list[FrameReferences], np.ndarray]:
        """Faces and references of some frames, and the pictures of the first and the last of them."""
        context, whole = RealStages().context_frames(self.subject), Span(start=0, stop=FRAMES)
        faces = Span(start=start, stop=stop).widened(context.faces, within=whole)
        motion = faces.widened(context.motion, within=whole)
        face = self.composer.compose(
            merge_windows(self.windows, start=motion.start, stop=motion.stop),
            lead=faces.start - motion.start,
            frame_count=len(faces),
            subject=self.subject,
            head=1.0,
            blink=1.0,
            torso=1.0,
        )
        canonical_TN3, head_T7 = straightened(face.mesh_TN3, template_N3=self.subject.template.mesh_N3)
        references = choose_references(self.library, canonical_TN3=canonical_TN3, head_T7=head_T7)
        wanted = slice(start - faces.start, stop - faces.start)
        pictures = [
            next(self.renderer.draw(face, head_T7=head_T7, references=references, frames=range(t, t + 1)))
            for t in (wanted.start, wanted.stop - 1)
        ]
        return face.slice(wanted.start, wanted.stop), references[wanted], np.stack(pictures)


@pytest.fixture(scope="module")
def take(package: Path) -> Take:
    stages = RealStages()
    subject, weights = SubjectPackage.load(package), stages.shared_weights()
    motion = stages.load_motion(weights=weights.motion, device="cpu")
    time_S = np.arange(FRAMES * SAMPLES_PER_FRAME) / 16_000
    speech_S = (0.2 * np.sin(2 * np.pi * 150 * time_S) * np.sin(2 * np.pi * 2 * time_S)).astype(np.float32)
    windows = {
        first: motion.predict_window(
            speech_slice(speech_S, first_frame=first, frame_count=min(WINDOW, FRAMES - first)),
            first_frame=first,
            frame_count=min(WINDOW, FRAMES - first),
            subject=subject,
            seed=7,
            take=1,
        )
        for first in range(0, FRAMES - STRIDE, STRIDE)
    }
    return Take(
        subject=subject,
        windows=windows,
        composer=stages.load_composer(weights=weights.composer, device="cpu"),
        library=read_library(package / LIBRARY_FILE, template=subject.template).opened(),
        renderer=WarpedStage.load(subject=subject, device="cpu"),
    )


@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(1, FRAMES - 1), min_size=1, max_size=4, unique=True))
def test_any_cut_of_a_take_gives_the_same_faces_references_and_pictures(take: Take, cuts: list[int]) -> None:
    face, references, _ = take.piece(0, FRAMES)
    for start, stop in itertools.pairwise([0, *sorted(cuts), FRAMES]):
        part, chosen, pictures = take.piece(start, stop)
        assert part.sha256 == face.slice(start, stop).sha256
        assert chosen == references[start:stop]
        assert np.array_equal(pictures[0], take.piece(start, FRAMES)[2][0])
        assert np.array_equal(pictures[1], take.piece(0, stop)[2][1])


@pytest.fixture
def render_cut(
    package: Path,
    write_speech: Any,
    make_job: Any,
    render: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[str, dict[int, str]]]:
    """render_cut(name, segment=..., pools=..., deadly_frame=..., backend=...): hashes of master and pictures."""
    write_speech(seconds=SECONDS)

    def run(
        name: str,
        *,
        segment: int,
        pools: PoolSizes | None = None,
        deadly_frame: int = -1,
        backend: Callable[[NotedStages], AbstractContextManager[PoolBackend]] | None = None,
    ) -> tuple[str, dict[int, str]]:
        monkeypatch.setattr("jobs.plan.WINDOW_FRAMES", WINDOW)
        monkeypatch.setattr("jobs.plan.WINDOW_STRIDE", STRIDE)
        monkeypatch.setattr("jobs.plan.SEGMENT_FRAMES", segment)
        notes = tmp_path / f"notes-{name}"
        notes.mkdir()
        stages = NotedStages(notes=notes, deadly_frame=deadly_frame)
        changes: dict[str, Any] = {} if backend is None else {"open_backend": partial(backend, stages)}
        report = render(
            make_job(subject=str(package), inspection={"policy": "warn"}),
            stages=stages,
            pools=pools or PoolSizes(),
            settings=FarmSettings(store=str(tmp_path / name), cache=tmp_path / "cache", ray_auth="disabled"),
            # The networks are real, and so is what they compute on.
            device_kind=kind_computing("cpu"),
            **changes,
        )
        return report.takes[0].sha256, stages.pictures()

    return run


@pytest.mark.slow
def test_segments_of_any_length_and_any_number_of_replicas_draw_the_same_pictures(render_cut: Any) -> None:
    _, whole = render_cut("whole", segment=FRAMES)
    assert sorted(whole) == list(range(FRAMES))
    for name, segment, pools in (
        ("fifty", 50, PoolSizes(render=2)),
        ("nine", 9, PoolSizes(render=3, motion=2)),
    ):
        _, pictures = render_cut(name, segment=segment, pools=pools)
        assert pictures == whole, name


@contextmanager
def on_ray(stages: NotedStages) -> Iterator[PoolBackend]:
    with connected_cluster(logical_cpus=2):
        # Imported here: Ray reads its environment, which the connection prepares, when it is imported.
        from ray import cloudpickle

        from farm.execution.pools.ray_pools import RayPools

        cloudpickle.register_pickle_by_value(noted_stages)
        try:
            with closing(RayPools(stages=stages, cores=2, gpus=0)) as pools:
                yield pools
        finally:
            cloudpickle.unregister_pickle_by_value(noted_stages)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_one_two_or_three_replicas_and_one_that_is_killed_give_one_master(
    render_cut: Any, tmp_path: Path
) -> None:
    alone = render_cut("alone", segment=50)
    for replicas in (1, 2, 3):
        pools = PoolSizes(render=replicas)
        assert render_cut(f"ray-{replicas}", segment=50, pools=pools, backend=on_ray) == alone, replicas
    killed = render_cut("killed", segment=50, pools=PoolSizes(render=2), deadly_frame=50, backend=on_ray)
    assert killed == alone
    assert (tmp_path / "notes-killed" / "killed").exists(), "a replica died"
