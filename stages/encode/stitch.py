"""The master: all segments joined without encoding them again, the speech encoded once, in one MP4 or none.

Frame i lies at exactly i / fps. The file is written beside its final name and renamed when it is whole and on the
disk, so that a reader sees either the whole master or nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from stages.encode.caption_track import CaptionTrack
from stages.encode.captions import Captions
from stages.encode.coded_pictures import bad_segment, coded_pictures, opened_segment
from stages.encode.sound import MasterSound, add_voice
from stages.errors import EncodeError
from stages.speech.decode import read_speech
from stages.speech.downmix import HeardSound
from stages.speech.source import open_speech
from stages.whole_files import written_whole

SYNTHETIC_MARK = "Synthetic media: a machine made this picture; nobody was filmed speaking these words."

# What an MP4 can say about itself under a name players show. The rest is spelt out in the comment.
_MP4_KEYS = frozenset(
    {"title", "artist", "album", "comment", "copyright", "date", "description", "genre", "synopsis"}
)
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchedMaster:
    """A finished master, as its manifest describes it.

    Attributes:
        sha256: Of the whole file.
        size_bytes: Of the whole file.
        frame_count: Frames of picture.
        duration: Seconds of picture, frame_count / fps.
        width: Pixels.
        height: Pixels.
        sound_rate: Samples per second of the stored sound.
        sound_channel_count: 1 or 2.
    """

    sha256: str
    size_bytes: int
    frame_count: int
    duration: Fraction
    width: int
    height: int
    sound_rate: int
    sound_channel_count: int


def stitch(
    segments: Iterable[bytes],
    *,
    speech_path: Path,
    output: Path,
    fps: Fraction,
    metadata: Mapping[str, str],
    heard: HeardSound | None = None,
    captions: Captions | None = None,
    when_whole: Callable[[Path, StitchedMaster], None] | None = None,
) -> StitchedMaster:
    """Join segments and speech into the master.

    Equal input gives equal bytes. On any failure nothing is left behind and an older `output` stays as it was.

    Args:
        segments: Segments as `encode_segment` made them, in order; one is held at a time.
        speech_path: The recording the motion was made from.
        output: Where the master goes; missing folders are made.
        fps: Frames per second of the segments.
        metadata: Shown in the file: title, comment and so on; `SYNTHETIC_MARK` is always added.
        heard: What of the recording the motion was made from; None: as `read_speech` hears it, which reads it twice.
        captions: Shown as a track of their own; none of them lasts longer than the picture.
        when_whole: Called with the whole master before it gets its name; what it raises leaves nothing behind.

    Raises:
        EncodeError: ``encode_output_unwritable``, ``encode_disk_full``, ``encode_bad_segment``, ``encode_no_frames``,
            ``encode_length_mismatch``.
        SpeechError: The recording cannot be read.
    """
    heard = heard or read_speech(speech_path).heard
    assert heard is not None  # as of every speech that comes from a file
    with _master(output) as partial:
        made = _write(
            segments,
            speech_path=speech_path,
            heard=heard,
            partial=partial,
            fps=fps,
            metadata=_described(metadata),
            captions=captions,
        )
        if when_whole is not None:
            when_whole(partial, made)
    return made


def _write(
    segments: Iterable[bytes],
    *,
    speech_path: Path,
    heard: HeardSound,
    partial: Path,
    fps: Fraction,
    metadata: Mapping[str, str],
    captions: Captions | None,
) -> StitchedMaster:
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with (
        open_speech(speech_path, track=heard.track) as source,
        av.open(str(partial), mode="w", format="mp4", options=options) as master,
    ):
        master.metadata.update(metadata)
        sound = MasterSound(source, downmix=heard.downmix, fps=fps)
        picture: VideoStream | None = None
        voice: AudioStream | None = None
        words: CaptionTrack | None = None
        frame_count = 0
        for data in segments:
            with opened_segment(data) as (segment, segment_stream):
                if picture is None:
                    picture = master.add_stream_from_template(segment_stream)
                    voice = add_voice(master, sound)
                    words = None if captions is None else CaptionTrack(master, captions, fps=fps)
                assert voice is not None  # made together with the picture
                _refuse_other_settings(picture, segment_stream)
                for packet in coded_pictures(segment, segment_stream, first=frame_count, fps=fps):
                    packet.stream = picture
                    master.mux(packet)
                    frame_count += 1
            # In step with the picture, so that nothing waits in memory for its neighbour.
            for frame in sound.until(frame_count):
                master.mux(voice.encode(frame))
            if words is not None:
                for packet_of_words in words.until(frame_count):
                    master.mux(packet_of_words)
        if picture is None or voice is None:
            raise EncodeError(code="encode_no_frames", what="there are no segments to stitch")
        for frame in sound.finish(frame_count):
            master.mux(voice.encode(frame))
        master.mux(voice.encode(None))
        width, height = picture.width, picture.height
    return StitchedMaster(
        sha256=_sha256(partial),
        size_bytes=partial.stat().st_size,
        frame_count=frame_count,
        duration=frame_count / fps,
        width=width,
        height=height,
        sound_rate=sound.rate,
        sound_channel_count=sound.channel_count,
    )


def _refuse_other_settings(picture: VideoStream, segment: VideoStream) -> None:
    # A player is told the settings once, at the top of the file; a segment made with others would decode to garbage.
    if picture.codec_context.extradata != segment.codec_context.extradata:
        raise bad_segment("it was encoded with other settings than the first")


def _described(metadata: Mapping[str, str]) -> dict[str, str]:
    known = {key: value for key, value in metadata.items() if key in _MP4_KEYS and key != "comment"}
    others = [f"{key}: {value}" for key, value in sorted(metadata.items()) if key not in _MP4_KEYS]
    comment = [SYNTHETIC_MARK, metadata.get("comment", ""), "; ".join(others)]
    return known | {"comment": " ".join(filter(None, comment))}


@contextmanager
def _master(output: Path) -> Iterator[Path]:
    """A file beside `output` that becomes `output` at the end, or vanishes with the folders made for it."""
    made: list[Path] = []
    try:
        made += [folder for folder in output.parents if not folder.exists()]
        if output.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # One by one: mkdir(parents=True) calls itself for every level, and a job may name a thousand.
        for folder in (*reversed(made), output.parent):
            folder.mkdir(exist_ok=True)
        with written_whole(output) as partial:
            yield partial
    except BaseException as error:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, (OSError, av.FFmpegError)):
            raise _unwritten(output, error) from error
        raise


def _unwritten(output: Path, error: OSError | av.FFmpegError) -> EncodeError:
    if error.errno in _NO_ROOM:
        return EncodeError(
            code="encode_disk_full",
            what="there is no room left for the master",
            hint="free some space, or write to another disk",
            where=str(output),
        )
    if isinstance(error, OSError):
        return EncodeError(
            code="encode_output_unwritable",
            what=f"the master cannot be written: {error.strerror or error}",
            hint="check that the folder exists and may be written to",
            where=str(output),
        )
    return EncodeError(
        code="encode_muxer", what=f"FFmpeg refused to write the master: {error}", where=str(output)
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
