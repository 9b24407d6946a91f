"""The pictures of a prepared clip, frame k of which belongs to frame k of its tracks.

Legend: T frames, H/W pixels, 3 = RGB.

They are kept as video, nearly lossless and with a key frame twice a second; of the first second every frame is one, so
that pictures before the speech can be cut off. Who reads them at random (training does) gets them as one array on disk,
made once for each size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS
from stages.payloads import FRAMES_PER_SECOND
from stages.subject.framing import Frame, framed_frames, resized
from stages.subject.tracks import ClipTracks, clip_folder
from stages.video.decoding import read_frames
from stages.whole_files import beside, flush, written_whole

FRAMES_FILE: Final = "frames.mp4"

_ENCODER: Final = {
    "preset": "superfast",
    "crf": "12",
    "forced-idr": "1",
    "x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=0:colorprim=bt709:transfer=bt709"
    ":colormatrix=bt709:fullrange=off",
}
"""Without B-frames and with a key frame every 12 frames, any frame is at most 12 decodings away."""

FREE_START: Final = FRAMES_PER_SECOND
"""What is stored can be made to begin with any of its first frames up to this one."""


def clip_frames(folder: Path, *, size: int) -> NDArray[np.uint8]:
    """The frames (T, size, size, 3) of a prepared clip, read-only and mapped from disk.

    The first call writes them beside the clip, one at a time, so memory does not grow with the clip; several
    processes may do so at once. A clip prepared without its pictures is read from its source.

    Raises:
        SubjectError: no prepared clip in the folder (``clip_not_prepared``), or fewer pictures than tracks
            (``clip_frames_missing``).
    """
    home = clip_folder(folder)
    cached = home / f"frames-{size}.npy"
    if not cached.is_file():
        tracks = ClipTracks.load(home)
        _write_array(cached, stored_frames(home, tracks, size=size), count=tracks.frame_count, size=size)
    frames_THW3: NDArray[np.uint8] = np.load(cached, mmap_mode="r")
    return frames_THW3


def forget_frames(folder: Path) -> None:
    """Remove the arrays that `clip_frames` made, when the pictures they were made from are replaced."""
    for cached in clip_folder(folder).glob("frames-[0-9]*.npy"):
        cached.unlink()


class FrameWriter:
    """Writes square RGB frames (512, 512, 3) as video at 25 fps, whole or not at all; use as a context manager.

    Full chroma: half of it would blur the red of the lips.
    """

    def __init__(self, path: Path) -> None:
        """The video stands at `path` once the block is left without an error."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._whole = ExitStack()
        self._partial = self._whole.enter_context(beside(path))
        self._container = av.open(str(self._partial), "w", format="mp4")
        stream = self._container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=dict(_ENCODER))
        stream.width = stream.height = CANVAS
        stream.pix_fmt = "yuv444p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, FRAMES_PER_SECOND)
        self._stream = stream
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._whole:
            if error is None and self._count:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if error is None:
                flush(self._partial)
                self._partial.replace(self._path)

    def write(self, frame_HW3: Frame) -> None:
        """Append a frame."""
        picture = VideoFrame.from_ndarray(frame_HW3, format="rgb24").reformat(
            format="yuv444p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts, picture.time_base = self._count, Fraction(1, FRAMES_PER_SECOND)
        if self._count <= FREE_START:
            picture.pict_type = PictureType.I
        self._container.mux(self._stream.encode(picture))
        self._count += 1


def write_frames(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as `FrameWriter` does."""
    with FrameWriter(path) as writer:
        for frame_HW3 in frames:
            writer.write(frame_HW3)


def trim_frames(path: Path, *, start: int = 0, count: int) -> None:
    """Leave `count` frames of what `FrameWriter` wrote, from one of the first on, as they are stored; all or none.

    Raises ValueError where `start` is beyond `FREE_START`.
    """
    if not 0 <= start <= FREE_START:
        raise ValueError(f"a video cannot be made to begin at frame {start}")
    with (
        written_whole(path) as partial,
        av.open(str(path)) as source,
        av.open(str(partial), "w", format="mp4") as target,
    ):
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for index, packet in enumerate(islice(_pictures_of(source, stream), start, start + count)):
            packet.stream, packet.time_base = copy, Fraction(1, FRAMES_PER_SECOND)
            packet.pts = packet.dts = index
            packet.duration = 1
            target.mux(packet)


def stored_count(path: Path) -> int:
    """How many frames `FrameWriter` wrote, without decoding them."""
    with av.open(str(path)) as source:
        return sum(1 for _ in _pictures_of(source, source.streams.video[0]))


def _pictures_of(source: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Packets, which without B-frames lie in the order of their frames; an empty one ends the stream."""
    return (packet for packet in source.demux(stream) if packet.size)


def align_frames(folder: Path, tracks: ClipTracks, *, shot: range, again: Iterator[Frame]) -> None:
    """Bring the stored pictures, which are those of the whole shot, in line with the tracks; may be done twice.

    Args:
        folder: of the prepared clip.
        tracks: of the clip.
        shot: frames of the recording that were stored.
        again: the pictures of the tracks, read from the recording only where they cannot be cut from what is stored.
    """
    path = folder / FRAMES_FILE
    skipped = tracks.facts.first_frame - shot.start
    stored = stored_count(path) if path.is_file() else 0
    if stored == tracks.frame_count:
        return
    if stored == len(shot) and skipped <= FREE_START:
        trim_frames(path, start=skipped, count=tracks.frame_count)
    else:
        forget_frames(folder)
        write_frames(path, again)


def stored_frames(folder: Path, tracks: ClipTracks, *, size: int) -> Iterator[Frame]:
    """The frames (size, size, 3) of a prepared clip in order; from its source where it was prepared without them."""
    home = clip_folder(folder)
    if (home / FRAMES_FILE).is_file():
        for frame_HW3 in read_frames(home / FRAMES_FILE):
            yield resized(frame_HW3, size)
        return
    facts = tracks.facts
    yield from framed_frames(
        Path(facts.source), framing=facts.framing, first_frame=facts.first_frame, size=size
    )


def _write_array(path: Path, frames: Iterator[Frame], *, count: int, size: int) -> None:
    with written_whole(path) as partial, partial.open("xb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        written = 0
        for frame_HW3 in islice(frames, count):
            file.write(np.ascontiguousarray(frame_HW3).data)
            written += 1
        if written < count:
            raise SubjectError(
                code="clip_frames_missing",
                where=str(path.parent),
                what=f"there are {written} pictures to {count} frames of tracks",
                hint="prepare the clip again",
            )
