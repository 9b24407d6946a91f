"""One square of every frame of a clip, without converting the rest of the picture to RGB.

Legend: H/W pixels, 3 = RGB.
"""

from __future__ import annotations

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from stages.video.pixels import Frame, Picture

_MARGIN = 16
"""Pixels kept around the square: a pixel's colour is drawn from neighbours, chroma's from twice as far."""


class SquareReader:
    """Cuts decoded frames of one clip; the same pixels as a cut of the whole picture."""

    def __init__(self, *, left: int, top: int, side: int) -> None:
        """The square in px of the upright picture, within it."""
        self._left, self._top, self._side = left, top, side
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def read(self, picture: Picture) -> Frame:
        """The square of one frame, (side, side, 3) uint8 RGB."""
        orientation, frame = picture.rendering.orientation, picture.frame
        left, top = orientation.stored_corner(
            left=self._left, top=self._top, side=self._side, width=frame.width, height=frame.height
        )
        across, down = (
            _even_span(start, self._side, size) for start, size in ((left, frame.width), (top, frame.height))
        )
        cropped_HW3 = Picture(self._crop(frame, across=across, down=down), picture.rendering).stored()
        left, top = left - across.start, top - down.start
        square_HW3 = cropped_HW3[top : top + self._side, left : left + self._side]
        return np.ascontiguousarray(orientation.apply(square_HW3))

    def _crop(self, frame: VideoFrame, *, across: range, down: range) -> VideoFrame:
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None or self._shape != shape:
            self._graph, self._shape = _crop_graph(frame, across=across, down=down), shape
        self._graph.push(frame)
        cropped = self._graph.pull()
        assert isinstance(cropped, VideoFrame)
        return cropped


def _even_span(start: int, length: int, size: int) -> range:
    """Pixels around [start, start + length), opening at an even one, where chroma is stored for every other."""
    return range(max(0, start - _MARGIN) // 2 * 2, min(size, start + length + _MARGIN))


def _crop_graph(frame: VideoFrame, *, across: range, down: range) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    crop = graph.add("crop", f"{len(across)}:{len(down)}:{across.start}:{down.start}")
    sink = graph.add("buffersink")
    source.link_to(crop)
    crop.link_to(sink)
    graph.configure()
    return graph
