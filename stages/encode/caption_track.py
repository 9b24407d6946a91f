"""Captions as a track of an MP4 (3GPP timed text, which FFmpeg calls mov_text), in step with the pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream

from stages.encode.captions import Captions
from stages.encode.languages import three_letters

_TIME_BASE: Final = Fraction(1, 1000)
_LARGEST_TEXT: Final = 0xFFFF

_STYLE: Final = """[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""How players that ask the track for it draw the words: what FFmpeg says for SubRip."""


class CaptionTrack:
    """The track of one master. Use once."""

    def __init__(self, container: OutputContainer, captions: Captions, *, fps: Fraction) -> None:
        """Adds it to a container that nothing was written to yet."""
        stream = container.add_stream("mov_text")
        assert isinstance(stream, SubtitleStream)
        stream.time_base = _TIME_BASE
        stream.metadata["language"] = three_letters(captions.language)
        context = stream.codec_context
        context.time_base = _TIME_BASE
        context.subtitle_header = _STYLE.replace("\n", "\r\n").encode()
        context.open()
        self._stream, self._fps = stream, fps
        self._waiting = deque(captions.shown())

    def until(self, frame_count: int) -> Iterator[Packet[Any]]:
        """What begins before picture frame `frame_count` and was not handed out yet."""
        end_ms = frame_count * 1000 / self._fps
        while self._waiting and self._waiting[0][0] < end_ms:
            yield self._packet(*self._waiting.popleft())

    def _packet(self, start: int, stop: int, text: str) -> Packet[Any]:
        # Its length is written with two bytes; many cues that overlap may have more.
        data = text.encode()[:_LARGEST_TEXT].decode(errors="ignore").encode()
        packet = Packet(len(data).to_bytes(2, "big") + data)
        packet.pts = packet.dts = start
        packet.duration = stop - start
        packet.time_base = _TIME_BASE
        packet.stream = self._stream
        return packet
