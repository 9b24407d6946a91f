from __future__ import annotations

import cv2
import numpy as np
import pytest

from stages.subject.picture_stream import COLOUR, GREY, Kind, decode_pictures, encode_pictures

SIZE = 128


def pictures(count: int, *, size: int = SIZE) -> np.ndarray:
    """A textured picture that moves a little each time, in all colours."""
    random = np.random.default_rng(1)
    wall = cv2.resize(random.integers(60, 190, (size // 4, size // 4, 3), dtype=np.uint8), (size, size))
    return np.stack([np.roll(wall, 3 * index, axis=1) for index in range(count)])


def of_kind(stack_RSS3: np.ndarray, kind: Kind) -> np.ndarray:
    return stack_RSS3 if kind == COLOUR else np.ascontiguousarray(stack_RSS3[..., 1])


@pytest.mark.parametrize("kind", [COLOUR, GREY])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_what_is_stored_comes_back(kind: Kind, count: int):
    stack = of_kind(pictures(count), kind)
    packets = list(encode_pictures(stack, size=SIZE, kind=kind, quantiser=8))
    assert len(packets) == count
    back = decode_pictures(packets, size=SIZE, kind=kind)
    assert back.shape == stack.shape
    assert min(cv2.PSNR(*pair) for pair in zip(stack, back, strict=True)) > 38
    assert np.array_equal(back, decode_pictures(packets, size=SIZE, kind=kind))


def test_every_level_survives():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 256, axis=0)
    (back,) = decode_pictures(
        list(encode_pictures([np.dstack([ramp] * 3)], size=256, kind=COLOUR, quantiser=4)),
        size=256,
        kind=COLOUR,
    )
    assert np.abs(back.astype(int) - ramp[..., None]).max() <= 2


def test_coarser_is_smaller():
    sizes = [
        sum(map(len, encode_pictures(pictures(5), size=SIZE, kind=COLOUR, quantiser=quantiser)))
        for quantiser in (8, 16, 28)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_a_stream_of_larger_pictures_is_refused_before_there_is_room_for_them():
    packets = list(encode_pictures(pictures(1, size=512), size=512, kind=COLOUR, quantiser=20))
    with pytest.raises(ValueError, match="picture 0"):
        decode_pictures(packets, size=SIZE, kind=COLOUR)


def test_a_stream_of_another_kind_is_refused():
    packets = list(encode_pictures(of_kind(pictures(2), GREY), size=SIZE, kind=GREY, quantiser=20))
    with pytest.raises(ValueError, match="none of 128 px"):
        decode_pictures(packets, size=SIZE, kind=COLOUR)


@pytest.mark.parametrize("damage", ["lost", "repeated", "cut", "noise", "empty"])
def test_a_damaged_stream_is_refused(damage: str):
    packets = list(encode_pictures(pictures(4), size=SIZE, kind=COLOUR, quantiser=12))
    noise = np.random.default_rng(0).bytes(400)
    broken = {
        "lost": packets[1:],
        "repeated": [b"".join(packets), *packets[:3]],
        "cut": [packets[0][: len(packets[0]) // 2], *packets[1:]],
        "noise": [packets[0], noise, *packets[2:]],
        "empty": [packets[0], b"\0", *packets[2:]],
    }[damage]
    with pytest.raises(ValueError, match="picture"):
        decode_pictures(broken, size=SIZE, kind=COLOUR)
