"""Recordings of made-up sound and picture whose timestamps are what a test wants them to be."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000

Piece = tuple[float, NDArray[np.floating]]
"""When sound starts, in seconds of the file's clock, and its samples in [-1, 1]."""


def tone(seconds: float, *, hertz: float = 440.0, rate: int = RATE) -> NDArray[np.float32]:
    """A tone that never rests at zero for two samples, so that filled-in silence can be told from it."""
    times_S = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * hertz * times_S + 0.7)).astype(np.float32)


def write_media(
    path: Path,
    *,
    sound: Sequence[Piece] = (),
    picture: Sequence[float] = (),
    codec: str = "pcm_s16le",
    rate: int = RATE,
    picture_codec: str = "libx264",
    fps: int = 25,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write sound and grainy grey pictures (48 x 32, the k-th as bright as 40 + 2 k) at times of their own."""
    with av.open(str(path), "w", format=container, options=options or {}) as file:
        packets = []
        if picture:
            packets += _in_order(_pictures(file, picture, codec=picture_codec, fps=fps))
        if sound:
            packets += _in_order(_sounds(file, sound, codec=codec, rate=rate))
        for _, packet in sorted(packets, key=lambda each: each[0]):
            file.mux(packet)
    return path


def _in_order(packets: list) -> list[tuple[Fraction, av.Packet]]:
    """Packets of one stream, each with the latest time so far: what steps back stays where it is in the file."""
    times = accumulate((packet.dts * packet.time_base for packet in packets), max)
    return list(zip(times, packets, strict=True))


def _pictures(file: av.container.OutputContainer, times: Sequence[float], *, codec: str, fps: int) -> list:
    options = {"crf": "4", "bf": "0", "g": "10"} if codec == "libx264" else {"g": "10"}
    stream = file.add_stream(codec, rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
    stream.bit_rate = 4_000_000
    if codec == "libx264":
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90_000)
    clock = stream.codec_context.time_base or Fraction(1, fps)
    packets = []
    for index, moment in enumerate(times):
        grain_HW1 = np.random.default_rng(index).integers(-12, 13, (32, 48, 1))
        pixels_HW3 = (
            (40 + 2 * (index % 100) + grain_HW1 - grain_HW1.mean()).round().astype(np.uint8).repeat(3, 2)
        )
        frame = av.VideoFrame.from_ndarray(pixels_HW3, format="rgb24")
        frame.pts, frame.time_base = round(Fraction(moment).limit_denominator(90_000) / clock), clock
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sounds(file: av.container.OutputContainer, pieces: Sequence[Piece], *, codec: str, rate: int) -> list:
    stream = file.add_stream(codec, rate=rate)
    stream.layout = "mono"
    packets = []
    for start, samples_S in pieces:
        block = 1024 if codec != "pcm_s16le" else rate // 50
        for first in range(0, len(samples_S), block):
            piece_1S = np.ascontiguousarray((samples_S[None, first : first + block] * 32767).astype(np.int16))
            frame = av.AudioFrame.from_ndarray(piece_1S, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate) + first
            packets += stream.encode(frame)
    return packets + stream.encode(None)
