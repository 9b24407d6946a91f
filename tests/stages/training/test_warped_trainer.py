from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_weights import save_drawn_weights
from made_library import person_mask, talking, with_mouth
from posed_actor import PosedActor
from prepared_clip import clip_tracks

from stages.builtin import builtin_subject
from stages.errors import SubjectError, WeightsError
from stages.files import is_plain_file
from stages.render.renderer_facts import Architecture, RendererFacts
from stages.render.renderer_loading import load_renderer
from stages.render.repair_config import RepairConfig
from stages.subject.frames import FRAMES_FILE, write_frames
from stages.subject.library_file import LIBRARY_FILE, read_library
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training import warped_trainer as trainer_module
from stages.training.build import TrainingRequest, build_trainer
from stages.training.renderer_trainer import RendererTrainer
from stages.training.split import HELD_OUT_SHARE
from stages.training.trainer import Workers
from stages.training.warped_config import WarpedTraining
from stages.training.warped_data import WarpedClip, WarpedSampler
from stages.training.warped_trainer import WarpedTrainer, computes_half_precision
from stages.warp.candidates import CandidateMaker
from stages.warp.references import FrameReferences

FRAMES = 40
CONFIG = WarpedTraining(steps=6, apart=4, learning_rate=2e-3, network=RepairConfig(width=4, depth=1))


class Standing:
    """A segmenter for whom everybody stands where the actor does."""

    def __init__(self, mask: np.ndarray) -> None:
        self._mask = mask.astype(np.float32) / 255

    def __enter__(self) -> Standing:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def mask(self, frame_HW3: np.ndarray) -> np.ndarray:
        return self._mask


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared clip of an actor who talks, with the library that training made of it."""
    actor, home = PosedActor.of(), tmp_path_factory.mktemp("clip")
    face = talking(actor, FRAMES)
    opening_T = 12 - 12 * np.cos(np.arange(FRAMES) * 0.45)
    replace(
        clip_tracks(FRAMES, reference_frame=3),
        canonical_TN3=np.stack([with_mouth(actor.canonical_N3, opening) for opening in opening_T]),
        head_T7=actor.heads(FRAMES),
        torso_TN3=face.torso_TN3,
    ).save(home)
    pictures = []
    for t in range(FRAMES):
        points_P2 = actor.control.points(
            mesh_N3=face.mesh_TN3[t], head_7=actor.heads(FRAMES)[t], torso_18x3=face.torso_TN3[t]
        )
        raster = actor.control.raster(points_P2, depth_N=face.mesh_TN3[t, :, 2])
        pictures.append(
            raster.field_from(actor.points()).move(actor.reference_HW3, interpolation=cv2.INTER_LINEAR)
        )
    write_frames(home / FRAMES_FILE, pictures)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "stages.subject.library_of_clip.PersonSegmenter", lambda: Standing(person_mask(actor.mesh()))
        )
        WarpedClip(home, config=CONFIG)
    return home


@pytest.fixture(scope="module")
def clip(folder: Path) -> WarpedClip:
    return WarpedClip(folder, config=CONFIG)


def trainer(clip: WarpedClip, **options: object) -> WarpedTrainer:
    try:
        return WarpedTrainer(CONFIG, {"nobody": clip}, workers=Workers(), device="cpu", **options)
    except WeightsError as error:
        if error.code != "weights_asset_missing":
            raise
        pytest.skip(f"{error.where}: {error.what}")


def test_a_clip_without_a_library_gets_one_and_keeps_it(folder: Path, clip: WarpedClip):
    template = Template.from_clips([ClipTracks.load(folder)], share=1 - HELD_OUT_SHARE)
    stored = read_library(folder / LIBRARY_FILE, template=template)
    assert set(stored.frames_R.tolist()) <= set(range(34))
    assert np.array_equal(stored.plate.picture_SS3, clip.plate_SS3)


def test_no_frame_is_learnt_from_itself_or_its_neighbours(
    folder: Path, clip: WarpedClip, monkeypatch: pytest.MonkeyPatch
):
    template = Template.from_clips([ClipTracks.load(folder)], share=1 - HELD_OUT_SHARE)
    frames_R = read_library(folder / LIBRARY_FILE, template=template).frames_R
    taken: list[FrameReferences] = []
    monkeypatch.setattr(CandidateMaker, "make", lambda _, *, references, **__: taken.append(references))
    for frame in range(34):
        clip.candidates(frame)
    for frame, lent in enumerate(taken):
        mixed = [*lent.head.references, *lent.mouth.references, *lent.eyes.references]
        assert min(abs(int(frames_R[each]) - frame) for each in mixed) >= CONFIG.apart


def test_what_chooses_is_not_learnt_and_what_is_held_out_does_neither(clip: WarpedClip):
    assert clip.learnt() == list(range(31))
    assert set(clip.choosing(count=12)) == {31, 32, 33}


def test_a_batch_is_drawn_from_its_number_and_from_what_training_may_see(
    clip: WarpedClip, monkeypatch: pytest.MonkeyPatch
):
    sampler = WarpedSampler([clip], config=replace(CONFIG, batch_size=2))
    one, again = (sampler.draw(5, workers=Workers()) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(one.inputs, again.inputs, strict=True))
    assert one.head_B3SS.shape == (2, 3, 512, 512)
    halves = [sampler.draw(5, workers=Workers(rank=rank, count=2)) for rank in range(2)]
    joined = torch.cat([half.mouth_B3SS for half in halves])
    assert sorted(float(each.sum()) for each in joined) == sorted(
        float(each.sum()) for each in one.mouth_B3SS
    )
    drawn: list[int] = []
    plain = clip.candidates

    def noted(frame: int) -> object:
        drawn.append(frame)
        return plain(frame)

    monkeypatch.setattr(clip, "candidates", noted)
    for step in range(12):
        sampler.draw(step, workers=Workers())
    assert len(set(drawn)) > 10
    assert max(drawn) < 31


def test_it_learns(clip: WarpedClip):
    learner = trainer(clip)
    # The clip is made by the warp: without a fault there would be nothing to learn.
    for network in (learner.network, learner.average):
        network.head.bias.data[:12] += 0.3
    before = learner.validate().losses
    totals = []
    while learner.step < CONFIG.steps:
        terms = learner.train_step()
        assert terms.keys() == {"colour", "mouth", "perceptual", "detail", "total"}
        totals.append(terms["total"])
    after = learner.validate()
    assert after.losses["loss"] < before["loss"]
    assert after.score == after.losses["loss"]
    assert after.sheet_HW3.shape == (1024, 6 * 512, 3)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(clip: WarpedClip):
    unbroken, stopped = trainer(clip), trainer(clip)
    for _ in range(2):
        unbroken.train_step()
    stopped.train_step()
    resumed = trainer(clip)
    resumed.restore(copy.deepcopy(stopped.state()))
    resumed.train_step()
    assert resumed.step == 2
    for name in ("network", "average"):
        ours, theirs = getattr(unbroken, name).state_dict(), getattr(resumed, name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_what_is_exported_draws(clip: WarpedClip, folder: Path, tmp_path: Path):
    path, learner = tmp_path / "renderer.safetensors", trainer(clip)
    learner.train_step()
    learner.export(path)
    subject = replace(
        SubjectPackage.load(builtin_subject("actor-a")),
        name="nobody",
        template=Template.from_clips([ClipTracks.load(folder)], share=1 - HELD_OUT_SHARE),
        renderer_weights=path,
        library=folder / LIBRARY_FILE,
    )
    facts = RendererFacts.of(subject)
    assert (facts.architecture, facts.trained_frames) == (Architecture.WARPED, 34)
    face = talking(PosedActor.of(), 1)
    (picture,) = load_renderer(subject=subject, device="cpu").render(face, first_frame=0)
    assert picture.shape == (512, 512, 3)
    assert trainer(clip, start_from=path).step == 0


def test_it_is_built_on_request(folder: Path):
    request = TrainingRequest(stage="renderer", clips=(folder,), renderer="warped", steps=3, seed=5)
    built = build_trainer(request, workers=Workers(), device="cpu")
    assert isinstance(built, WarpedTrainer)
    assert (built.steps, built.config.seed, list(built.clips)) == (3, 5, ["nobody"])
    with pytest.raises(SubjectError) as caught:
        build_trainer(replace(request, clips=(folder, folder)), workers=Workers(), device="cpu")
    assert (caught.value.code, caught.value.where) == ("clip_same_subject", "nobody")


def test_which_renderer_is_trained_is_said_or_follows_from_what_is_asked_for(
    clip: WarpedClip, folder: Path, tmp_path: Path
):
    warped = tmp_path / "warped.safetensors"
    paper = save_drawn_weights(tmp_path / "paper.safetensors", subject="jane", levels=7)
    trainer(clip).export(warped)
    request = TrainingRequest(stage="renderer", clips=(folder,), steps=1)
    for asked, expected in (
        ({}, WarpedTrainer),
        ({"start_from": warped}, WarpedTrainer),
        ({"start_from": paper}, RendererTrainer),
        ({"losses": "paper"}, RendererTrainer),
        ({"temporal_encoding": False}, RendererTrainer),
        ({"renderer": "paper"}, RendererTrainer),
    ):
        built = build_trainer(replace(request, **asked), workers=Workers(), device="cpu")
        assert type(built) is expected, asked
    for asked in (
        {"start_from": warped, "renderer": "paper"},
        {"start_from": warped, "composed_face": False},
        {"start_from": paper, "renderer": "warped"},
    ):
        with pytest.raises(WeightsError) as caught:
            build_trainer(replace(request, **asked), workers=Workers(), device="cpu")
        assert (caught.value.code, caught.value.where) == ("weights_mismatch", str(asked["start_from"]))
        assert "spec.renderer" in caught.value.hint


def test_weights_of_the_papers_renderer_are_no_beginning(clip: WarpedClip, tmp_path: Path):
    drawn = save_drawn_weights(tmp_path / "paper.safetensors", subject="jane")
    with pytest.raises(WeightsError) as caught:
        trainer(clip, start_from=drawn)
    assert caught.value.code == "weights_mismatch"


def test_a_library_of_another_preparation_is_refused(folder: Path, tmp_path: Path):
    for name in (FRAMES_FILE, LIBRARY_FILE, "clip.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    tracks = ClipTracks.load(folder)
    replace(tracks, torso_TN3=tracks.torso_TN3 + np.float32(2)).save(tmp_path)
    with pytest.raises(SubjectError) as caught:
        WarpedClip(tmp_path, config=CONFIG)
    assert caught.value.code == "library_mismatch"


@pytest.mark.parametrize(
    ("flags", "has_it"),
    [("sse avx512f avx512_bf16", True), ("amx_bf16", True), ("sse avx2", False), (None, False)],
)
def test_half_precision_is_used_where_the_processor_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, has_it: bool
):
    path = tmp_path / "cpuinfo"
    if flags is not None:
        path.write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr(trainer_module, "_PROCESSOR", path)
    assert is_plain_file(path) == (flags is not None)
    assert computes_half_precision() is has_it
