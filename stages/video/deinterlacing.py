"""Frames that were recorded as two fields, made into pictures of one moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

Timed = tuple[Fraction, VideoFrame, bool]
"""The time of a frame in seconds, the frame, and whether it hangs on damaged data."""

_Form = tuple[int, int, str]


def deinterlaced(frames: Iterator[Timed]) -> Iterator[Timed]:
    """The same frames at the same times; of interlaced ones, the lines of the second field are made anew.

    FFmpeg's bwdif finds these lines from the fields before and after, in the order of fields that each frame states.
    Frames before the first interlaced one, and so the whole of most clips, pass untouched.
    """
    graph: Graph | None = None
    form: _Form | None = None
    # One frame comes out for every frame that goes in, later.
    inside: deque[tuple[Fraction, bool]] = deque()
    for time, frame, is_damaged in frames:
        if graph is not None and form != _form(frame):
            yield from _emptied(graph, inside, ended=True)
            graph = None
        if graph is None:
            if not frame.interlaced_frame:
                yield time, frame, is_damaged
                continue
            graph, form = _bwdif(frame), _form(frame)
        inside.append((time, is_damaged))
        graph.push(frame)
        yield from _emptied(graph, inside)
    if graph is not None:
        yield from _emptied(graph, inside, ended=True)


def _form(frame: VideoFrame) -> _Form:
    return frame.width, frame.height, frame.format.name


def _emptied(graph: Graph, inside: deque[tuple[Fraction, bool]], *, ended: bool = False) -> Iterator[Timed]:
    if ended:
        graph.push(None)
    while inside:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, VideoFrame)
        time, is_damaged = inside.popleft()
        yield time, frame, is_damaged


def _bwdif(frame: VideoFrame) -> Graph:
    graph = Graph()
    # One thread is fast enough, and leaves the others to the decoder.
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    filter_ = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(filter_)
    filter_.link_to(sink)
    graph.configure()
    return graph
