"""A recording as it was made: blocks of samples at its own rate, all channels, checked.

Legend: S samples, C channels.

Both readers of a recording go through here, the one that feeds the motion (16 kHz, one channel) and the one that puts
the sound into the master (own rate, up to two channels), so that picture and sound can never disagree about its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.media.account import SoundAccount
from stages.media.clock import read_clocks
from stages.media.container import open_media
from stages.media.tracks import TrackChoice, choose_track
from stages.payloads import SAMPLE_RATE
from stages.speech.placing import PlacedSound, channels_of, describe

Samples = NDArray[np.float32]

_LOWEST_RATE, _HIGHEST_RATE = 4_000, 768_000
_MOST_STEPS = (
    50_000  # of the filter between the recording's rate and 16 kHz; no rate in use above 50 kHz has more
)
_MOST_CHANNELS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSource:
    """An open recording.

    Attributes:
        rate: Samples per second, as decoded.
        channel_names: FFmpeg's places of the channels of every block, such as FL and FR; NONE where the file has none.
        layout: FFmpeg's name of them all, such as ``stereo`` or ``4 channels``.
        tracks: The audio track that is read, and what else there is.
        blocks_SC: (S, C) float32 blocks, nominally in [-1, 1], in order, silence where the file has a gap; to be
            consumed once.
        account: What was found in the file; complete once the blocks are.
    """

    rate: int
    channel_names: tuple[str, ...]
    layout: str
    tracks: TrackChoice
    blocks_SC: Iterator[Samples]
    account: Callable[[], SoundAccount]

    @property
    def channel_count(self) -> int:
        """Channels of every block."""
        return len(self.channel_names)


@contextmanager
def open_speech(path: Path, *, track: int | str | None = None) -> Iterator[SpeechSource]:
    """Open a recording in any container and codec FFmpeg reads.

    Args:
        path: The file.
        track: Number of the audio track, from 1, or its language tag; None: by the rule of `stages.media.tracks`.

    Raises:
        SpeechError: ``speech_not_found``, ``speech_unreadable``, ``speech_not_media`` (no recording at all),
            ``speech_joined`` (several files in one), ``speech_no_sound`` (no audio track), ``speech_codec_unknown``,
            ``speech_track_unknown``, ``speech_empty`` (zero samples), ``speech_unusual_format`` (a rate or number of
            channels that no speech has); while the blocks are read also ``speech_not_finite``, ``speech_damaged`` and
            ``speech_changing_format``.
    """
    clocks = read_clocks(path, family=SpeechError, noun="speech")
    with open_media(path, family=SpeechError, noun="speech") as container:
        tracks = choose_track(container, path, wanted=track)
        stream = container.streams.audio[tracks.number - 1]
        sound = PlacedSound(container, stream, clocks=clocks, path=path)
        first = sound.first
        if first is None:
            raise SpeechError(
                code="speech_empty",
                what="the recording is zero samples long",
                hint="check how it was exported",
                where=str(path),
            )
        if not _is_usual(first):
            raise SpeechError(
                code="speech_unusual_format",
                what=f"the recording is said to be {describe(first)}",
                hint="export it at 16 to 192 kHz with one or two channels",
                where=str(path),
            )
        yield SpeechSource(
            rate=first.sample_rate,
            channel_names=tuple(channel.name for channel in first.layout.channels),
            layout=first.layout.name,
            tracks=tracks,
            blocks_SC=sound.blocks(),
            account=sound.account,
        )


def _is_usual(frame: AudioFrame) -> bool:
    """Whether a recording can have such a rate and number of channels; the filter for others would fill the memory."""
    steps = frame.sample_rate // gcd(frame.sample_rate, SAMPLE_RATE) if frame.sample_rate > 0 else 0
    return (
        _LOWEST_RATE <= frame.sample_rate <= _HIGHEST_RATE
        and steps <= _MOST_STEPS
        and 1 <= channels_of(frame) <= _MOST_CHANNELS
    )
