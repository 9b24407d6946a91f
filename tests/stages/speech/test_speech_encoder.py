from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.context import CONTEXT_FRAMES, WINDOW_FRAMES, speech_slice
from stages.speech.encoder import encode_speech, encode_with_context, resample_rows


class FrameNumberEncoder:
    """Two values a frame: its mean sample, and how many frames were heard at once."""

    name, width = "frame-number", 2

    def encode(self, samples_S: np.ndarray) -> np.ndarray:
        means_T = samples_S.reshape(-1, SAMPLES_PER_FRAME).mean(axis=1)
        return np.stack([means_T, np.full_like(means_T, len(means_T))], axis=1)


def numbered(frames: int) -> np.ndarray:
    """Speech whose every sample is the number of its frame, from 1."""
    return np.repeat(np.arange(1, frames + 1, dtype=np.float32), SAMPLES_PER_FRAME)


@pytest.mark.parametrize("count", [1, 7, 50, 200])
def test_resampling_puts_first_on_first_and_last_on_last(count: int):
    rows_KD = torch.randn(50, 3)
    rows_TD = resample_rows(rows_KD, count)
    assert rows_TD.shape == (count, 3)
    torch.testing.assert_close(rows_TD[0], rows_KD[0])
    if count > 1:
        torch.testing.assert_close(rows_TD[-1], rows_KD[-1])


def test_resampling_is_linear_in_time():
    ramp_KD = torch.arange(599.0)[:, None]
    torch.testing.assert_close(
        resample_rows(ramp_KD, 300)[:, 0], torch.linspace(0, 598, 300), atol=1e-3, rtol=0
    )


def test_the_rows_of_the_context_are_dropped():
    cut_S = speech_slice(numbered(100), first_frame=30, frame_count=20)
    rows_TD = encode_with_context(FrameNumberEncoder(), cut_S)
    assert rows_TD[:, 0].tolist() == list(range(31, 51))
    assert rows_TD[0, 1] == 20 + 2 * CONTEXT_FRAMES


def test_a_whole_recording_is_heard_window_by_window():
    frames = WINDOW_FRAMES + 40
    rows_TD = encode_speech(FrameNumberEncoder(), numbered(frames))
    assert rows_TD[:, 0].tolist() == list(range(1, frames + 1))
    assert set(rows_TD[:, 1]) == {WINDOW_FRAMES + 2 * CONTEXT_FRAMES, 40 + 2 * CONTEXT_FRAMES}
