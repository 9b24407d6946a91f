from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_weights import save_drawn_weights
from made_library import made_references, talking, template_of
from posed_actor import PosedActor

from stages.builtin import builtin_subject
from stages.errors import SubjectError, WeightsError
from stages.payloads import PosedFace
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_facts import Architecture, RendererFacts, why_no_background
from stages.render.renderer_loading import load_renderer
from stages.render.renderer_stage import RendererStage
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.render.warped_stage import WarpedStage
from stages.subject.library_file import LIBRARY_FILE, write_library
from stages.subject.package import SubjectPackage
from stages.warp.reach import CONTEXT_FRAMES
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

CONFIG = RepairConfig(width=4, depth=1)
FRAMES = 26


@pytest.fixture(scope="module")
def actor() -> PosedActor:
    return PosedActor.of()


@pytest.fixture(scope="module")
def face(actor: PosedActor) -> PosedFace:
    return talking(actor, FRAMES)


@pytest.fixture(scope="module")
def untrained(actor: PosedActor, tmp_path_factory: pytest.TempPathFactory) -> SubjectPackage:
    path = tmp_path_factory.mktemp("package") / LIBRARY_FILE
    write_library(path, made_references(actor), template=template_of(actor))
    subject = SubjectPackage.load(builtin_subject("actor-a"))
    return replace(subject, template=template_of(actor), renderer_weights=None, library=path)


@pytest.fixture(scope="module")
def trained(untrained: SubjectPackage, tmp_path_factory: pytest.TempPathFactory) -> SubjectPackage:
    """With weights that change every picture."""
    path = tmp_path_factory.mktemp("weights") / "renderer.safetensors"
    torch.manual_seed(3)
    network = RepairNetwork(CONFIG)
    torch.nn.init.normal_(network.head.weight, 0, 0.05)
    save_weights(path, network, header(untrained.name))
    return replace(untrained, renderer_weights=path)


def header(name: str, **changed: object) -> WeightsHeader:
    fields = {
        "architecture": "warped",
        "sizes": asdict(CONFIG),
        "encoder": "",
        "fps": 25,
        "training_data": "",
        "facts": {f"trained_frames:{name}": 100},
    }
    return WeightsHeader(**{**fields, **changed})


def part_of(face: PosedFace, start: int, stop: int) -> PosedFace:
    return PosedFace(mesh_TN3=face.mesh_TN3[start:stop], torso_TN3=face.torso_TN3[start:stop])


def in_segments(stage: WarpedStage, face: PosedFace, cuts: tuple[int, ...]) -> np.ndarray:
    frames = []
    for start, stop in itertools.pairwise((0, *cuts, FRAMES)):
        low, high = max(0, start - CONTEXT_FRAMES), min(FRAMES, stop + CONTEXT_FRAMES)
        frames += stage.render(
            part_of(face, low, high), first_frame=start, lead=start - low, frame_count=stop - start
        )
    return np.stack(frames)


def test_without_weights_the_warp_speaks(untrained: SubjectPackage, face: PosedFace):
    stage = load_renderer(subject=untrained, device="cpu")
    assert isinstance(stage, WarpedStage)
    assert RendererFacts.of(untrained) == RendererFacts(
        architecture=Architecture.WARPED, size=512, trained_frames=0
    )
    assert RendererFacts.of(untrained).context_frames == CONTEXT_FRAMES
    frames = list(stage.render(face, first_frame=0))
    assert (stage.size, len(frames), stage.not_finite_frames) == (512, FRAMES, 0)
    assert all(frame.shape == (512, 512, 3) and frame.flags["C_CONTIGUOUS"] for frame in frames)
    # The head moves, the background does not.
    assert not np.array_equal(frames[0], frames[9])
    assert np.array_equal(frames[0][:8, :40], frames[9][:8, :40])


@pytest.mark.parametrize("cuts", [(15,), (1, 2, 25), (7, 14)])
def test_a_take_has_the_same_bytes_however_it_is_cut(
    trained: SubjectPackage, face: PosedFace, cuts: tuple[int, ...]
):
    stage = load_renderer(subject=trained, device="cpu")
    whole = np.stack(list(stage.render(face, first_frame=0)))
    assert np.array_equal(in_segments(stage, face, cuts), whole)


def test_time_plays_no_part(trained: SubjectPackage, face: PosedFace):
    stage, one = load_renderer(subject=trained, device="cpu"), part_of(face, 3, 4)
    (early,), (late,) = stage.render(one, first_frame=0), stage.render(one, first_frame=999)
    assert np.array_equal(early, late)


def test_a_network_changes_what_the_warp_shows(
    untrained: SubjectPackage, trained: SubjectPackage, face: PosedFace
):
    one = part_of(face, 0, 1)
    pictures = [
        next(iter(load_renderer(subject=subject, device="cpu").render(one, first_frame=0)))
        for subject in (untrained, trained)
    ]
    assert not np.array_equal(*pictures)


def test_batches_are_filled_up(trained: SubjectPackage, face: PosedFace, monkeypatch: pytest.MonkeyPatch):
    one = list(load_renderer(subject=trained, device="cpu").render(part_of(face, 0, 5), first_frame=0))
    monkeypatch.setattr("stages.render.exact_repair._BATCH", {"cpu": 4})
    several = list(load_renderer(subject=trained, device="cpu").render(part_of(face, 0, 5), first_frame=0))
    assert len(several) == 5
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(one, several, strict=True)) <= 1


def test_numbers_that_are_none_are_counted(untrained: SubjectPackage, face: PosedFace, tmp_path: Path):
    network = RepairNetwork(CONFIG)
    with torch.no_grad():
        network.head.bias[:] = 60_000.0
        network.stem.weight[:] = 60_000.0
        network.down[0].weight[:] = 60_000.0
        for block in (*network.encode, *network.decode):
            for weight in block.parameters():
                weight[:] = 60_000.0
    save_weights(tmp_path / "renderer.safetensors", network, header(untrained.name))
    stage = load_renderer(
        subject=replace(untrained, renderer_weights=tmp_path / "renderer.safetensors"), device="cpu"
    )
    list(stage.render(part_of(face, 0, 3), first_frame=0))
    assert stage.not_finite_frames == 3


def test_no_frames_are_no_pictures(untrained: SubjectPackage, face: PosedFace):
    stage = load_renderer(subject=untrained, device="cpu")
    assert list(stage.render(part_of(face, 0, 0), first_frame=0)) == []


def test_the_header_of_the_weights_chooses(trained: SubjectPackage, tmp_path: Path):
    assert isinstance(load_renderer(subject=trained, device="cpu"), WarpedStage)
    weights = save_drawn_weights(tmp_path / "drawn.safetensors", subject=trained.name)
    drawn = replace(trained, renderer_weights=weights)
    assert isinstance(load_renderer(subject=drawn, device="cpu"), RendererStage)
    assert RendererFacts.of(drawn).architecture is Architecture.DRAWN


def test_weights_that_repair_need_references(trained: SubjectPackage):
    with pytest.raises(SubjectError) as caught:
        load_renderer(subject=replace(trained, library=None), device="cpu")
    assert (caught.value.code, caught.value.where) == ("library_missing", trained.name)


def test_weights_of_another_subject_are_refused(trained: SubjectPackage):
    with pytest.raises(WeightsError) as caught:
        load_renderer(subject=replace(trained, name="nobody"), device="cpu")
    assert (caught.value.code, caught.value.where) == ("weights_mismatch", "nobody")


@pytest.mark.parametrize(
    "changed", [{"fps": 30}, {"sizes": asdict(GeneratorConfig())}, {"sizes": {"width": 0}}, {"sizes": {}}]
)
def test_weights_of_another_network_are_refused(
    trained: SubjectPackage, tmp_path: Path, changed: dict[str, object]
):
    path = tmp_path / "renderer.safetensors"
    save_weights(path, RepairNetwork(CONFIG), header(trained.name, **changed))
    with pytest.raises(WeightsError) as caught:
        load_renderer(subject=replace(trained, renderer_weights=path), device="cpu")
    assert caught.value.code == "weights_mismatch"


@pytest.mark.parametrize("kind", ["untrained", "trained"])
def test_before_another_background_each_picture_comes_as_drawn_and_changed(
    request: pytest.FixtureRequest, face: PosedFace, kind: str
):
    subject: SubjectPackage = request.getfixturevalue(kind)
    assert why_no_background(subject) == ""
    stage = WarpedStage.load(subject=subject, device="cpu")
    span = {"first_frame": 0, "lead": 3, "frame_count": 5}
    drawn = np.stack(list(stage.render(face, **span)))
    twice = list(stage.render_before(face, background="#00b140", **span))
    np.testing.assert_array_equal(np.stack([first for first, _ in twice]), drawn)
    changed = np.stack([second for _, second in twice])
    is_green_TSS = (changed == (0, 177, 64)).all(axis=-1)
    assert 0.1 < is_green_TSS.mean() < 0.9
    kept_TSS = (changed == drawn).all(axis=-1)
    assert kept_TSS.mean() > 0.1, "inside, the person is as they were drawn"


def test_what_was_not_cut_out_cannot_be_shown_before_another_background(
    actor: PosedActor, untrained: SubjectPackage, tmp_path: Path
):
    moving = made_references(actor)
    path = tmp_path / LIBRARY_FILE
    plate = replace(moving.plate, restless=0.9)
    write_library(path, replace(moving, plate=plate), template=untrained.template)
    assert "moved" in why_no_background(replace(untrained, library=path))
    assert "whole picture" in why_no_background(replace(untrained, library=None))
