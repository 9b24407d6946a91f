"""What a train job asks for is what gets built, down to the header of the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from noisy_clip import noisy_clip

from stages.errors import SubjectError, WeightsError
from stages.training.build import TrainingRequest, build_trainer
from stages.training.motion_config import MotionTraining
from stages.training.trainer import Workers
from stages.weights_header import read_header

ALONE = Workers()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_clip(tmp_path_factory.mktemp("jane"))


def renderer(prepared: Path) -> TrainingRequest:
    return TrainingRequest(stage="renderer", renderer="paper", clips=(prepared,), steps=1, batch_size=1)


def test_a_renderer_names_its_subject_and_switches_in_its_weights(prepared: Path, tmp_path: Path):
    request = replace(renderer(prepared), temporal_encoding=False, composed_face=False)
    trainer = build_trainer(request, workers=ALONE, device="cpu")
    trainer.export(tmp_path / "weights.safetensors")
    header = read_header(tmp_path / "weights.safetensors")
    assert header.sizes["temporal_encoding"] is False
    assert header.facts == {"trained_frames:jane": 102, "composed_face": False, "steps": 0}


def test_a_renderer_goes_on_from_the_weights_it_starts_with(prepared: Path, tmp_path: Path):
    first = build_trainer(replace(renderer(prepared), seed=1), workers=ALONE, device="cpu")
    first.export(tmp_path / "base.safetensors")
    request = replace(renderer(prepared), seed=2, start_from=tmp_path / "base.safetensors")
    second = build_trainer(request, workers=ALONE, device="cpu")
    ours, theirs = first.state()["generator"], second.state()["generator"]
    for name, tensor in theirs.items():
        np.testing.assert_allclose(tensor.float().numpy(), ours[name].float().numpy(), atol=1e-3)


def test_weights_of_another_stage_are_no_start(prepared: Path, tmp_path: Path):
    build_trainer(renderer(prepared), workers=ALONE, device="cpu").export(tmp_path / "base.safetensors")
    request = TrainingRequest(stage="faco", clips=(prepared,), start_from=tmp_path / "base.safetensors")
    with pytest.raises(WeightsError, match="architecture is 'renderer', expected 'faco'"):
        build_trainer(request, workers=ALONE, device="cpu")


def test_the_paper_trains_for_its_epochs(prepared: Path):
    request = TrainingRequest(stage="faco", clips=(prepared,), preset="paper")
    assert build_trainer(request, workers=ALONE, device="cpu").steps == 300 * 102 // 32
    assert build_trainer(replace(request, steps=7), workers=ALONE, device="cpu").steps == 7


def test_a_folder_without_a_prepared_clip_is_named(tmp_path: Path):
    with pytest.raises(SubjectError) as caught:
        build_trainer(TrainingRequest(stage="faco", clips=(tmp_path,)), workers=ALONE, device="cpu")
    assert (caught.value.code, caught.value.where) == ("clip_not_prepared", str(tmp_path))


def test_two_clips_of_one_subject_are_refused_not_dropped(prepared: Path):
    with pytest.raises(SubjectError) as caught:
        build_trainer(replace(renderer(prepared), clips=(prepared, prepared)), workers=ALONE, device="cpu")
    assert (caught.value.code, caught.value.where) == ("clip_same_subject", "jane")


def test_a_composer_learns_from_a_prepared_clip(prepared: Path):
    trainer = build_trainer(
        TrainingRequest(stage="faco", clips=(prepared,), batch_size=8), workers=ALONE, device="cpu"
    )
    before = trainer.validate().score
    for _ in range(40):
        trainer.train_step()
    assert trainer.validate().score < 0.9 * before


def test_our_own_recipe_changes_nothing_of_the_papers():
    paper, ours = (MotionTraining.preset(preset, speech_width=8) for preset in ("paper", "cpu"))
    assert (paper.ema_decay, paper.feature_noise, paper.warm_up, paper.epochs) == (0.995, 0.0, 0, 200)
    assert (paper.network.band, paper.weights.lips) == (0, 0.0)
    assert ours.weights.lips > 0
