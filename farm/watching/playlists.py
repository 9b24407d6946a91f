"""Playlists of HLS (RFC 8216, version 7) as text, from what there is to be listed.

Pictures and sound are two renditions that grow together and in step. A list only ever grows at its end, so that a
player that has it loads what is new; it ends with a tag that says that nothing more comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from stages.encode.stitch import SYNTHETIC_MARK


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One line of a media playlist.

    Attributes:
        name: Of the file, beside the playlist.
        duration: Seconds.
    """

    name: str
    duration: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedQuality:
    """What a player has to know before it takes up a stream.

    Attributes:
        codecs: As RFC 6381 names them, pictures first.
        bits_per_second: No piece has more, sound included.
        width, height: Pixels.
        fps: Frames per second.
        channel_count: Of the sound.
        captions: Name of the playlist of captions, beside the others; empty where there are none.
        language: Tag of the language of the captions; empty where nobody says.
    """

    codecs: tuple[str, ...]
    bits_per_second: int
    width: int
    height: int
    fps: Fraction
    channel_count: int
    captions: str = ""
    language: str = ""


def multivariant_playlist(quality: StreamedQuality, *, pictures: str, sound: str) -> str:
    """The playlist that a player opens.

    Args:
        quality: The one quality that there is.
        pictures, sound: Names of the media playlists, beside this one.
    """
    media = [
        "TYPE=AUDIO",
        'GROUP-ID="sound"',
        'NAME="Speech"',
        "DEFAULT=YES",
        "AUTOSELECT=YES",
        f'CHANNELS="{quality.channel_count}"',
        f'URI="{sound}"',
    ]
    stream = [
        f"BANDWIDTH={quality.bits_per_second}",
        f'CODECS="{",".join(quality.codecs)}"',
        f"RESOLUTION={quality.width}x{quality.height}",
        f"FRAME-RATE={float(quality.fps):.3f}",
        'AUDIO="sound"',
        *(['SUBTITLES="captions"'] if quality.captions else []),
        "CLOSED-CAPTIONS=NONE",
    ]
    return _text(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            # Players begin at the end of a list that grows where nothing is said.
            "#EXT-X-START:TIME-OFFSET=0",
            f'#EXT-X-SESSION-DATA:DATA-ID="org.moda-farm.synthetic",LANGUAGE="en",VALUE="{SYNTHETIC_MARK}"',
            f"#EXT-X-MEDIA:{','.join(media)}",
            *([f"#EXT-X-MEDIA:{','.join(_captions(quality))}"] if quality.captions else []),
            f"#EXT-X-STREAM-INF:{','.join(stream)}",
            pictures,
        ]
    )


def _captions(quality: StreamedQuality) -> list[str]:
    return [
        "TYPE=SUBTITLES",
        'GROUP-ID="captions"',
        'NAME="Captions"',
        "DEFAULT=NO",
        "AUTOSELECT=YES",
        *([f'LANGUAGE="{quality.language}"'] if quality.language else []),
        f'URI="{quality.captions}"',
    ]


def media_playlist(
    pieces: Iterable[Piece], *, header: str, longest_s: int, began_at: datetime, is_ended: bool
) -> str:
    """The playlist of one rendition, from its first piece on.

    Args:
        pieces: In order, without a gap.
        header: Name of the file that begins every piece; empty where pieces need none.
        longest_s: Seconds that no piece exceeds when it is rounded; the same as long as the list grows.
        began_at: The moment that the beginning of the first piece stands for.
        is_ended: Nothing more comes.
    """
    moment = began_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{longest_s}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=0",
        *([f'#EXT-X-MAP:URI="{header}"'] if header else []),
        f"#EXT-X-PROGRAM-DATE-TIME:{moment}",
    ]
    for piece in pieces:
        lines += [f"#EXTINF:{float(piece.duration):.6f},", piece.name]
    return _text(lines + (["#EXT-X-ENDLIST"] if is_ended else []))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
