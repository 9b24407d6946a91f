"""The whole display matrix: turns, mirrors and transposes, wherever a file keeps it."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from stages.subject.quality import Level, judge_file
from stages.video.decoding import read_decoded, read_facts, read_frames
from stages.video.square import SquareReader

FPS = Fraction(25)


def corners(count: int = 3) -> list[np.ndarray]:
    """No two of its eight orientations look alike."""
    picture_HW3 = np.full((48, 64, 3), 60, np.uint8)
    picture_HW3[:16, :16] = (220, 40, 40)
    picture_HW3[:16, -32:] = (40, 40, 220)
    picture_HW3[-8:, :24] = (40, 200, 40)
    return [picture_HW3] * count


def with_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """Write a display matrix into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    rows = [int(value * 65_536) for value in (a, b, 0, c, d, 0, 0, 0)]
    data[start : start + 36] = struct.pack(">9i", *rows, 1 << 30)
    path.write_bytes(data)
    return path


def shown_by(a: int, b: int, c: int, d: int, stored_HW3: np.ndarray) -> np.ndarray:
    """Pixel by pixel: (x, y) goes to (a x + c y, b x + d y)."""
    height, width = stored_HW3.shape[:2]
    y_HW, x_HW = np.mgrid[:height, :width]
    right_HW, down_HW = a * x_HW + c * y_HW, b * x_HW + d * y_HW
    right_HW, down_HW = right_HW - right_HW.min(), down_HW - down_HW.min()
    shown = np.zeros((down_HW.max() + 1, right_HW.max() + 1, 3), np.uint8)
    shown[down_HW, right_HW] = stored_HW3
    return shown


MATRICES = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, 1, -1, 0),
    (0, -1, 1, 0),
    (0, 1, 1, 0),
]
MATRICES.append((0, -1, -1, 0))


@pytest.mark.parametrize("matrix", MATRICES)
def test_every_turn_and_mirror_is_shown_as_the_matrix_says(write_clip, matrix: tuple[int, int, int, int]):
    path = with_matrix(write_clip("a.mp4", corners(), fps=FPS), *matrix)
    expected = shown_by(*matrix, next(read_frames(write_clip("plain.mp4", corners(), fps=FPS))))
    facts = read_facts(path)
    assert (facts.height, facts.width) == expected.shape[:2]
    np.testing.assert_array_equal(next(read_frames(path)), expected)
    square = SquareReader(left=3, top=5, side=20).read(next(read_decoded(path)))
    np.testing.assert_array_equal(square, expected[5:25, 3:23])


def test_the_orientation_in_the_stream_of_a_bare_file_counts_too(tmp_path: Path, write_clip):
    plain = write_clip("plain.h264", corners(), fps=FPS, pixel_format="yuv420p")
    path = tmp_path / "turned.h264"
    with av.open(str(plain)) as source, av.open(str(path), "w", format="h264") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        turn = BitStreamFilterContext(
            "h264_metadata=display_orientation=insert:rotate=90:flip=horizontal", stream
        )
        for packet in source.demux(stream):
            for changed in turn.filter(packet if packet.size else None):
                changed.stream = copy
                target.mux(changed)
    frame = next(av.open(str(path)).decode(video=0))
    a, b, _, c, d = np.frombuffer(bytes(frame.side_data["DISPLAYMATRIX"]), np.int32)[:5] // 65_536
    assert (abs(b), abs(c), a, d) == (1, 1, 0, 0)
    np.testing.assert_array_equal(next(read_frames(path)), shown_by(a, b, c, d, next(read_frames(plain))))


def test_an_angle_in_a_tag_of_matroska_counts(tmp_path: Path, write_clip):
    plain, path = write_clip("plain.mkv", corners(), fps=FPS), tmp_path / "turned.mkv"
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        copy.metadata["ROTATE"] = "90"
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    np.testing.assert_array_equal(next(read_frames(path)), np.rot90(next(read_frames(plain)), -1))


@pytest.mark.parametrize(("degrees", "turns"), [(3, 0), (87, 1), (184, 2)])
def test_an_angle_that_is_no_quarter_turn_goes_to_the_nearest_and_is_told(
    write_clip, degrees: int, turns: int
):
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    path = with_matrix(write_clip("a.mp4", corners(), fps=FPS), cosine, sine, -sine, cosine)
    plain = next(read_frames(write_clip("plain.mp4", corners(), fps=FPS)))
    np.testing.assert_array_equal(next(read_frames(path)), np.rot90(plain, -turns))
    verdict = next(each for each in judge_file(read_facts(path)) if each.code == "orientation")
    assert verdict.level is Level.WARNING
    assert f"{degrees - 90 * turns} degrees" in verdict.measured


def test_a_mirrored_clip_is_told(write_clip):
    path = with_matrix(write_clip("a.mp4", corners(), fps=FPS), -1, 0, 0, 1)
    assert "mirrored" in [each.measured for each in judge_file(read_facts(path))]
