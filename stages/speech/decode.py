"""Reading a recording as the speech the stages work on: 16 kHz, one channel, a whole number of frames.

Legend: S samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.media.account import MediaAccount
from stages.payloads import FRAMES_PER_SECOND, SAMPLE_RATE, SAMPLES_PER_FRAME
from stages.speech.resample import resample
from stages.speech.source import SpeechSource, open_speech

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A recording, ready for the stages.

    Attributes:
        samples_S: (640 * frame_count,) float32 mono at 16 kHz in [-1, 1]; the last frame is filled up with silence.
        source_rate: Samples per second of the recording.
        source_sample_count: Samples per channel of the recording, at its own rate.
        media: What was found in the file, and done about it.
    """

    samples_S: Samples
    source_rate: int
    source_sample_count: int
    media: MediaAccount = field(default_factory=MediaAccount)

    @property
    def frame_count(self) -> int:
        """Frames of picture the speech needs: ceil(source samples * 25 / source rate)."""
        return frame_count(self.source_sample_count, self.source_rate)


def frame_count(source_sample_count: int, source_rate: int) -> int:
    """Frames needed to cover a recording, the last one begun counted whole."""
    return -(-source_sample_count * FRAMES_PER_SECOND // source_rate)


def read_speech(path: Path) -> Speech:
    """Read a recording of any container, codec, rate and channel count.

    The recording streams through: besides the 16 kHz result (230 MB per hour) memory does not grow with its length.
    Channels are averaged before the rate is changed.

    Raises:
        SpeechError: The recording cannot be used; see `stages.speech.source.open_speech` for the codes.
    """
    # Grown in place: a list of blocks joined at the end would need the room of an hour twice.
    grown = bytearray()
    with open_speech(path) as source:
        mono = _Mono(source)
        for block_S in resample(mono.blocks(), source_rate=source.rate, target_rate=SAMPLE_RATE):
            # Lossy codecs and the filter overshoot a little; the stages are promised [-1, 1].
            grown += np.clip(block_S, -1.0, 1.0).tobytes()
    if mono.sample_count == 0:
        raise SpeechError(
            code="speech_empty",
            what="the recording is zero samples long",
            hint="check how it was exported",
            where=str(path),
        )
    frames = frame_count(mono.sample_count, source.rate)
    grown += bytes(frames * SAMPLES_PER_FRAME * np.dtype(np.float32).itemsize - len(grown))
    return Speech(
        samples_S=np.frombuffer(grown, dtype=np.float32),
        source_rate=source.rate,
        source_sample_count=mono.sample_count,
        media=MediaAccount(sound=source.account()),
    )


class _Mono:
    """The mean of a recording's channels, counting its samples as they pass."""

    def __init__(self, source: SpeechSource) -> None:
        self._source = source
        self.sample_count = 0

    def blocks(self) -> Iterator[Samples]:
        for block_SC in self._source.blocks_SC:
            self.sample_count += len(block_SC)
            yield block_SC.mean(axis=1, dtype=np.float32)
