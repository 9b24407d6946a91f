from __future__ import annotations

import math

import numpy as np
import pytest

from stages.metrics.lip_sync import lip_sync, loudness, silent_frames, speech_envelope

FRAMES = 200
LOUDNESS_T = np.where(np.arange(FRAMES) % 100 < 60, 1 + np.sin(np.arange(FRAMES) * 0.9) / 2, 0.0)


def speech() -> np.ndarray:
    noise_TS = np.random.default_rng(0).normal(size=(FRAMES, 640))
    return (noise_TS * LOUDNESS_T[:, None]).reshape(-1).astype(np.float32)


def test_the_envelope_follows_the_loudness():
    envelope_T = speech_envelope(speech(), FRAMES)
    assert envelope_T.shape == (FRAMES,)
    assert np.corrcoef(envelope_T, LOUDNESS_T)[0, 1] > 0.9


def test_only_the_middle_of_a_silence_is_silent():
    silent_T = silent_frames(loudness(speech(), FRAMES))
    assert silent_T[70:94].all()
    assert not silent_T[:64].any()


def test_a_mouth_that_follows_the_speech_correlates_and_closes():
    found = lip_sync(speech_envelope(speech(), FRAMES) * 9, speech())
    assert found.correlation == pytest.approx(1)
    assert found.loudness_correlation > 0.9
    assert found.silent_frames > 40
    assert found.open_in_silence < 0.05


def test_a_mouth_that_stays_open_does_neither():
    found = lip_sync(np.full(FRAMES, 5.0), speech())
    assert found.correlation == 0
    assert found.open_in_silence == pytest.approx(1)


def test_speech_without_silence_has_nothing_to_say_about_it():
    noise_S = np.random.default_rng(0).normal(size=FRAMES * 640).astype(np.float32)
    found = lip_sync(np.arange(FRAMES, dtype=np.float64), noise_S)
    assert found.silent_frames == 0
    assert math.isnan(found.open_in_silence)
