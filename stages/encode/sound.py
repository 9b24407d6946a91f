"""The sound of a master: the original recording, encoded to AAC once, from its first sample to the end of the picture.

Legend: S samples, C channels, 2 = (left, right) or one row for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import tee

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

from stages.errors import EncodeError
from stages.speech.downmix import ChannelMeter, Downmix, countable, mixed
from stages.speech.resample import resample
from stages.speech.source import SpeechSource

Samples = NDArray[np.float32]

# AAC stores 1024 samples at a time. From 32 kHz on that is shorter than a frame of picture, so that even a player that
# ignores the edit list ends its sound within a frame of the picture. Lower rates are doubled or tripled on the way.
_STORED_AS = {
    8_000: 48_000,
    11_025: 44_100,
    12_000: 48_000,
    16_000: 48_000,
    22_050: 44_100,
    24_000: 48_000,
    32_000: 32_000,
    44_100: 44_100,
    48_000: 48_000,
    64_000: 64_000,
    88_200: 88_200,
    96_000: 96_000,
}
_OTHER_RATES_STORED_AS = 48_000
_BITS_PER_SECOND = {1: 128_000, 2: 192_000}

LAYOUTS = {1: "mono", 2: "stereo"}


class MasterSound:
    """A recording as AAC input frames, in step with the picture.

    Attributes:
        rate: Samples per second to encode at: the recording's own from 32 kHz on where AAC knows it.
        channel_count: 1 or 2. A recording with more channels is folded as `stages.speech.downmix` says.
        bit_rate: Bits per second to encode at.
    """

    def __init__(
        self, source: SpeechSource, *, fps: Fraction, downmix: Downmix | None = None, frame_size: int = 1024
    ) -> None:
        """Without a downmix, the one of the recording's layout alone."""
        self.rate = _STORED_AS.get(source.rate, _OTHER_RATES_STORED_AS)
        self._rows_2C = (downmix or ChannelMeter(source.channel_names).plain).master_2C
        self.channel_count = len(self._rows_2C) or source.channel_count
        self.bit_rate = _BITS_PER_SECOND[self.channel_count]
        self._source = source
        self._fps = fps
        self._frame_size = frame_size
        self._source_sample_count = 0
        self._blocks_SC = self._converted()
        self._waiting_SC = np.zeros((0, self.channel_count), dtype=np.float32)
        self._sent = 0

    def until(self, frame_count: int) -> Iterator[AudioFrame]:
        """The next whole encoder frames that end before picture frame `frame_count`, as far as the recording goes."""
        end = int(frame_count * self.rate // self._fps)
        while self._sent + self._frame_size <= end:
            while len(self._waiting_SC) < self._frame_size:
                block_SC = next(self._blocks_SC, None)
                if block_SC is None:
                    return
                self._waiting_SC = np.concatenate([self._waiting_SC, block_SC])
            yield self._take(self._frame_size)

    def finish(self, frame_count: int) -> Iterator[AudioFrame]:
        """What is left, filled up with silence to the end of picture frame `frame_count`.

        Raises:
            EncodeError: The picture has not exactly the frames the recording needs (``encode_length_mismatch``).
        """
        yield from self.until(frame_count)
        end = int(frame_count * self.rate // self._fps)
        for block_SC in self._blocks_SC:
            # Beyond the picture the recording is only counted, to say in the error how long it is.
            if self._sent + len(self._waiting_SC) < end:
                self._waiting_SC = np.concatenate([self._waiting_SC, block_SC])
        needed = -(-self._source_sample_count * self._fps // self._source.rate)
        if frame_count != needed:
            raise EncodeError(
                code="encode_length_mismatch",
                what=f"the picture is {frame_count} frames long and the speech needs {needed}",
                hint="stitch all segments of the speech, once each",
            )
        silence = max(0, end - self._sent - len(self._waiting_SC))
        silence_SC = np.zeros((silence, self.channel_count), dtype=np.float32)
        self._waiting_SC = np.concatenate([self._waiting_SC, silence_SC])
        while self._sent < end:
            yield self._take(min(self._frame_size, end - self._sent))

    def _take(self, count: int) -> AudioFrame:
        taken_SC, self._waiting_SC = self._waiting_SC[:count], self._waiting_SC[count:]
        planes_CS = np.ascontiguousarray(np.clip(taken_SC, -1.0, 1.0).T)
        frame = AudioFrame.from_ndarray(planes_CS, format="fltp", layout=LAYOUTS[self.channel_count])
        frame.sample_rate = self.rate
        frame.time_base = Fraction(1, self.rate)
        frame.pts = self._sent
        self._sent += count
        return frame

    def _counted(self) -> Iterator[Samples]:
        for block_SC in self._source.blocks_SC:
            self._source_sample_count += len(block_SC)
            if self._rows_2C:
                planes_CS = countable(block_SC.T)
                block_SC = np.stack([mixed(planes_CS, row_C) for row_C in self._rows_2C], axis=1)
            yield block_SC

    def _converted(self) -> Iterator[Samples]:
        # Both channels are resampled from the same blocks and ask for them in turn, so tee holds one block at most.
        channels = [
            resample(_one_channel(blocks_SC, channel), source_rate=self._source.rate, target_rate=self.rate)
            for channel, blocks_SC in enumerate(tee(self._counted(), self.channel_count))
        ]
        for planes in zip(*channels, strict=True):
            yield np.stack(planes, axis=1)


def add_voice(master: OutputContainer, sound: MasterSound) -> AudioStream:
    """The stream of a container that a recording is encoded to."""
    # Without bitexact the encoder writes its version into the stream.
    voice = master.add_stream("aac", rate=sound.rate, options={"flags": "+bitexact"})
    voice.layout = LAYOUTS[sound.channel_count]
    voice.bit_rate = sound.bit_rate
    return voice


def _one_channel(blocks_SC: Iterator[Samples], channel: int) -> Iterator[Samples]:
    for block_SC in blocks_SC:
        yield block_SC[:, channel]
