"""Pictures that are not BT.709 look as they would have in BT.709."""

from __future__ import annotations

from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.subject.quality import Level, judge_file
from stages.video.decoding import read_decoded, read_facts, read_frames
from stages.video.pixels import Picture, Rendering
from stages.video.square import SquareReader

FPS = Fraction(25)
KR_KB = {"709": (0.2126, 0.0722), "601": (0.299, 0.114), "2020": (0.2627, 0.0593)}
BT709_TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""ITU-R BT.2087."""
BT709_TO_P3 = np.array([[0.8225, 0.1774, 0.0001], [0.0332, 0.9669, -0.0001], [0.0171, 0.0724, 0.9105]])


@pytest.fixture(scope="module")
def actor_HW3() -> NDArray[np.uint8]:
    path = str(files("stages.builtin") / "subjects" / "actor-a" / "reference.png")
    return cv2.resize(cv2.imread(path)[..., ::-1], (256, 256), interpolation=cv2.INTER_AREA)


def hlg(light_HW3: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of the screen in cd/m2 to code values (BT.2100, 1000 cd/m2, system gamma 1.2)."""
    shown = light_HW3 / 1000
    luminance = (shown @ [0.2627, 0.6780, 0.0593])[..., None]
    scene = np.clip(shown * np.maximum(luminance, 1e-9) ** (1 / 1.2 - 1), 0, 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


def pq(light_HW3: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084."""
    powered = np.clip(light_HW3 / 10_000, 0, 1) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * powered) / (1 + 2392 / 128 * powered)) ** (2523 / 32)


def write_coded(
    path: Path,
    codes_HW3: NDArray[np.float64],
    *,
    tags: str,
    matrix: str,
    bits: int = 10,
    full: bool = False,
    frames: int = 3,
) -> Path:
    """Encode RGB code values in [0, 1] as luma and colour differences of a matrix, with x264's tags."""
    kr, kb = KR_KB[matrix]
    luma = codes_HW3 @ [kr, 1 - kr - kb, kb]
    blue, red = ((codes_HW3[..., 2] - luma) / (2 - 2 * kb), (codes_HW3[..., 0] - luma) / (2 - 2 * kr))
    most, unit = 2**bits - 1, 2 ** (bits - 8)
    low, high, wide = (0, most, most) if full else (16 * unit, 219 * unit, 224 * unit)
    planes = [low + high * luma, 128 * unit + wide * blue, 128 * unit + wide * red]
    stored = np.stack([np.clip(np.round(plane), 0, most) for plane in planes])
    height, width = luma.shape
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": "1", "x264-params": tags})
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if bits == 8 else "yuv444p10le"
        for index in range(frames):
            frame = av.VideoFrame(width, height, stream.pix_fmt)
            for plane, values in zip(frame.planes, stored, strict=True):
                lines = np.zeros(
                    (height, plane.line_size // (1 if bits == 8 else 2)), np.uint8 if bits == 8 else np.uint16
                )
                lines[:, :width] = values
                plane.update(lines.tobytes())
            frame.pts, frame.time_base = index, 1 / FPS
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def decibels(shown_HW3: NDArray[np.uint8], truth_HW3: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / ((shown_HW3.astype(float) - truth_HW3) ** 2).mean()))


def verdict(path: Path, code: str) -> object:
    return next(each for each in judge_file(read_facts(path)) if each.code == code)


@pytest.mark.parametrize(("name", "coded"), [("arib-std-b67", hlg), ("smpte2084", pq)])
@pytest.mark.parametrize("white", [100, 203])
def test_high_dynamic_range_looks_as_the_same_picture_without_it(
    tmp_path: Path, actor_HW3, name: str, coded, white: int
):
    """White at 203 cd/m2 (BT.2408), and at 100, where converters without it put SDR."""
    picture_HW3 = np.minimum(actor_HW3, 215)
    picture_HW3[-24:] = 255  # a strip of white, by which the two are told apart
    light = white * (picture_HW3 / 255.0) ** 2.4 @ BT709_TO_BT2020.T
    tags = f"colorprim=bt2020:transfer={name}:colormatrix=bt2020nc"
    path = write_coded(tmp_path / "a.mov", coded(light), tags=tags, matrix="2020")
    shown_HW3 = next(read_frames(path))
    assert decibels(shown_HW3[:-32], picture_HW3[:-32]) > 38
    assert 225 < shown_HW3[-12:].mean() <= 255
    assert f"white at {white} cd/m2" in verdict(path, "colours").measured
    square = SquareReader(left=40, top=30, side=64).read(next(read_decoded(path)))
    np.testing.assert_array_equal(square, shown_HW3[30:94, 40:104])


def test_highlights_are_drawn_together_without_a_step_and_keep_their_order(tmp_path: Path):
    ramp = np.linspace(20, 1000, 512)[None, :, None] * np.ones((16, 1, 3))
    tags = "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
    row = next(read_frames(write_coded(tmp_path / "a.mov", hlg(ramp), tags=tags, matrix="2020")))[8].mean(
        axis=-1
    )
    steps = np.diff(row)
    assert steps.min() > -1.5
    assert steps.max() < 5
    assert row[-1] >= 253


@pytest.mark.parametrize(("name", "matrix_33"), [("bt2020", BT709_TO_BT2020), ("smpte432", BT709_TO_P3)])
def test_a_wide_gamut_is_narrowed(tmp_path: Path, actor_HW3, name: str, matrix_33):
    codes = np.clip((actor_HW3 / 255.0) ** 2.4 @ matrix_33.T, 0, 1) ** (1 / 2.4)
    space, matrix = ("bt2020nc", "2020") if name == "bt2020" else ("bt709", "709")
    path = write_coded(
        tmp_path / "a.mov", codes, tags=f"colorprim={name}:transfer=bt709:colormatrix={space}", matrix=matrix
    )
    assert decibels(next(read_frames(path)), actor_HW3) > 40


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("tag", "matrix"), [("bt709", "709"), ("smpte170m", "601"), ("bt470bg", "601")])
def test_matrix_and_range_are_those_of_the_tags(tmp_path: Path, actor_HW3, tag: str, matrix: str, full: bool):
    tags = f"colormatrix={tag}:fullrange={'on' if full else 'off'}"
    path = write_coded(tmp_path / "a.mp4", actor_HW3 / 255.0, tags=tags, matrix=matrix, bits=8, full=full)
    assert decibels(next(read_frames(path)), actor_HW3) > 42


@pytest.mark.parametrize(
    ("height", "width", "matrix"), [(720, 1280, "709"), (960, 540, "709"), (576, 720, "601")]
)
def test_without_tags_the_size_says_which_matrix(
    tmp_path: Path, actor_HW3, height: int, width: int, matrix: str
):
    picture_HW3 = cv2.resize(actor_HW3, (width, height))
    path = write_coded(
        tmp_path / "a.mp4", picture_HW3 / 255.0, tags="colormatrix=undef", matrix=matrix, bits=8, frames=1
    )
    assert decibels(next(read_frames(path)), picture_HW3) > 42


@pytest.mark.parametrize("transfer", ["iec61966-2-1", "bt470m", "smpte170m", "bt2020-10"])
def test_transfers_of_ordinary_screens_are_taken_as_bt709s(tmp_path: Path, actor_HW3, transfer: str):
    tags = f"colorprim=bt709:transfer={transfer}:colormatrix=bt709"
    path = write_coded(tmp_path / "a.mp4", actor_HW3 / 255.0, tags=tags, matrix="709", bits=8)
    assert decibels(next(read_frames(path)), actor_HW3) > 42


def test_opacity_is_left_out_and_told(tmp_path: Path, actor_HW3):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("prores_ks", rate=FPS, options={"profile": "4444"})
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuva444p10le"
        stream.codec_context.colorspace = 1
        rgba = np.dstack([actor_HW3, np.full(actor_HW3.shape[:2], 128, np.uint8)])
        frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(
            format="yuva444p10le", dst_colorspace=1
        )
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert decibels(next(read_frames(path)), actor_HW3) > 35
    assert verdict(path, "colours").level is Level.WARNING


@pytest.mark.parametrize("matrix", ["YCgCo", "bt2020c", "smpte2085", "chroma-derived-c", "ictcp"])
def test_colours_that_cannot_be_converted_are_refused_by_name(tmp_path: Path, actor_HW3, matrix: str):
    path = write_coded(
        tmp_path / "a.mp4", actor_HW3 / 255.0, tags=f"colormatrix={matrix}", matrix="601", bits=8
    )
    with pytest.raises(SubjectError) as caught:
        read_facts(path)
    assert caught.value.code == "clip_colours"
    assert "Rec. 709" in caught.value.hint


def test_a_matrix_that_follows_from_the_primaries_is_theirs(tmp_path: Path, actor_HW3):
    tags = "colorprim=bt709:transfer=bt709:colormatrix=chroma-derived-nc"
    path = write_coded(tmp_path / "a.mp4", actor_HW3 / 255.0, tags=tags, matrix="709", bits=8)
    assert decibels(next(read_frames(path)), actor_HW3) > 42


@pytest.mark.parametrize("reserved", [0, 3, 18, 200])
def test_a_matrix_that_no_standard_has_is_taken_as_unspecified(actor_HW3, reserved: int):
    frame = av.VideoFrame.from_ndarray(actor_HW3, format="rgb24").reformat(format="yuv444p", dst_colorspace=5)
    frame.colorspace = reserved
    assert decibels(Picture(frame, Rendering.of(frame)).upright(), actor_HW3) > 42
    assert Picture(frame, Rendering.of(frame)).thumbnail(size=8).shape == (8, 8, 3)


@pytest.mark.parametrize("tag", [b"dvav", b"dva1"])
def test_what_only_dolby_vision_can_show_is_refused(tmp_path: Path, actor_HW3, tag: bytes):
    path = write_coded(tmp_path / "a.mp4", actor_HW3 / 255.0, tags="colormatrix=undef", matrix="601", bits=8)
    data = path.read_bytes()
    assert data.count(b"avc1") == 2  # a brand of the file, and the codec
    path.write_bytes(data[::-1].replace(b"1cva", tag[::-1], 1)[::-1])
    with pytest.raises(SubjectError) as caught:
        next(read_frames(path))
    assert caught.value.code == "clip_colours"
    assert "Rec. 709" in caught.value.hint


def test_a_turned_clip_of_high_dynamic_range_is_both_turned_and_tone_mapped(tmp_path: Path, actor_HW3):
    picture_HW3 = np.minimum(actor_HW3, 215)
    picture_HW3[-24:] = 255
    light = 203 * (picture_HW3 / 255.0) ** 2.4 @ BT709_TO_BT2020.T
    tags = "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
    plain = write_coded(tmp_path / "a.mov", hlg(light), tags=tags, matrix="2020")
    turned = tmp_path / "b.mov"
    with av.open(str(plain)) as source, av.open(str(turned), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        copy.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    shown_HW3 = next(read_frames(turned))
    np.testing.assert_array_equal(shown_HW3, np.rot90(next(read_frames(plain))))
    square = SquareReader(left=10, top=70, side=48).read(next(read_decoded(turned)))
    np.testing.assert_array_equal(square, shown_HW3[70:118, 10:58])
