"""Distillation learns what its teacher hears, and a run that was stopped ends as one that was not."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recipes.encoder.distil import distil
from recipes.encoder.distil_data import SpeechPool, Variety
from recipes.encoder.distil_teacher import Teacher, measure_teacher, mel_batch
from recipes.encoder.encoder_trainer import NAME, Distillation, EncoderTrainer
from stages.speech.compact import CompactConfig, CompactEncoder
from stages.weights_header import read_header

FRAMES, WIDTH, FRONT = 30, 12, 8


class SomeoneWhoHears(nn.Module):
    """A teacher of two rows a frame, which adds its place in the window to what it hears."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.convolution = nn.Conv1d(80, WIDTH, 3, stride=2, padding=1)
        self.place_KD = nn.Parameter(torch.randn(1000, WIDTH))

    def hidden(self, mel_1FK: Tensor) -> Tensor:
        heard_1KD = self.convolution(mel_1FK).transpose(1, 2)
        return heard_1KD + self.place_KD[: heard_1KD.shape[1]]


def a_pool(*, seed: int = 0) -> SpeechPool:
    speech_S = np.random.default_rng(seed).normal(0, 0.1, 640 * 200).astype(np.float32)
    speech_S *= np.sin(np.arange(len(speech_S)) / 3000)
    return SpeechPool([[speech_S]], shares=[1.0], variety=Variety(excerpt_frames=(10, 20), silent_start=0.0))


def windows(count: int, *, frames: int = FRAMES) -> list[np.ndarray]:
    random, pool = np.random.default_rng(8), a_pool()
    return [pool.window(random, frames=frames) for _ in range(count)]


def a_trainer(*, steps: int) -> EncoderTrainer:
    whisper = SomeoneWhoHears()
    config = Distillation(
        steps=steps,
        windows=2,
        frames=FRAMES,
        learning_rate=3e-3,
        warm_up=2,
        ema_decay=0.9,
        network=CompactConfig(width=16, heads=2, attention_blocks=1, features=WIDTH),
    )
    held_out = [a_pool(seed=1).window(np.random.default_rng(2), frames=90)]
    # Held-out windows carry context on either side, so places must be known for more frames than a step's.
    teacher = Teacher(whisper, measure_teacher(whisper, windows(20, frames=140)))
    return EncoderTrainer(config, a_pool(), held_out, teacher=teacher)


def test_the_place_in_the_window_is_taken_out_and_what_was_heard_stays():
    whisper = SomeoneWhoHears()
    facts = measure_teacher(whisper, windows(60))
    truth_TD = whisper.place_KD[: 2 * FRAMES].detach().unflatten(0, (-1, 2)).mean(1)
    truth_TD = truth_TD - truth_TD.mean(0)
    # The convolution hears silence beyond the edge, which is a trace of the place too.
    error = (facts.place_TD - truth_TD)[1:-1].std() / truth_TD.std()
    assert error < 0.2
    rows_BTD = Teacher(whisper, facts).rows(mel_batch(windows(60)))
    assert rows_BTD.flatten(0, 1).mean(0).numpy() == pytest.approx(facts.mean_D.numpy(), abs=1e-3)
    assert rows_BTD.flatten(0, 1).std(0).numpy() == pytest.approx(facts.spread_D.numpy(), rel=0.02)


def test_a_window_longer_than_those_measured_is_refused():
    whisper = SomeoneWhoHears()
    teacher = Teacher(whisper, measure_teacher(whisper, windows(2)))
    with pytest.raises(ValueError, match=f"{FRAMES + 1} frames"):
        teacher.rows(mel_batch(windows(1, frames=FRAMES + 1)))


def test_the_network_learns_what_its_teacher_hears_in_speech_it_never_heard():
    trainer = a_trainer(steps=150)
    before = trainer.validate()
    losses = [trainer.train_step() for _ in range(150)]
    after = trainer.validate()
    assert after.score < 0.5 * before.score
    assert after.losses["r2_telling"] > before.losses["r2_telling"]
    assert losses[-1]["telling"] < losses[0]["telling"]


class SomeoneWithALayer(SomeoneWhoHears):
    """A teacher whose last columns are the layer that a front is held to."""

    def hidden(self, mel_1FK: Tensor) -> Tensor:
        rows_1KD = super().hidden(mel_1FK)
        return torch.cat([rows_1KD, rows_1KD[..., :FRONT].sin()], dim=-1)


def test_a_front_is_held_to_the_layer_and_begins_as_it_is_told():
    whisper = SomeoneWithALayer()
    network = CompactConfig(
        width=16,
        heads=2,
        attention_blocks=1,
        features=WIDTH,
        front_blocks=1,
        front_width=FRONT,
        front_reach=3,
    )
    config = Distillation(
        steps=60, windows=2, frames=FRAMES, learning_rate=3e-3, front_rate=1.0, warm_up=2, network=network
    )
    trainer = EncoderTrainer(
        config,
        a_pool(),
        [],
        teacher=Teacher(whisper, measure_teacher(whisper, windows(20, frames=140))),
        start=lambda network: nn.init.constant_(network.front_offset_C, 0.25),
    )
    assert (trainer.network.front_offset_C == 0.25).all()
    losses = [trainer.train_step() for _ in range(60)]
    for name in ("front", "telling"):
        first, last = (np.mean([step[name] for step in some]) for some in (losses[:5], losses[-5:]))
        assert last < 0.8 * first


def test_validating_changes_nothing():
    trainer = a_trainer(steps=4)
    trainer.train_step()
    assert trainer.validate() == trainer.validate()


def test_a_run_that_was_stopped_ends_with_the_same_weights_as_one_that_was_not(tmp_path: Path):
    for folder, stops in (("whole", [6]), ("stopped", [2, 6])):
        (tmp_path / folder).mkdir()
        for stop in stops:
            _run_until(a_trainer(steps=6), work=tmp_path / folder, stop=stop)
    whole, stopped = ((tmp_path / name / "encoder.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


def _run_until(trainer: EncoderTrainer, *, work: Path, stop: int) -> None:
    real = trainer.train_step

    def step() -> dict[str, float]:
        if trainer.step == stop:
            raise KeyboardInterrupt
        return real()

    trainer.train_step = step  # type: ignore[method-assign]
    try:
        distil(trainer, work=work, save_every=2, log_every=1)
    except KeyboardInterrupt:
        assert stop < trainer.steps


def test_what_is_written_is_an_encoder_with_its_figures(tmp_path: Path):
    trainer = a_trainer(steps=2)
    distil(trainer, work=tmp_path, save_every=2, log_every=1)
    encoder = CompactEncoder(tmp_path / "encoder.safetensors", name=NAME)
    assert encoder.encode(windows(1)[0]).shape == (FRAMES, WIDTH)
    header = read_header(tmp_path / "encoder.safetensors")
    assert header.training_data == a_pool().digest()
    assert header.facts["steps"] == 2
    assert header.facts["r2"] == pytest.approx(trainer.validate().losses["r2"], abs=1e-3)
    with (tmp_path / "curve.csv").open() as file:
        recorded = {(int(step), name) for step, name, _ in csv.reader(file)}
    assert {(1, "distance"), (2, "distance"), (2, "r2")} <= recorded
