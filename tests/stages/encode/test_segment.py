from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from stages.encode.profile import FULL, PREVIEW, profile_named
from stages.encode.segment import encode_segment, verify_segment
from stages.errors import EncodeError
from stages.video.pixels import Picture, Rendering

FPS = Fraction(25)


def test_equal_frames_give_equal_bytes(moving, tiny):
    first, second = (encode_segment(moving(0, 50), fps=FPS, profile=tiny) for _ in range(2))
    assert first == second


def test_another_process_gives_the_same_bytes():
    script = (
        "import hashlib, numpy as np\n"
        "from fractions import Fraction\n"
        "from stages.encode.profile import PREVIEW\n"
        "from stages.encode.segment import encode_segment\n"
        "rng = np.random.default_rng(5)\n"
        "base = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)\n"
        "data = encode_segment((np.roll(base, k, 1) for k in range(50)), fps=Fraction(25), profile=PREVIEW)\n"
        "print(hashlib.sha256(data).hexdigest(), end='')\n"
    )
    # Run twice, once under another hash seed and thread setting.
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, threads in (("0", "1"), ("1", "2"))
    }
    assert len(hashes) == 1
    assert len(hashes.pop()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize("count", [1, 2, 49, 50])
def test_a_segment_holds_its_frames_at_their_times_behind_one_key_frame(moving, tiny, count: int):
    data = encode_segment(moving(0, count), fps=FPS, profile=tiny)
    verify_segment(data, frame_count=count, size=64)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
    assert [packet.pts * packet.time_base for packet in packets] == [k / FPS for k in range(count)]
    assert [packet.pts for packet in packets] == [packet.dts for packet in packets]
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * (count - 1)


def test_cuts_inside_a_segment_open_no_second_group(tiny):
    rng = np.random.default_rng(0)
    flashes = [np.full((64, 64, 3), rng.integers(0, 256, 3), np.uint8) for _ in range(50)]
    data = encode_segment(flashes, fps=FPS, profile=tiny)
    with av.open(io.BytesIO(data)) as container:
        assert sum(frame.key_frame for frame in container.decode(video=0)) == 1


def test_the_picture_is_tagged_and_kept_as_bt709(moving, tiny):
    frames = moving(0, 10)
    data = encode_segment(frames, fps=FPS, profile=tiny)
    with av.open(io.BytesIO(data)) as container:
        shown = [
            (frame.colorspace, frame.color_range, Picture(frame, Rendering.of(frame)).upright())
            for frame in container.decode(video=0)
        ]
    assert {(space, levels) for space, levels, _ in shown} == {(1, 1)}
    difference = np.array([pixels for *_, pixels in shown], float) - np.array(frames)
    assert np.abs(difference.mean(axis=(0, 1, 2))).max() < 1
    assert np.sqrt((difference**2).mean()) < 4


def test_no_version_of_the_muxer_is_in_the_bytes(moving, tiny):
    assert b"Lavf" not in encode_segment(moving(0, 2), fps=FPS, profile=tiny)


@pytest.mark.parametrize(
    "frame",
    [np.zeros((64, 32, 3), np.uint8), np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32)],
    ids=["shape", "grey", "float"],
)
def test_a_frame_of_another_kind_is_refused(tiny, frame):
    with pytest.raises(EncodeError) as caught:
        encode_segment([frame], fps=FPS, profile=tiny)
    assert caught.value.code == "encode_wrong_frame"


def test_a_segment_of_no_frames_is_refused(tiny):
    with pytest.raises(EncodeError) as caught:
        encode_segment([], fps=FPS, profile=tiny)
    assert caught.value.code == "encode_no_frames"


def test_an_error_of_the_renderer_passes_through_untouched(moving, tiny):
    def failing():
        yield from moving(0, 3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        encode_segment(failing(), fps=FPS, profile=tiny)


@pytest.mark.parametrize(
    ("expected", "word"),
    [({"frame_count": 9, "size": 64}, "10 frames"), ({"frame_count": 10, "size": 32}, "64x64")],
)
def test_verifying_names_what_is_wrong(moving, tiny, expected, word: str):
    data = encode_segment(moving(0, 10), fps=FPS, profile=tiny)
    with pytest.raises(EncodeError, match=word) as caught:
        verify_segment(data, **expected)
    assert caught.value.code == "encode_bad_segment"


def test_verifying_finds_another_frame_rate(moving, tiny):
    data = encode_segment(moving(0, 10), fps=Fraction(30), profile=tiny)
    with pytest.raises(EncodeError, match="frame 1 does not lie"):
        verify_segment(data, frame_count=10, size=64)


@pytest.mark.parametrize("keep", [0, 10, 900])
def test_verifying_finds_a_segment_cut_short(moving, tiny, keep: int):
    data = encode_segment(moving(0, 50), fps=FPS, profile=tiny)
    with pytest.raises(EncodeError) as caught:
        verify_segment(data[:keep], frame_count=50, size=64)
    assert caught.value.code == "encode_bad_segment"


def test_profiles_are_found_by_name():
    assert profile_named("preview") is PREVIEW
    assert (PREVIEW.size, FULL.size) == (256, 512)
    assert "threads=1" in profile_named("full").describe()["x264-params"]
    with pytest.raises(EncodeError) as caught:
        profile_named("cinema")
    assert caught.value.code == "encode_unknown_profile"
