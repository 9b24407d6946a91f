"""Recordings and clips made on the spot, by FFmpeg, so that no test needs a file that is not here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

WriteAudio = Callable[..., Path]
WriteClip = Callable[..., Path]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of research material."""
    if not DATA.is_dir():
        pytest.skip("the research material (../shared/data) is not on this machine")
    return DATA


@pytest.fixture
def write_audio(tmp_path: Path) -> WriteAudio:
    """write_audio(name, samples_SC, rate=, codec=): encode float samples into any audio file."""

    def write(
        name: str, samples_SC: NDArray[np.float32], *, rate: int, codec: str, layout: str | None = None
    ) -> Path:
        path = tmp_path / name
        channels = samples_SC.shape[1]
        layout = layout or {1: "mono", 2: "stereo"}[channels]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.layout = layout
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples_SC.T.astype(np.float32)), format="fltp", layout=layout
            )
            frame.sample_rate = rate
            frame.pts = 0
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


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
