"""A training run that was stopped and went on ends with the same weights as one that was not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from average_actor import average_template
from torch.multiprocessing import spawn

from stages.errors import WeightsError
from stages.faco.network import FacoConfig
from stages.geometry.canonical import pose
from stages.geometry.landmarks import EYES
from stages.moda.network import ModaConfig
from stages.render.condition import ConditionPainter
from stages.render.discriminator import DiscriminatorConfig
from stages.render.generator_config import GeneratorConfig
from stages.training.checkpoint import checkpoint_bytes, checkpoint_state
from stages.training.composer_trainer import ComposerTrainer, ComposerTraining
from stages.training.motion_config import MotionTraining
from stages.training.motion_data import MotionClip
from stages.training.motion_trainer import MotionTrainer
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import RendererClip
from stages.training.renderer_losses import LossWeights
from stages.training.renderer_trainer import RendererTrainer
from stages.training.trainer import Trainer, Workers
from stages.weights import load_weights
from stages.weights_header import read_header

FRAMES, STEPS, SIZE = 200, 4, 32
ALONE = Workers()
OUR_LOSSES = LossWeights(detail=1.0)


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


def a_blinking_clip(seed: int) -> MotionClip:
    """A clip in which the lids close once, as training learns blinks from its clips."""
    clip = a_motion_clip(seed)
    shut_TN3 = np.zeros_like(clip.mesh_TN3)
    closing = np.exp(-0.5 * ((np.arange(FRAMES) - 60) / 1.5) ** 2)
    eyes = (clip.template.mesh_N3[EYES] - clip.template.mesh_N3[EYES].mean(axis=0)) * [0.0, 1.0, 0.0]
    shut_TN3[:, EYES] = -closing[:, None, None] * eyes
    return replace(clip, mesh_TN3=shut_TN3.astype(np.float32))


def motion_trainer(workers: Workers = ALONE) -> MotionTrainer:
    network = ModaConfig(speech_width=6, width=16, latent=8, layers=1, heads=2, mode="cvae", dropout=0.2)
    config = MotionTraining(steps=STEPS, lengths=(8, 12), frames_a_batch=24, warm_up=2, network=network)
    clips = [a_blinking_clip(0), a_blinking_clip(1)]
    return MotionTrainer(config, clips, [], encoder="none", workers=workers, device="cpu")


def composer_trainer(workers: Workers = ALONE) -> ComposerTrainer:
    network = FacoConfig(encoder_width=8, subject_width=8, decoder_width=8)
    config = ComposerTraining(steps=STEPS, batch_size=4, network=network)
    return ComposerTrainer(config, [a_motion_clip(0), a_motion_clip(1)], [], workers=workers, device="cpu")


def a_renderer_clip(seed: int) -> RendererClip:
    """A clip as `RendererClip` holds it, without a video to read."""
    random, template = np.random.default_rng(seed), average_template()
    head_T7 = np.tile(template.head_7, (FRAMES, 1))
    head_T7[:, 0] += np.arange(FRAMES) / 10
    clip = RendererClip.__new__(RendererClip)
    clip.size, clip.speaker, clip.face_crop = SIZE, f"average {seed}", 32
    clip.mesh_TN3 = pose(np.tile(template.mesh_N3, (FRAMES, 1, 1)), head_T7)
    clip.torso_TN3 = np.tile(template.torso_N3, (FRAMES, 1, 1))
    clip.frames_THW3 = random.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    clip.trained_frames, clip.reference_frame, clip.unfit = 170, 3, ()
    clip._painter = ConditionPainter(SIZE)
    return clip


def renderer_trainer(workers: Workers = ALONE, weights: LossWeights = OUR_LOSSES) -> RendererTrainer:
    config = RendererTraining(
        steps=STEPS,
        adversarial_from=1,
        batch_size=2,
        face_crop=32,
        weights=weights,
        generator=GeneratorConfig(levels=4, width=4),
        discriminator=DiscriminatorConfig(scales=2, layers=2, width=4),
    )
    clips = {clip.speaker: clip for clip in (a_renderer_clip(0), a_renderer_clip(1))}
    try:
        return RendererTrainer(config, clips, workers=workers, device="cpu")
    except WeightsError as error:
        pytest.skip(f"{error.where}: {error.what}")


TRAINERS = [motion_trainer, composer_trainer, renderer_trainer]


def tensors(state: Any, path: str = "") -> dict[str, Any]:
    """A copy of every leaf of a nested state, by its path."""
    if isinstance(state, dict | list | tuple):
        pairs = state.items() if isinstance(state, dict) else enumerate(state)
        return {key: leaf for name, part in pairs for key, leaf in tensors(part, f"{path}/{name}").items()}
    return {path: state.clone() if isinstance(state, torch.Tensor) else state}


def train_to(trainer: Trainer, steps: int) -> Trainer:
    while trainer.step < steps:
        trainer.train_step()
    return trainer


def differing(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    one, other = tensors(first), tensors(second)
    assert one.keys() == other.keys()
    return [
        name
        for name, leaf in one.items()
        if not (torch.equal(leaf, other[name]) if isinstance(leaf, torch.Tensor) else leaf == other[name])
    ]


@pytest.mark.parametrize("make", TRAINERS)
@pytest.mark.parametrize("stopped_at", [1, 3])
def test_a_resumed_run_ends_where_the_unbroken_one_does(make: Callable[[], Trainer], stopped_at: int):
    unbroken = train_to(make(), STEPS)
    saved = checkpoint_bytes(train_to(make(), stopped_at).state())
    torch.rand(7)  # Whatever else draws random numbers in between must not matter.
    resumed = make()
    resumed.restore(checkpoint_state(saved))
    assert resumed.step == stopped_at
    assert differing(unbroken.state(), train_to(resumed, STEPS).state()) == []


@pytest.mark.parametrize("make", TRAINERS)
def test_validation_changes_nothing_and_is_the_same_each_time(make: Callable[[], Trainer]):
    watched, alone = train_to(make(), 2), train_to(make(), 2)
    first = watched.validate()
    assert first.losses == watched.validate().losses
    assert first.score in first.losses.values()
    assert all(np.isfinite(value) for value in first.losses.values())
    assert differing(train_to(watched, STEPS).state(), train_to(alone, STEPS).state()) == []


@pytest.mark.parametrize("make", TRAINERS)
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


@pytest.mark.parametrize("make", TRAINERS)
def test_the_exported_weights_are_the_running_average(tmp_path: Path, make: Callable[[], Trainer]):
    trainer = train_to(make(), 2)
    trainer.export(tmp_path / "weights.safetensors")
    header = read_header(tmp_path / "weights.safetensors")
    assert header.facts["steps"] == 2
    network = copy.deepcopy(trainer.average)
    for tensor in network.state_dict().values():
        tensor.zero_()
    load_weights(tmp_path / "weights.safetensors", network, expected={"architecture": header.architecture})
    for name, tensor in trainer.average.state_dict().items():
        expected = tensor.half().to(tensor.dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(network.state_dict()[name], expected)


def test_the_released_losses_train_too():
    losses = train_to(renderer_trainer(weights=LossWeights.released()), 1).train_step()
    assert {"style", "adversarial"} <= losses.keys()
    assert "mouth" not in losses


def test_two_workers_share_one_batch():
    whole = renderer_trainer().sampler.draw(5, workers=ALONE)
    shares = [renderer_trainer().sampler.draw(5, workers=Workers(rank=rank, count=2)) for rank in (0, 1)]
    assert torch.equal(torch.cat([share.truth_BCHW for share in shares]), whole.truth_BCHW)
    assert torch.equal(torch.cat([share.frames_B for share in shares]), whole.frames_B)


def test_the_end_of_a_clip_is_learnt_from_where_other_clips_are_held_out():
    clips, others = [a_blinking_clip(0)], [a_motion_clip(1)]
    config = motion_trainer().config
    learnt = {
        bool(held_out): MotionTrainer(
            config, clips, held_out, workers=ALONE, device="cpu", encoder="compact-1"
        ).clips
        for held_out in ([], others)
    }
    assert sum(part.frame_count for part in learnt[True]) == clips[0].frame_count
    assert sum(part.frame_count for part in learnt[False]) == int(0.85 * clips[0].frame_count)


def test_both_subjects_of_a_base_are_seen_equally_often():
    trainer = renderer_trainer()
    first, second = trainer.clips.values()
    for step in range(6):
        batch = trainer.sampler.draw(step, workers=ALONE)
        frame, other = (int(frame) for frame in batch.frames_B)
        truth = (batch.truth_BCHW + 1) * 127.5
        for index, (clip, drawn) in enumerate(((first, frame), (second, other))):
            np.testing.assert_allclose(
                truth[index].permute(1, 2, 0).numpy(), clip.frames_THW3[drawn], atol=1e-3
            )
            assert drawn < clip.trained_frames


@pytest.mark.parametrize("make", [composer_trainer])
def test_two_processes_learn_what_one_does(tmp_path: Path, make: Callable[[], Trainer]):
    spawn(_distributed, args=(str(tmp_path), make.__name__), nprocs=2)
    alone = tensors(train_to(make(), STEPS).state())
    for rank in (0, 1):
        together = tensors(checkpoint_state((tmp_path / f"{rank}").read_bytes()))
        for name, leaf in alone.items():
            if name.startswith("/average"):
                torch.testing.assert_close(together[name], leaf, rtol=1e-3, atol=1e-5)


def _distributed(rank: int, folder: str, make: str) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    trainer = globals()[make](Workers(rank=rank, count=2))
    (Path(folder) / f"{rank}").write_bytes(checkpoint_bytes(train_to(trainer, STEPS).state()))
    torch.distributed.destroy_process_group()
