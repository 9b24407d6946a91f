"""Voices that nobody has: a buzz in syllables with pauses, and files of several audio tracks made of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

RATE = 48_000


def voice(seconds: float = 3.0, *, pitch: float = 120.0, level_db: float = -22.0) -> NDArray[np.float32]:
    """(S,) samples at 48 kHz: four syllables a second, a pause of half a second in every two; loud parts at a level."""
    time = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 24))
    syllables = np.clip(np.sin(2 * np.pi * 2 * time), 0, 1) * (time % 2 < 1.5)
    samples_S = np.asarray(buzz * syllables)
    loud = np.sqrt(np.mean(samples_S[syllables > 0.5] ** 2))
    return (samples_S / loud * 10 ** (level_db / 20)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class MadeTrack:
    """One audio track to write: (S, C) samples and what the file says of it."""

    samples_SC: NDArray[np.float32]
    codec: str = "aac"
    layout: str = ""
    language: str = ""
    title: str = ""
    disposition: Disposition | None = None


def write_tracks(path: Path, *tracks: MadeTrack) -> Path:
    """A file with these audio tracks, in this order."""
    with av.open(str(path), "w") as container:
        streams = []
        for track in tracks:
            stream = container.add_stream(track.codec, rate=RATE)
            stream.layout = track.layout or {1: "mono", 2: "stereo"}[track.samples_SC.shape[1]]
            if track.disposition is not None:
                stream.disposition = track.disposition
            for name in ("language", "title"):
                if getattr(track, name):
                    stream.metadata[name] = getattr(track, name)
            streams.append(stream)
        for track, stream in zip(tracks, streams, strict=True):
            # Packed: PyAV writes no more than eight planes.
            packed_1S = np.ascontiguousarray(track.samples_SC, dtype=np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed_1S, format="flt", layout=stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def make_undecodable(path: Path, *names: tuple[bytes, bytes]) -> Path:
    """Give the first track of a file a codec that FFmpeg has never heard of, by the names in its header."""
    data = path.read_bytes()
    for name, another in names:
        # In what MP4 calls stsd; the brands of the file have the same letters.
        at = data.index(name, max(0, data.find(b"stsd")))
        data = data[:at] + another + data[at + len(name) :]
    path.write_bytes(data)
    return path


def level_db(samples_S: NDArray[np.floating]) -> float:
    """Root mean square in dB of full scale."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples_S, dtype=np.float64))) + 1e-12))
