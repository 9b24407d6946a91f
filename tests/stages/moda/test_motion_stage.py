from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from average_actor import average_subject

from stages.errors import WeightsError
from stages.moda.motion_stage import MotionStage
from stages.moda.network import Moda, ModaConfig
from stages.payloads import SAMPLES_PER_FRAME, Motion
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

SIZES = ModaConfig(speech_width=4, width=16, latent=8, layers=1, heads=2, mode="cvae", lips_see_noise=False)
SUBJECT = average_subject()


class LoudnessEncoder:
    """Four loudnesses a frame: enough to hear what is said when."""

    name, width = "loudness", 4

    def encode(self, samples_S: np.ndarray) -> np.ndarray:
        return np.abs(samples_S).reshape(-1, self.width, SAMPLES_PER_FRAME // self.width).mean(axis=2)


@pytest.fixture
def stage() -> MotionStage:
    torch.manual_seed(0)
    return MotionStage(LoudnessEncoder(), Moda(SIZES).eval())


def speech(frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=frames * SAMPLES_PER_FRAME).astype(np.float32)


def predict(stage: MotionStage, *, first_frame: int = 0, seed: int = 1, take: int = 1) -> Motion:
    return stage.predict_window(
        speech(20 + 2 * stage.context_frames),
        first_frame=first_frame,
        frame_count=20,
        subject=SUBJECT,
        seed=seed,
        take=take,
    )


def test_a_window_has_as_many_frames_as_asked_for(stage: MotionStage):
    assert predict(stage).frame_count == 20


def test_the_same_window_gives_the_same_motion(stage: MotionStage):
    np.testing.assert_array_equal(predict(stage).as_rows(), predict(stage).as_rows())


@pytest.mark.parametrize("changed", [{"seed": 2}, {"take": 2}, {"first_frame": 50}])
def test_another_take_moves_the_head_but_not_the_lips(stage: MotionStage, changed: dict[str, int]):
    first, second = predict(stage), predict(stage, **changed)
    np.testing.assert_array_equal(first.mouth_TN3, second.mouth_TN3)
    assert not np.array_equal(first.head_TC, second.head_TC)


def test_motion_comes_in_the_units_of_the_scale(stage: MotionStage):
    before = predict(stage).as_rows()
    stage._network.scale_C.mul_(2)
    np.testing.assert_array_equal(predict(stage).as_rows(), 2 * before)


def test_motion_comes_with_the_gain_of_its_channel(stage: MotionStage):
    before = predict(stage).as_rows()
    stage._network.gain_C[:120] = 3
    after = predict(stage).as_rows()
    np.testing.assert_allclose(after[:, :120], 3 * before[:, :120], rtol=1e-6)
    np.testing.assert_array_equal(after[:, 120:], before[:, 120:])


def test_blinks_are_added_to_the_eyes_and_to_nothing_else(stage: MotionStage):
    before = predict(stage, first_frame=100)
    stage._network.blink_KC.fill_(1)
    stage._network.blink_rate.fill_(0.05)
    windows = [predict(stage, first_frame=first) for first in range(100, 400, 20)]
    assert any(window.eyes_TN3.max() > before.eyes_TN3.max() + 5 for window in windows)
    np.testing.assert_array_equal(windows[0].mouth_TN3, before.mouth_TN3)
    np.testing.assert_array_equal(windows[0].head_TC, before.head_TC)


def test_speech_without_its_context_is_refused(stage: MotionStage):
    with pytest.raises(ValueError, match="with context"):
        stage.predict_window(speech(20), first_frame=0, frame_count=20, subject=SUBJECT, seed=0, take=1)


def test_weights_of_an_unknown_encoder_are_refused(tmp_path: Path):
    header = WeightsHeader(
        architecture="moda", sizes=asdict(SIZES), encoder="loudness", fps=25, training_data=""
    )
    save_weights(tmp_path / "moda.safetensors", Moda(SIZES), header)
    with pytest.raises(WeightsError) as caught:
        MotionStage.load(weights=tmp_path / "moda.safetensors", device="cpu")
    assert caught.value.code == "weights_encoder_unknown"
