from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.speech.context import speech_slice

count = st.integers(min_value=0, max_value=40)


@given(frames=count, first=count, length=count, context=count)
def test_a_window_is_a_slice_of_the_speech_in_endless_silence(
    frames: int, first: int, length: int, context: int
) -> None:
    speech_S = np.arange(1, 640 * frames + 1, dtype=np.float32)
    silence_S = np.zeros(640 * 200, dtype=np.float32)
    endless_S = np.concatenate([silence_S, speech_S, silence_S])
    start = len(silence_S) + 640 * (first - context)
    window_S = speech_slice(speech_S, first_frame=first, frame_count=length, context_frames=context)
    np.testing.assert_array_equal(window_S, endless_S[start : start + 640 * (length + 2 * context)])
    assert window_S.dtype == np.float32


def test_a_window_is_a_copy_that_does_not_keep_an_hour_of_speech_alive() -> None:
    speech_S = np.ones(640 * 10, dtype=np.float32)
    window_S = speech_slice(speech_S, first_frame=2, frame_count=3, context_frames=1)
    assert window_S.base is None
    assert not np.shares_memory(window_S, speech_S)


def test_a_window_before_the_speech_is_refused() -> None:
    with pytest.raises(ValueError, match="no window"):
        speech_slice(np.zeros(640, dtype=np.float32), first_frame=-1, frame_count=3, context_frames=1)
