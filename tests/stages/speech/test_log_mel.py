from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.speech.log_mel import HOP, MEL_BANDS, log_mel, mel_filters_WF

audio_utils = pytest.importorskip("transformers.audio_utils", reason="transformers is not installed")


def a_tone(hertz: float, *, seconds: float = 2.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(16_000 * seconds)) / 16_000).astype(np.float32)


def test_the_filters_are_slaneys():
    expected_WF = audio_utils.mel_filter_bank(
        num_frequency_bins=201,
        num_mel_filters=80,
        min_frequency=0.0,
        max_frequency=8000.0,
        sampling_rate=16_000,
        norm="slaney",
        mel_scale="slaney",
    )
    np.testing.assert_allclose(mel_filters_WF().numpy(), expected_WF, atol=1e-7)


def test_the_front_end_is_whispers():
    from transformers import WhisperFeatureExtractor

    speech_S = a_tone(300) + np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    expected_FK = WhisperFeatureExtractor()(speech_S, sampling_rate=16_000).input_features[0][:, :200]
    found_FK = log_mel(torch.from_numpy(speech_S)).numpy()
    assert found_FK.shape == (MEL_BANDS, 32_000 // HOP)
    # Whisper pads to 30 s, so that its last two frames hear silence where ours hear an echo.
    np.testing.assert_allclose(found_FK[:, :-2], expected_FK[:, :-2], atol=1e-3)


def test_a_higher_tone_lies_in_a_higher_band():
    peaks = [log_mel(torch.from_numpy(a_tone(hertz))).mean(dim=1).argmax() for hertz in (200, 1000, 4000)]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == 3


def test_silence_is_finite():
    assert torch.isfinite(log_mel(torch.zeros(6400))).all()
