from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from average_actor import average_subject, average_template

from stages.errors import WeightsError
from stages.geometry.canonical import pose
from stages.payloads import PosedFace
from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_stage import RendererStage
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

CONFIG = GeneratorConfig(levels=5, width=4)
FRAMES = 7


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that make lively pictures of 64 px."""
    torch.manual_seed(0)
    generator = Generator(CONFIG)
    for weight in generator.parameters():
        torch.nn.init.normal_(weight, 0, 0.2)
    path = tmp_path_factory.mktemp("renderer") / "renderer.safetensors"
    save_weights(path, generator, header())
    return path


def header(**changed: object) -> WeightsHeader:
    fields = {
        "architecture": "renderer",
        "sizes": asdict(CONFIG),
        "encoder": "",
        "fps": 25,
        "training_data": "",
        "facts": {"trained_frames:average": 100},
    }
    return WeightsHeader(**{**fields, **changed})


@pytest.fixture(scope="module")
def stage(weights: Path) -> RendererStage:
    return RendererStage.load(subject=average_subject(renderer_weights=weights), device="cpu")


@pytest.fixture(scope="module")
def face() -> PosedFace:
    template = average_template()
    head_T7 = np.tile(template.head_7, (FRAMES, 1))
    head_T7[:, 0] += np.arange(FRAMES)
    return PosedFace(
        mesh_TN3=pose(np.tile(template.mesh_N3, (FRAMES, 1, 1)), head_T7),
        torso_TN3=np.tile(template.torso_N3, (FRAMES, 1, 1)),
    )


def part_of(face: PosedFace, start: int, stop: int) -> PosedFace:
    return PosedFace(mesh_TN3=face.mesh_TN3[start:stop], torso_TN3=face.torso_TN3[start:stop])


def test_there_is_one_picture_a_frame(stage: RendererStage, face: PosedFace):
    frames = list(stage.render(face, first_frame=0))
    assert len(frames) == FRAMES
    assert stage.size == 64
    for frame_HW3 in frames:
        assert frame_HW3.shape == (64, 64, 3)
        assert frame_HW3.dtype == np.uint8
        assert frame_HW3.flags["C_CONTIGUOUS"]
        assert frame_HW3.std() > 5
    assert not np.array_equal(frames[0], frames[-1])


@pytest.mark.parametrize("split", [1, 3, 6])
def test_a_frame_has_the_same_bytes_wherever_its_segment_starts(
    stage: RendererStage, face: PosedFace, split: int
):
    whole = list(stage.render(face, first_frame=40))
    parts = [
        *stage.render(part_of(face, 0, split), first_frame=40),
        *stage.render(part_of(face, split, FRAMES), first_frame=40 + split),
    ]
    np.testing.assert_array_equal(np.stack(parts), np.stack(whole))


def test_beyond_the_trained_range_time_runs_back(stage: RendererStage, face: PosedFace):
    one = part_of(face, 0, 1)
    (there,), (back,) = stage.render(one, first_frame=90), stage.render(one, first_frame=108)
    np.testing.assert_array_equal(there, back)


def test_time_is_seen_by_the_generator(stage: RendererStage, face: PosedFace):
    one = part_of(face, 0, 1)
    (early,), (late,) = stage.render(one, first_frame=0), stage.render(one, first_frame=99)
    assert not np.array_equal(early, late)


def test_no_frames_are_no_pictures(stage: RendererStage, face: PosedFace):
    assert list(stage.render(part_of(face, 0, 0), first_frame=0)) == []


def test_a_subject_the_renderer_never_saw_is_refused(weights: Path):
    with pytest.raises(WeightsError, match="average") as caught:
        RendererStage.load(subject=average_subject(name="nobody", renderer_weights=weights), device="cpu")
    assert (caught.value.code, caught.value.where) == ("weights_mismatch", "nobody")


@pytest.mark.parametrize("changed", [{"architecture": "faco"}, {"fps": 30}, {"sizes": {"depth": 3}}])
def test_weights_of_another_network_are_refused(tmp_path: Path, changed: dict[str, object]):
    path = tmp_path / "renderer.safetensors"
    save_weights(path, Generator(CONFIG), header(**changed))
    with pytest.raises(WeightsError) as caught:
        RendererStage.load(subject=average_subject(renderer_weights=path), device="cpu")
    assert caught.value.code == "weights_mismatch"
