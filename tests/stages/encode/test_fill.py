from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from stages.encode.fill import still_segment
from stages.encode.profile import PREVIEW, VideoProfile
from stages.encode.segment import verify_segment
from stages.errors import EncodeError

FPS = Fraction(25)
# Of 255 levels: what is left of a still picture after it was encoded.
STILL = 12


def decoded(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray().astype(np.int16) for frame in container.decode(video=0)])


@pytest.mark.parametrize(("shows", "row"), [("first", 0), ("last", -1)])
@pytest.mark.parametrize("frame_count", [1, 17, 50])
def test_one_frame_of_the_neighbour_stands_still(
    segments, tiny: VideoProfile, shows, row: int, frame_count: int
) -> None:
    neighbour = segments(50)[0]
    still = still_segment(neighbour, shows=shows, frame_count=frame_count, fps=FPS, profile=tiny)
    verify_segment(still, frame_count=frame_count, size=tiny.size)
    pictures, beside = decoded(still), decoded(neighbour)
    assert len(pictures) == frame_count
    assert np.abs(pictures - beside[row]).max() <= STILL
    assert np.abs(pictures - pictures[0]).max() <= STILL
    # It could not be taken for any other frame of the neighbour.
    assert np.abs(pictures[0] - beside[row - 5 if row else 5]).max() > 3 * STILL


def test_equal_neighbours_give_equal_bytes(segments, tiny: VideoProfile) -> None:
    ways = {still_segment(segments(50)[0], shows="last", frame_count=9, fps=FPS, profile=tiny) for _ in "ab"}
    assert len(ways) == 1


def test_it_has_the_settings_of_every_other_segment(segments, tiny: VideoProfile) -> None:
    neighbour = segments(50)[0]
    still = still_segment(neighbour, shows="last", frame_count=9, fps=FPS, profile=tiny)
    with av.open(io.BytesIO(neighbour)) as ours, av.open(io.BytesIO(still)) as other:
        assert ours.streams.video[0].codec_context.extradata == other.streams.video[0].codec_context.extradata


@pytest.mark.parametrize("damage", ["empty", "text", "half", "size"])
def test_a_neighbour_that_is_no_segment_is_refused(segments, tiny: VideoProfile, damage: str) -> None:
    whole = segments(50)[0]
    data = {"empty": b"", "text": b"no video", "half": whole[: len(whole) // 2], "size": whole}[damage]
    profile = PREVIEW if damage == "size" else tiny
    with pytest.raises(EncodeError) as caught:
        still_segment(data, shows="last", frame_count=5, fps=FPS, profile=profile)
    assert caught.value.code == "encode_bad_segment"
