"""Clips made on the spot, by FFmpeg, so that no test needs a file that is not here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

# Made voices are a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))

WriteClip = Callable[..., Path]


@pytest.fixture
def write_clip(tmp_path: Path) -> WriteClip:
    """write_clip(name, frames, fps=, ...): encode RGB frames at given times, optionally with a tone."""

    def write(
        name: str,
        frames_HW3: Iterable[NDArray[np.uint8]],
        *,
        fps: Fraction,
        times: Iterable[Fraction] | None = None,
        rotation: int = 0,
        sound_seconds: float = 0.0,
        sound_start: float = 0.0,
        pixel_format: str = "yuv444p",
    ) -> Path:
        path = tmp_path / name
        frames = list(frames_HW3)
        height, width = frames[0].shape[:2]
        moments = list(times) if times is not None else [k / fps for k in range(len(frames))]
        with av.open(str(path), "w") as container:
            picture = container.add_stream("libx264", rate=fps, options={"crf": "1", "bf": "0"})
            picture.width, picture.height, picture.pix_fmt = width, height, pixel_format
            picture.time_base = picture.codec_context.time_base = Fraction(1, 60_000)
            if rotation:
                picture.set_display_rotation(rotation)
            if sound_seconds:
                voice = container.add_stream("pcm_s16le", rate=16_000)
                voice.layout = "mono"
            for pixels, moment in zip(frames, moments, strict=True):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame.time_base = Fraction(1, 60_000)
                frame.pts = int(moment * 60_000)
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
            if sound_seconds:
                tone = np.sin(np.arange(int(16_000 * sound_seconds)) * 0.2) * 8000
                sound = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="mono")
                sound.sample_rate, sound.time_base = 16_000, Fraction(1, 16_000)
                sound.pts = int(16_000 * sound_start)
                container.mux(voice.encode(sound))
                container.mux(voice.encode(None))
        return path

    return write
