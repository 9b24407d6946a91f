"""What the shipped weights promise of motion: lips follow the words, not their level; a head moves, and lips rest."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from stages.builtin import builtin_subject, builtin_weights
from stages.metrics.landmarks import mouth_opening
from stages.moda.blinks import blink_frames
from stages.moda.merge import merge_windows
from stages.moda.motion_stage import MotionStage
from stages.moda.network import Moda, ModaConfig
from stages.moda.smoothing import smooth_motion
from stages.payloads import SAMPLE_RATE, SAMPLES_PER_FRAME, Motion
from stages.speech.context import WINDOW_FRAMES, speech_slice
from stages.speech.decode import read_levelled
from stages.subject.package import SubjectPackage
from stages.training.motion_scores import canonical_mesh
from stages.weights import load_weights
from stages.weights_header import read_sizes

HELLO = Path(__file__).parents[3] / "examples" / "hello.wav"
STRIDE = WINDOW_FRAMES // 2


@pytest.fixture(scope="module")
def subject() -> SubjectPackage:
    return SubjectPackage.load(builtin_subject("actor-a"))


@pytest.fixture(scope="module")
def stage() -> MotionStage:
    return MotionStage.load(weights=builtin_weights("moda"), device="cpu")


@pytest.fixture(scope="module")
def words() -> np.ndarray:
    samples_S = read_levelled(HELLO).samples_S
    return samples_S / np.abs(samples_S).max()


def spoken(
    stage: MotionStage, subject: SubjectPackage, folder: Path, sound_S: np.ndarray, *, take: int = 1
) -> Motion:
    """Smoothed motion of a recording, as a render has it."""
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(np.clip(sound_S, -1, 1) * 32_767).astype("<i2").tobytes())
    samples_S = read_levelled(folder / "sound.wav").samples_S
    frames = len(samples_S) // SAMPLES_PER_FRAME
    windows = {
        first: stage.predict_window(
            speech_slice(samples_S, first_frame=first, frame_count=min(WINDOW_FRAMES, frames - first)),
            first_frame=first,
            frame_count=min(WINDOW_FRAMES, frames - first),
            subject=subject,
            seed=0,
            take=take,
        )
        for first in range(0, max(1, frames - STRIDE), STRIDE)
    }
    return smooth_motion(merge_windows(windows, start=0, stop=frames))


def opening(subject: SubjectPackage, motion: Motion) -> np.ndarray:
    return mouth_opening(canonical_mesh(subject.template, motion))


@pytest.mark.parametrize("decibels", [-40, -20, 6])
def test_words_open_the_mouth_alike_at_every_level(stage, subject, tmp_path: Path, words, decibels: int):
    plain_T = opening(subject, spoken(stage, subject, tmp_path, words))
    other_T = opening(subject, spoken(stage, subject, tmp_path, words * 10 ** (decibels / 20)))
    assert other_T.std() == pytest.approx(plain_T.std(), rel=0.05)


def hiss(times_S: np.ndarray) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).normal(size=len(times_S))


def chord(times_S: np.ndarray) -> np.ndarray:
    notes = (196.0, 246.9, 293.7, 392.0)
    return 0.05 * np.sum([np.sin(2 * np.pi * note * times_S) for note in notes], axis=0)


@pytest.mark.parametrize(
    ("sound", "mean", "spread"),
    [(np.zeros_like, 0.1, 0.1), (chord, 0.1, 0.1), (hiss, 0.3, 0.4)],
    ids=["silence", "music", "noise"],
)
@pytest.mark.parametrize("name", ["actor-a", "actor-b", "actor-c"])
def test_lips_rest_nearly_shut_while_nobody_speaks(
    stage, tmp_path: Path, words, sound, mean: float, spread: float, name: str
):
    subject = SubjectPackage.load(builtin_subject(name))
    talking_T = opening(subject, spoken(stage, subject, tmp_path, words))
    sound_S = sound(np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE)
    still_T = opening(subject, spoken(stage, subject, tmp_path, sound_S))
    assert still_T.mean() < mean * talking_T.mean()
    assert still_T.std() < spread * talking_T.std()
    assert np.abs(np.diff(still_T)).mean() < 0.2 * np.abs(np.diff(talking_T)).mean()


def test_lips_touch_now_and_then_while_they_talk(stage, subject, tmp_path: Path, words):
    talking_T = opening(subject, spoken(stage, subject, tmp_path, words))
    # Those of the study's speakers touch in a tenth of the frames, of the corpus's held-out ones in a fifth.
    assert 0.05 < (talking_T < 1.5).mean() < 0.5


def test_takes_differ_in_the_head_and_have_the_same_lips(stage, subject, tmp_path: Path, words):
    one, two = (spoken(stage, subject, tmp_path, words, take=take) for take in (1, 2))
    np.testing.assert_array_equal(one.mouth_TN3, two.mouth_TN3)
    assert np.abs(one.head_TC[:, :3] - two.head_TC[:, :3]).mean() > 1.0


def test_a_head_moves_as_far_as_real_ones(stage, subject, tmp_path: Path, words):
    takes = [spoken(stage, subject, tmp_path, words, take=take).head_TC[:, :3] for take in range(1, 5)]
    spread_3 = np.mean([head_T3.std(axis=0) for head_T3 in takes], axis=0)
    # Of the speakers of the study the head turns by 6, 3 and 3 degrees, of the corpus by 3, 3 and 2.
    assert (spread_3 > 1.2).all()
    assert (spread_3 < 5.0).all()
    steps = [np.abs(np.diff(head_T3, 2, axis=0)).mean() for head_T3 in takes]
    assert max(steps) < 0.35, "it trembles"


def test_no_window_begins_with_a_step(stage, subject, tmp_path: Path, words):
    head_T3 = spoken(stage, subject, tmp_path, np.tile(words, 2)).head_TC[:, :3]
    steps_T = np.abs(np.diff(head_T3, axis=0)).max(axis=1)
    borders = list(range(STRIDE, len(head_T3) - 1, STRIDE))
    assert borders
    assert max(steps_T[border - 1] for border in borders) <= np.percentile(steps_T, 99)


def test_it_blinks_ten_to_twenty_five_times_a_minute():
    weights = builtin_weights("moda")
    network = Moda(read_sizes(weights, ModaConfig))
    load_weights(weights, network, expected={"architecture": "moda"})
    minutes = 10
    blinks = blink_frames(
        seed=1, take=1, first_frame=0, frame_count=minutes * 1500, rate=float(network.blink_rate)
    )
    assert 10 <= len(blinks) / minutes <= 25
