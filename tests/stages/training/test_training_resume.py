"""A training run that was stopped and went on ends with the same weights as one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from average_actor import average_template

from stages.errors import WeightsError
from stages.faco.network import FacoConfig
from stages.geometry.canonical import pose
from stages.moda.network import ModaConfig
from stages.render.condition import ConditionPainter
from stages.render.discriminator import DiscriminatorConfig
from stages.render.generator import GeneratorConfig
from stages.training.loop import Trainer, run
from stages.training.motion_data import MotionClip, MotionSampler
from stages.training.renderer_data import RendererClip, RendererSampler
from stages.training.train_composer import ComposerTrainer, ComposerTraining
from stages.training.train_motion import MotionTrainer, MotionTraining
from stages.training.train_renderer import RendererTrainer, RendererTraining

FRAMES, STEPS, SIZE = 20, 4, 32


def a_motion_clip(seed: int) -> MotionClip:
    random = np.random.default_rng(seed)
    return MotionClip(
        speaker=f"speaker {seed}",
        features_TD=random.normal(size=(FRAMES, 6)).astype(np.float32),
        rows_TC=random.normal(size=(FRAMES, 361)).astype(np.float32),
        mesh_TN3=random.normal(size=(FRAMES, 478, 3)).astype(np.float32),
        template=average_template(),
        torso_moves=bool(seed % 2),
    )


def motion_trainer() -> MotionTrainer:
    network = ModaConfig(speech_width=6, width=16, latent=8, layers=1, heads=2, mode="cvae", dropout=0.2)
    config = MotionTraining(steps=STEPS, lengths=(8, 12), frames_a_batch=24, warm_up=2, network=network)
    sampler = MotionSampler(
        [a_motion_clip(0), a_motion_clip(1)], lengths=config.lengths, frames_a_batch=24, seed=0
    )
    return MotionTrainer(config, sampler, torch.full((361,), 2.0), device="cpu")


def composer_trainer() -> ComposerTrainer:
    network = FacoConfig(encoder_width=8, subject_width=8, decoder_width=8)
    config = ComposerTraining(steps=STEPS, batch_size=4, network=network)
    return ComposerTrainer(config, [a_motion_clip(0), a_motion_clip(1)], device="cpu")


def a_renderer_clip() -> RendererClip:
    """A clip as `RendererClip` holds it, without a video to read."""
    random, template = np.random.default_rng(0), average_template()
    head_T7 = np.tile(template.head_7, (FRAMES, 1))
    head_T7[:, 0] += np.arange(FRAMES)
    clip = RendererClip.__new__(RendererClip)
    clip.size, clip.speaker = SIZE, "average"
    clip.canonical_TN3 = np.tile(template.mesh_N3, (FRAMES, 1, 1))
    clip.mesh_TN3 = pose(clip.canonical_TN3, head_T7)
    clip.torso_TN3 = np.tile(template.torso_N3, (FRAMES, 1, 1))
    clip.frames_THW3 = random.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    clip.trained_frames, clip.reference_frame = 17, 3
    clip._painter = ConditionPainter(SIZE)
    return clip


def renderer_trainer() -> RendererTrainer:
    config = RendererTraining(
        steps=STEPS,
        adversarial_from=1,
        batch_size=2,
        face_crop=32,
        generator=GeneratorConfig(levels=4, width=4),
        discriminator=DiscriminatorConfig(scales=2, layers=2, width=4),
    )
    sampler = RendererSampler({"average": a_renderer_clip()}, {"average": 1.0}, crop=32, seed=0)
    try:
        return RendererTrainer(config, sampler, device="cpu")
    except WeightsError as error:
        pytest.skip(f"{error.where}: {error.what}")


def tensors(state: Any, path: str = "") -> dict[str, Any]:
    """A copy of every leaf of a nested state, by its path."""
    if isinstance(state, dict | list):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        return {key: leaf for name, part in pairs for key, leaf in tensors(part, f"{path}/{name}").items()}
    return {path: state.clone() if isinstance(state, torch.Tensor) else state}


@pytest.mark.parametrize("make", [motion_trainer, composer_trainer, renderer_trainer])
@pytest.mark.parametrize("stopped_at", [1, 3])
def test_a_resumed_run_ends_where_the_unbroken_one_does(
    tmp_path: Path, make: Callable[[], Trainer], stopped_at: int
):
    unbroken = make()
    run(unbroken, steps=STEPS, checkpoint=tmp_path / "unbroken.pt")
    run(make(), steps=stopped_at, checkpoint=tmp_path / "broken.pt")
    torch.rand(7)  # Whatever else draws random numbers in between must not matter.
    resumed = make()
    run(resumed, steps=STEPS, checkpoint=tmp_path / "broken.pt")
    first, second = tensors(unbroken.state()), tensors(resumed.state())
    assert first.keys() == second.keys()
    different = [
        name
        for name, leaf in first.items()
        if not (torch.equal(leaf, second[name]) if isinstance(leaf, torch.Tensor) else leaf == second[name])
    ]
    assert different == []


@pytest.mark.parametrize("make", [motion_trainer, composer_trainer, renderer_trainer])
def test_training_changes_the_network_and_drags_its_average_along(make: Callable[[], Trainer]):
    trainer = make()
    before = tensors(trainer.state())
    losses = trainer.train_step()
    after = tensors(trainer.state())
    assert trainer.step == 1
    assert all(np.isfinite(value) for value in losses.values())
    for part in ("generator" if "generator" in trainer.state() else "network", "average"):
        weights = [name for name in before if name.startswith(f"/{part}/")]
        assert any(not torch.equal(before[name], after[name]) for name in weights)
