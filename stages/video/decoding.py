"""Reading a recorded clip as RGB frames on the farm's time grid.

Legend: H, W pixels; 3 = R, G, B.

Recordings come at 24, 29.97, 59.94 or a varying number of frames per second. They are put on the grid k / fps by their
timestamps: grid frame k shows the recorded frame nearest in time. Time zero is the start of the recording, that of its
sound included, so that grid frame k lies beside the speech samples [640 k, 640 k + 640) of the same file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Final

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stages.errors import SubjectError
from stages.media.clock import LONGEST_HOLE_SECONDS, earliest_start, read_clocks
from stages.media.container import decoded, is_cover, not_media, open_media, packets_of, reading
from stages.payloads import FRAMES_PER_SECOND
from stages.video.deinterlacing import deinterlaced
from stages.video.pixels import Frame, Orientation, Picture, Rendering, UnknownColoursError
from stages.video.timing import ClipNotes, GridNotes, TimedFrames
from stages.video.tone_map import is_high_range, white_behind

_MOST_PIXELS: Final = 8192 * 8192
_SQUARE_ENOUGH: Final = Fraction(1, 100)
"""Of a pixel's width: what rounding a picture to whole macroblocks leaves."""

_DOLBY_TAGS: Final = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
"""Codecs whose pictures only a decoder of Dolby Vision shows in the right colours (its profiles 5, 9 and 10)."""

_LOOKED_AT: Final = 8
"""Key frames that are looked at for their brightest tone."""

_UPRIGHT: Final = Orientation()
_Shape = tuple[int, int, bool, Orientation]
"""Width and height in px, whether of high dynamic range, and how it is turned: what does not change within a clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a clip is, before its frames are read.

    Attributes:
        width: Pixels, as shown (after rotation).
        height: Pixels, as shown (after rotation).
        fps: Recorded frames per second (the average where it varies).
        duration: Seconds of picture as the container states them; 0 where it does not.
        has_sound: Whether there is an audio stream.
        rendering: How its frames are made into pictures.
        rate_varies: Whether frames come at irregular times.
    """

    width: int
    height: int
    fps: Fraction
    duration: Fraction
    has_sound: bool
    rendering: Rendering
    rate_varies: bool


def read_facts(path: Path) -> VideoFacts:
    """Look at a clip without reading it through.

    Raises:
        SubjectError: No such file (``clip_not_found``), no video in it (``clip_no_picture``), not decodable
            (``clip_not_media``), of pixels that are not square (``clip_pixel_shape``), of colours that cannot be
            converted (``clip_colours``), or larger than any camera's picture (``clip_too_large``).
    """
    clocks = read_clocks(path, family=SubjectError, noun="clip")
    with open_media(path, family=SubjectError, noun="clip") as container:
        stream = _video_stream(container, path)
        origin = earliest_start([stream, *container.streams.audio])
        frames = TimedFrames(container, stream, clock=clocks[stream.index], origin=origin, path=path)
        first = next(_timed_frames(frames, path), None)
        if first is None:
            raise _no_picture(path)
        rendering = _rendering(path, stream, first[1])
        height, width = first[1].height, first[1].width
        if rendering.orientation.transposed:
            height, width = width, height
        return VideoFacts(
            width=width,
            height=height,
            fps=1 / frames.frame_length,
            duration=_duration(container, stream),
            has_sound=bool(container.streams.audio),
            rendering=rendering,
            rate_varies=clocks[stream.index].rate_varies,
        )


def read_frames(path: Path, *, fps: Fraction = Fraction(FRAMES_PER_SECOND)) -> Iterator[Frame]:
    """Read a clip as frames at exactly `fps`, one at a time, upright and in the colours of BT.709.

    Args:
        path: Any video file FFmpeg reads.
        fps: Frames per second of the result.

    Yields:
        (H, W, 3) uint8 RGB, contiguous, each its own array.

    Raises:
        SubjectError: As `read_facts`, raised when the first frame is asked for; later also where the picture changes
            its size or how it is to be shown (``clip_changing_size``), or stands still for a minute (``clip_gap``).
    """
    for picture in read_decoded(path, fps=fps):
        yield picture.upright()


def read_decoded(
    path: Path, *, fps: Fraction = Fraction(FRAMES_PER_SECOND), notes: ClipNotes | None = None
) -> Iterator[Picture]:
    """The same frames as `read_frames`, before they are converted, which for large pictures costs most of the time.

    Args:
        path: Any video file FFmpeg reads.
        fps: Frames per second of the result.
        notes: Filled in, once the last frame was read, with what was found.

    Raises:
        SubjectError: As `read_frames`.
    """
    step = 1 / Fraction(fps)
    clocks = read_clocks(path, family=SubjectError, noun="clip")
    with (
        open_media(path, family=SubjectError, noun="clip") as container,
        reading(path, family=SubjectError, noun="clip"),
    ):
        stream = _video_stream(container, path)
        origin = earliest_start([stream, *container.streams.audio])
        frames = TimedFrames(container, stream, clock=clocks[stream.index], origin=origin, path=path)
        grid = GridNotes(frames)
        target = Fraction(0)
        timed = _timed_frames(frames, path)
        first = next(timed, None)
        if first is None:
            raise _no_picture(path)
        rendering = _rendering(path, stream, first[1])
        held: Picture | None = None
        held_time, is_damaged = Fraction(0), False
        for time, frame, hangs_on_damage in deinterlaced(chain([first], timed)):
            # Damaged timestamps lie years apart, and every frame between them would be handed out.
            if time - held_time > LONGEST_HOLE_SECONDS:
                raise _gap(path, held_time)
            # Halfway between two recorded frames the earlier one is still on screen. A recording that starts late
            # shows its first frame from time zero on.
            while held is not None and target - held_time <= time - target:
                grid.shown(target, time=held_time, is_damaged=is_damaged)
                yield held
                target += step
            grid.taken(time, before=None if held is None else held_time)
            held, held_time, is_damaged = Picture(frame, rendering), time, hangs_on_damage
        assert held is not None
        # The last frame stays to its end; the length is rounded to the nearest number of frames.
        end = held_time + min(frames.frame_length, Fraction(LONGEST_HOLE_SECONDS))
        while 2 * (end - target) >= step:
            grid.shown(target, time=held_time, is_damaged=is_damaged)
            yield held
            target += step
    if notes is not None:
        grid.fill_in(notes)
        notes.account = replace(notes.account, shown=rendering.done())


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = next((each for each in container.streams.video if not is_cover(each)), None)
    if stream is None:
        raise _no_picture(path)
    # The attribute is missing, too, where the codec is not known.
    if getattr(stream, "codec_context", None) is None:
        raise not_media(path, family=SubjectError, noun="clip")
    shape = Fraction(stream.sample_aspect_ratio or 1)
    if abs(shape - 1) > _SQUARE_ENOUGH:
        raise _not_square(path, shape)
    if stream.width * stream.height > _MOST_PIXELS:
        raise _too_large(path, f"{stream.width} x {stream.height}")
    # Within the stream it may still grow.
    stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
    # Frame threads are faster, and decoding is exact with any number of them.
    stream.thread_type = "AUTO"
    return stream


def _timed_frames(frames: TimedFrames, path: Path) -> Iterator[tuple[Fraction, VideoFrame, bool]]:
    """See `TimedFrames`; refused where pictures change on the way."""
    shape: _Shape | None = None
    for time, frame, hangs_on_damage in frames:
        shape = shape or _shape(frame)
        # In a bare stream key frames alone say how they are turned.
        if _shape(frame, turned=shape[-1]) != shape:
            raise _changing_size(path, f"{shape[0]} x {shape[1]}", f"{frame.width} x {frame.height}")
        yield time, frame, hangs_on_damage


def _shape(frame: VideoFrame, *, turned: Orientation = _UPRIGHT) -> _Shape:
    return frame.width, frame.height, is_high_range(frame.color_trc), Orientation.of(frame) or turned


def _rendering(path: Path, stream: VideoStream, first: VideoFrame) -> Rendering:
    """How a clip is to be shown, from its first frame and what its container says.

    Raises SubjectError (``clip_colours``) where its colours cannot be converted.
    """
    if stream.codec_context.codec_tag in _DOLBY_TAGS:
        raise _unknown_colours(path, "Dolby Vision's own")
    try:
        rendering = Rendering.of(first)
    except UnknownColoursError as error:
        raise _unknown_colours(path, str(error)) from error
    # Matroska keeps no matrix: older writers left the angle of the file they copied in a tag.
    tag = next((value for name, value in stream.metadata.items() if name.lower() == "rotate"), "")
    if rendering.orientation == _UPRIGHT and tag.removeprefix("-").isdecimal():
        rendering = replace(rendering, orientation=Orientation.turned(int(tag)))
    tone_map = rendering.tone_map
    if tone_map is not None and is_high_range(first.color_trc):
        brightest = max(Picture(frame, rendering).brightest() for frame in _key_frames(path, first))
        rendering = replace(rendering, tone_map=replace(tone_map, white=white_behind(brightest)))
    return rendering


def _key_frames(path: Path, first: VideoFrame) -> Iterator[VideoFrame]:
    """The first frame, and some of the key frames after it."""
    yield first
    with (
        open_media(path, family=SubjectError, noun="clip") as container,
        reading(path, family=SubjectError, noun="clip"),
    ):
        stream = _video_stream(container, path)
        stream.codec_context.skip_frame = "NONKEY"
        frames = (frame for packet in packets_of(container, stream) for frame in decoded(packet))
        yield from islice(frames, 1, _LOOKED_AT)


def _duration(container: InputContainer, stream: VideoStream) -> Fraction:
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * Fraction(stream.time_base)
    if container.duration is not None:
        return Fraction(container.duration, 1_000_000)
    return Fraction(0)


def _too_large(path: Path, size: str) -> SubjectError:
    return SubjectError(
        code="clip_too_large",
        what=f"the picture is said to be {size} pixels",
        hint="hand in a clip of at most 8192 x 8192; more than 4K is of no use",
        where=str(path),
    )


def _not_square(path: Path, shape: Fraction) -> SubjectError:
    return SubjectError(
        code="clip_pixel_shape",
        what=f"its pixels are not square: {float(shape):.3f} times as wide as high",
        hint="export it with square pixels: ffmpeg -i IN -vf scale=iw*sar:ih,setsar=1 OUT",
        where=str(path),
    )


def _changing_size(path: Path, first: str, later: str) -> SubjectError:
    return SubjectError(
        code="clip_changing_size",
        what=f"the picture changes on the way, from {first} to {later} pixels or in how it is to be shown",
        hint="cut the clip where it changes",
        where=str(path),
    )


def _unknown_colours(path: Path, colours: str) -> SubjectError:
    return SubjectError(
        code="clip_colours",
        what=f"its colours are {colours}, which cannot be converted",
        hint="export it as SDR (Rec. 709), or record without Dolby Vision",
        where=str(path),
    )


def _gap(path: Path, time: Fraction) -> SubjectError:
    return SubjectError(
        code="clip_gap",
        what=f"after {float(time):.1f} s there is no picture for more than {LONGEST_HOLE_SECONDS} s",
        hint="cut the clip there, or export it again: its timestamps may be damaged",
        where=str(path),
    )


def _no_picture(path: Path) -> SubjectError:
    return SubjectError(
        code="clip_no_picture",
        what="there is no video in this file",
        hint="hand in a clip of the subject speaking",
        where=str(path),
    )
