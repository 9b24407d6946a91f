"""Videos of digital actors that nod: the pictures of the built-in subjects, moved as heads move."""

from __future__ import annotations

from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import cv2
import numpy as np

FRAMES = 52
FPS = Fraction(25)


def actor_frames(actor: str, *, count: int, size: int = 256, nod: float = 1.0) -> list[np.ndarray]:
    """A head that sways and nods by some pixels and degrees."""
    path = str(files("stages.builtin") / "subjects" / actor / "reference.png")
    picture = cv2.resize(cv2.imread(path)[..., ::-1], (size, size), interpolation=cv2.INTER_AREA)
    frames = []
    for index in range(count):
        phase = 2 * np.pi * index / 30
        matrix = cv2.getRotationMatrix2D((size / 2, size), 4 * nod * np.sin(phase), 1.0)
        matrix[:, 2] += nod * size / 256 * np.array([4 * np.sin(phase), 2 * np.sin(2 * phase)])
        frames.append(
            cv2.warpAffine(
                picture, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
        )
    return frames


def write_video(
    path: Path, frames: list[np.ndarray], *, fps: Fraction = FPS, sound: bool = False, crf: int = 4
) -> Path:
    """Encode RGB frames, all but lossless, with a hum if asked."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as out:
        picture = out.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "superfast"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        voice = None
        if sound:
            voice = out.add_stream("pcm_s16le", rate=16_000)
            voice.layout = "mono"
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, 1 / fps
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        if voice is not None:
            time = np.arange(int(16_000 * len(frames) / fps)) / 16_000
            hum = 8000 * np.sin(2 * np.pi * 150 * time) * (1 + np.sin(2 * np.pi * 3 * time))
            block = av.AudioFrame.from_ndarray(hum.astype(np.int16)[None], format="s16", layout="mono")
            block.sample_rate, block.time_base, block.pts = 16_000, Fraction(1, 16_000), 0
            out.mux(voice.encode(block))
            out.mux(voice.encode(None))
    return path
