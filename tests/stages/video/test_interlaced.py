"""Two fields a frame become one picture; combs that nothing states are told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stages.subject.looks import look_over
from stages.subject.quality import Level, judge_file, judge_looks
from stages.video.decoding import read_decoded, read_facts, read_frames

FPS = Fraction(25)
COUNT = 30


def moments(count: int) -> list[np.ndarray]:
    """A disc and a bar that cross a gradient, as a camera of 50 pictures a second sees them."""
    pictures = []
    for index in range(count):
        picture_HW3 = np.tile(np.linspace(40, 90, 192, dtype=np.uint8)[:, None, None], (1, 256, 3))
        cv2.circle(picture_HW3, (40 + 4 * index, 80), 30, (220, 180, 160), -1, cv2.LINE_AA)
        cv2.rectangle(picture_HW3, (230 - 3 * index, 120), (245 - 3 * index, 180), (30, 60, 200), -1)
        pictures.append(cv2.GaussianBlur(picture_HW3, (0, 0), 1.0))
    return pictures


def woven(pictures: list[np.ndarray], *, top_first: bool) -> list[np.ndarray]:
    frames = []
    for first, second in zip(pictures[::2], pictures[1::2], strict=True):
        frame_HW3 = (second if top_first else first).copy()
        frame_HW3[::2] = (first if top_first else second)[::2]
        frames.append(frame_HW3)
    return frames


def write(path: Path, frames: list[np.ndarray], *, codec: str = "libx264", field: str = "") -> Path:
    """Encode frames, in `field` order (tff, bff) where it is given, else as whole pictures."""
    with av.open(str(path), "w") as out:
        options = {"crf": "4", "bf": "0"} if codec == "libx264" else {"qscale": "2", "bf": "0"}
        if field:
            options |= {"flags": "+ildct+ilme"}
        stream = out.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 256, 192, "yuv420p"
        stream.codec_context.qmin = 1
        marking = av.filter.Graph()
        source = marking.add_buffer(
            width=256, height=192, format=av.VideoFormat("yuv420p"), time_base=1 / FPS
        )
        mark, sink = marking.add("setfield", field or "prog"), marking.add("buffersink")
        source.link_to(mark)
        mark.link_to(sink)
        marking.configure()
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, 1 / FPS
            marking.push(frame)
            out.mux(stream.encode(marking.pull()))
        out.mux(stream.encode(None))
    return path


def decibels(shown: list[np.ndarray], truth: list[np.ndarray]) -> float:
    error = np.stack(shown).astype(float) - np.stack(truth)
    return float(10 * np.log10(255**2 / (error**2).mean()))


@pytest.mark.parametrize("field", ["tff", "bff"])
@pytest.mark.parametrize(("codec", "ending"), [("libx264", "mp4"), ("mpeg2video", "mpg"), ("libx264", "mkv")])
def test_fields_become_the_picture_of_the_first_of_them(tmp_path: Path, field: str, codec: str, ending: str):
    pictures = moments(2 * COUNT)
    frames = woven(pictures, top_first=field == "tff")
    path = write(tmp_path / f"a.{ending}", frames, codec=codec, field=field)
    assert read_facts(path).rendering.interlaced
    shown = list(read_frames(path))
    assert len(shown) == COUNT
    # The first and last frame have no neighbour to take lines from.
    found = decibels(shown[2:-2], pictures[4:-4:2])
    assert found > decibels(frames[2:-2], pictures[4:-4:2]) + 4
    assert found > 32
    assert found > decibels(shown[2:-2], pictures[5:-3:2]) + 3, "a picture of the second field's moment"
    assert max(picture.combing() for picture in read_decoded(path)) < 3e-4


def test_whole_pictures_pass_untouched(tmp_path: Path):
    pictures = moments(COUNT)
    path = write(tmp_path / "a.mp4", pictures)
    assert not read_facts(path).rendering.interlaced
    with av.open(str(path)) as container:
        stored = [frame.planes[0] for frame in container.decode(video=0)]
    for picture, plane in zip(read_decoded(path), stored, strict=True):
        assert bytes(picture.frame.planes[0]) == bytes(plane)


def test_fields_from_the_middle_of_a_clip_on_are_found(tmp_path: Path):
    pictures = moments(2 * COUNT)
    plain = write(tmp_path / "plain.mpg", pictures[:COUNT:2], codec="mpeg2video")
    fields = write(
        tmp_path / "fields.mpg", woven(pictures[COUNT:], top_first=True), codec="mpeg2video", field="tff"
    )
    joined = tmp_path / "joined.m2v"
    with av.open(str(plain)) as one, av.open(str(fields)) as other:
        parts = [bytes(packet) for each in (one, other) for packet in each.demux(video=0) if packet.size]
    joined.write_bytes(b"".join(parts))
    shown = list(read_decoded(joined))
    assert len(shown) == pytest.approx(COUNT, abs=1)  # a bare stream has no clock
    assert max(picture.combing() for picture in shown) < 3e-4


@pytest.mark.parametrize("top_first", [False, True])
def test_combs_in_a_clip_that_states_whole_pictures_are_told(tmp_path: Path, top_first: bool):
    frames = woven(moments(2 * COUNT), top_first=top_first)
    told = {each.code: each for each in judge_looks(look_over(write(tmp_path / "a.mp4", frames)))}
    assert told["combing"].level is Level.WARNING
    assert "bwdif" in told["combing"].advice
    whole = {each.code: each for each in judge_looks(look_over(write(tmp_path / "b.mp4", moments(COUNT))))}
    assert whole["combing"].level is Level.OK


def test_fields_are_told(tmp_path: Path):
    path = write(tmp_path / "a.mp4", woven(moments(20), top_first=True), field="tff")
    told = {each.code: each.measured for each in judge_file(read_facts(path))}
    assert told["interlaced"] == "two fields a frame"
