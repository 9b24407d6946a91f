"""Speech that is hardly any: half a second of it, silence, music in stereo."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import RenderSpeech

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def chords(seconds: float, rate: int) -> np.ndarray:
    time_S = np.arange(round(seconds * rate)) / rate
    left_S, right_S = (
        sum(np.sin(2 * np.pi * f * time_S) for f in notes) / 6 for notes in ((220, 277, 330), (165, 208))
    )
    return np.stack([left_S, right_S], axis=1)


@pytest.mark.parametrize(
    ("sound_SC", "rate", "frames"),
    [
        pytest.param(chords(0.5, 8000), 8000, 13, id="half a second at 8 kHz"),
        pytest.param(np.zeros((48_000 * 2, 2)), 48_000, 50, id="two seconds of silence"),
        pytest.param(chords(2.01, 44_100), 44_100, 51, id="two seconds of music in stereo"),
    ],
)
def test_unusual_speech_is_rendered_to_its_exact_length(
    render_speech: RenderSpeech, tmp_path: Path, sound_SC: np.ndarray, rate: int, frames: int
) -> None:
    speech = tmp_path / "speech.wav"
    with wave.open(str(speech), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound_SC * 32767).astype("<i2").tobytes())
    rendered = render_speech(speech)
    with av.open(str(rendered.master)) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames
        assert container.streams.audio
