"""Other voices say the same words at the same time, and lips rest while nobody speaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from motion_clips import moving_clip

from stages.metrics.landmarks import mouth_opening
from stages.payloads import MOTION_CHANNELS, Motion
from stages.training.motion_config import MotionTraining
from stages.training.motion_data import MotionBatch, MotionSampler
from stages.training.motion_losses import MOUTH
from stages.training.motion_scores import canonical_mesh
from stages.training.sound_variety import other_voices, sounds_without_speech
from stages.training.trainer import Workers

FRAMES = 200
CONFIG = replace(MotionTraining.preset("cpu", speech_width=4), lengths=(72,), frames_a_batch=720)


class Loudness:
    """An encoder of two features: how loud a frame is, and how often its sound crosses zero."""

    name = "loudness"
    width = 2

    def encode(self, samples_S: np.ndarray) -> np.ndarray:
        frames_TS = samples_S.reshape(-1, 640)
        crossings_T = (np.diff(np.sign(frames_TS), axis=1) != 0).mean(axis=1)
        return np.stack([np.abs(frames_TS).mean(axis=1), crossings_T], axis=1).astype(np.float32)


def bursts() -> np.ndarray:
    """A tone that sounds and is silent by turns, a second each."""
    times_S = np.arange(640 * FRAMES) / 16_000
    return (0.3 * np.sin(2 * np.pi * 300 * times_S) * ((times_S % 2) < 1)).astype(np.float32)


def test_other_voices_are_as_long_and_speak_when_the_first_one_does():
    own_T = Loudness().encode(bursts())[:, 0]
    voices = other_voices(Loudness(), bursts(), count=6, seed=1)
    assert {voice_TD.shape for voice_TD in voices} == {(FRAMES, 2)}
    for voice_TD in voices:
        # A frame to either side of a change may hold both, and a room rings on.
        assert np.corrcoef(voice_TD[:, 0], own_T)[0, 1] > 0.8


def test_voices_differ_in_pitch_and_are_the_same_every_time():
    one, two = (other_voices(Loudness(), bursts(), count=6, seed=1) for _ in range(2))
    for voice_TD, again_TD in zip(one, two, strict=True):
        np.testing.assert_array_equal(voice_TD, again_TD)
    pitches = [np.median(voice_TD[:25, 1]) for voice_TD in one]
    assert max(pitches) > 1.1 * min(pitches)


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_short_speech_has_other_voices_too(frames: int):
    voices = other_voices(Loudness(), bursts()[: 640 * frames], count=3, seed=0)
    assert [voice_TD.shape for voice_TD in voices] == [(frames, 2)] * 3
    assert all(np.isfinite(voice_TD).all() for voice_TD in voices)


def test_silence_stays_silence():
    for voice_TD in other_voices(Loudness(), np.zeros(640 * 60, np.float32), count=4, seed=0):
        assert not voice_TD[:, 0].any()


def test_sounds_without_speech_are_of_several_kinds_and_levels():
    sounds = sounds_without_speech(Loudness())
    levels = [float(sound_TD[:, 0].mean()) for sound_TD in sounds]
    assert {sound_TD.shape for sound_TD in sounds} == {(300, 2)}
    assert max(levels) > 5 * min(levels)
    assert len({tuple(sound_TD[0]) for sound_TD in sounds}) == len(sounds)


def drawn(sampler: MotionSampler, *, steps: int = 30) -> list[MotionBatch]:
    return [sampler.draw(step, workers=Workers()) for step in range(steps)]


def test_a_clip_is_heard_in_each_of_its_voices_and_its_lips_stay():
    clip = moving_clip(frames=FRAMES)
    voices = tuple(np.full((FRAMES, 4), 100.0 * number, np.float32) for number in (1, 2))
    batches = drawn(MotionSampler([replace(clip, voices=voices)], config=replace(CONFIG, rests=0.0)))
    heard = np.concatenate([batch.features_BTD.numpy().mean(axis=(1, 2)) for batch in batches])
    shares = [float(np.mean(np.abs(heard - level) < 50)) for level in (0, 100, 200)]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0.25
    one = batches[0].rows_BTC.numpy()[0]
    assert any(np.array_equal(one, clip.rows_TC[start : start + 72]) for start in range(FRAMES - 71))


def test_parts_of_a_clip_have_the_parts_of_its_voices():
    clip = moving_clip(frames=FRAMES)
    clip = replace(clip, voices=(clip.features_TD + 1,))
    for part in (*clip.training_parts(), *clip.held_out_parts()):
        np.testing.assert_array_equal(part.voices[0], part.features_TD + 1)


def test_lips_rest_nearly_shut_in_the_share_of_windows_in_which_nobody_speaks():
    clip = moving_clip(frames=FRAMES)
    sound_TD = np.full((300, 4), 500.0, np.float32)
    batches = drawn(MotionSampler([clip], config=replace(CONFIG, rests=0.25), sounds=[sound_TD]))
    silent = [
        rows_TC
        for batch in batches
        for rows_TC, features_TD in zip(batch.rows_BTC.numpy(), batch.features_BTD.numpy(), strict=True)
        if features_TD.min() == 500
    ]
    assert len(silent) / sum(len(batch.rows_BTC) for batch in batches) == pytest.approx(0.25, abs=0.08)
    everywhere_T = opening(clip.rows_TC)
    for rows_TC in silent:
        assert not np.ptp(rows_TC[:, MOUTH], axis=0).any()
        assert opening(rows_TC)[0] < np.quantile(everywhere_T, 0.15)
        assert np.ptp(rows_TC[:, MOUTH.stop :], axis=0).any(), "head and eyes go on"


def opening(rows_TC: np.ndarray) -> np.ndarray:
    assert rows_TC.shape[1] == MOTION_CHANNELS
    motion = Motion.from_rows(np.ascontiguousarray(rows_TC))
    return mouth_opening(canonical_mesh(moving_clip(frames=4).template, motion))


def test_the_papers_training_hears_the_clips_own_voices_alone():
    paper = MotionTraining.preset("paper", speech_width=4)
    assert (paper.voices, paper.rests, paper.weights.closures) == (0, 0.0, 0.0)
