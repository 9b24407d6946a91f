"""Reading a recording as the speech the stages work on: 16 kHz, one channel, a whole number of frames.

Legend: S samples, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.media.account import MediaAccount
from stages.payloads import FRAMES_PER_SECOND, SAMPLE_RATE, SAMPLES_PER_FRAME
from stages.speech.downmix import ChannelAccount, ChannelMeter, Downmix, HeardSound, countable, mixed
from stages.speech.level import (
    ClippingMeter,
    LevelAccount,
    apply_gain,
    gain_to_training_level,
    speech_level_db,
)
from stages.speech.resample import at_least, resample
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
        heard: What of its sound the samples are; None where they come from no file.
    """

    samples_S: Samples
    source_rate: int
    source_sample_count: int
    media: MediaAccount = field(default_factory=MediaAccount)
    heard: HeardSound | None = None

    @property
    def frame_count(self) -> int:
        """Frames of picture the speech needs: ceil(source samples * 25 / source rate)."""
        return frame_count(self.source_sample_count, self.source_rate)

    @property
    def is_silent(self) -> bool:
        """Whether the file holds no sound from beginning to end."""
        return self.media.sound is not None and self.media.sound.level.is_silent


def frame_count(source_sample_count: int, source_rate: int) -> int:
    """Frames needed to cover a recording, the last one begun counted whole."""
    return -(-source_sample_count * FRAMES_PER_SECOND // source_rate)


def read_speech(path: Path, *, track: int | str | None = None) -> Speech:
    """Read a recording of any container, codec, rate and channel count, as loud as it was recorded.

    The recording streams through: besides the 16 kHz result (230 MB per hour) memory does not grow with its length.
    Channels are mixed, see `stages.speech.downmix`, before the rate is changed.

    Args:
        path: The file.
        track: Number of the audio track, from 1, or its language tag; None: by the rule of `stages.media.tracks`.

    Raises:
        SpeechError: The recording cannot be used; see `stages.speech.source.open_speech` for the codes.
    """
    return _read(path, track=track, gain_db=0)


def read_levelled(path: Path, *, track: int | str | None = None, gain_db: int | None = None) -> Speech:
    """Read a recording as motion is learned and predicted from: at the level of `stages.speech.level`.

    Args:
        path: The file.
        track: As for `read_speech`.
        gain_db: How much louder than it was recorded; None: what brings it to the training level.

    Raises:
        SpeechError: As `read_speech`.
    """
    return _read(path, track=track, gain_db=gain_db)


def _read(path: Path, *, track: int | str | None, gain_db: int | None) -> Speech:
    with open_speech(path, track=track) as source:
        first = passed = _Pass(source, path=path)
    decided = first.meter.decided()
    if decided.mono_C != first.meter.plain.mono_C:
        # The whole recording had to be heard to know it, and is only held at 16 kHz.
        with open_speech(path, track=first.source.tracks.number) as source:
            passed = _Pass(source, path=path, downmix=decided)
    samples_S = np.frombuffer(passed.grown, dtype=np.float32)
    if decided.mono_gain != 1.0:
        samples_S *= np.float32(decided.mono_gain)
    level_db = speech_level_db(samples_S)
    gain = gain_to_training_level(level_db) if gain_db is None else gain_db
    apply_gain(samples_S, gain_db=gain)
    # Lossy codecs and the filter overshoot a little, floating point at will; the stages are promised [-1, 1].
    np.clip(samples_S, -1.0, 1.0, out=samples_S)
    account = replace(
        source.account(),
        tracks=first.source.tracks,
        channels=ChannelAccount(
            layout=source.layout, count=source.channel_count, rule=decided.rule, channel=decided.channel
        ),
        level=LevelAccount(
            measured_db=None if level_db is None else round(level_db, 1),
            gain_db=gain,
            is_named=gain_db is not None,
            is_silent=level_db is None,
            clipped_share=round(first.clipping.share, 4),
        ),
    )
    return Speech(
        samples_S=samples_S,
        source_rate=source.rate,
        source_sample_count=passed.sample_count,
        media=MediaAccount(sound=account),
        heard=HeardSound(track=first.source.tracks.number, downmix=decided),
    )


class _Pass:
    """A recording once through: its samples at 16 kHz, and what is told from all of its channels on the way.

    Attributes:
        source: The recording.
        meter: What decides how its channels are heard.
        clipping: How much of it is clipped.
        sample_count: Samples per channel, at its own rate.
        grown: Float32 samples of one channel at 16 kHz, to the end of the last frame of picture begun.
    """

    def __init__(self, source: SpeechSource, *, path: Path, downmix: Downmix | None = None) -> None:
        """Without a downmix, the one of the layout alone."""
        self.source = source
        self.meter = ChannelMeter(source.channel_names)
        self.clipping = ClippingMeter()
        self.sample_count = 0
        self._mono_C = (downmix or self.meter.plain).mono_C
        self._is_first = downmix is None
        # Grown in place: a list of blocks joined at the end would need the room of an hour twice.
        self.grown = bytearray()
        for block_S in resample(self._mono(), source_rate=source.rate, target_rate=SAMPLE_RATE):
            self.grown += block_S.tobytes()
        if self.sample_count == 0:
            raise SpeechError(
                code="speech_empty",
                what="the recording is zero samples long",
                hint="check how it was exported",
                where=str(path),
            )
        frames = frame_count(self.sample_count, source.rate)
        self.grown += bytes(frames * SAMPLES_PER_FRAME * np.dtype(np.float32).itemsize - len(self.grown))

    def _mono(self) -> Iterator[Samples]:
        for block_SC in at_least(self.source.blocks_SC, self.source.rate):
            self.sample_count += len(block_SC)
            planes_CS = countable(np.ascontiguousarray(block_SC.T))
            if self._is_first:
                self.meter.take(planes_CS)
                self.clipping.take(planes_CS)
            yield mixed(planes_CS, self._mono_C)
