from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.render.generator_config import TPE_CHANNELS
from stages.render.temporal import ping_pong, temporal_planes

frames = st.integers(0, 10**7)
ranges = st.integers(1, 5000)


@given(frames, ranges)
def test_a_folded_frame_lies_in_the_trained_range(frame: int, trained: int):
    assert 0 <= ping_pong(frame, trained) < trained


@given(frames, ranges)
def test_neighbouring_frames_stay_neighbours(frame: int, trained: int):
    assert abs(ping_pong(frame + 1, trained) - ping_pong(frame, trained)) == (1 if trained > 1 else 0)


@given(ranges, st.data())
def test_frames_within_the_trained_range_are_themselves(trained: int, data: st.DataObject):
    frame = data.draw(st.integers(0, trained - 1))
    assert ping_pong(frame, trained) == frame


@given(frames, ranges)
def test_the_range_is_run_to_and_fro(frame: int, trained: int):
    there_and_back = max(1, 2 * (trained - 1))
    assert ping_pong(frame + there_and_back, trained) == ping_pong(frame, trained)


def test_the_ball_turns_at_both_walls():
    assert [ping_pong(frame, 4) for frame in range(10)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]


def test_without_a_trained_range_there_is_no_place_to_fold_to():
    with pytest.raises(ValueError, match="at least 1"):
        ping_pong(3, 0)


def test_the_thirteen_planes_are_the_frame_and_six_octaves():
    u = 0.75
    planes = temporal_planes(torch.tensor([750]), height=2, width=3)
    assert planes.shape == (1, TPE_CHANNELS, 2, 3) == (1, 13, 2, 3)
    expected = [u]
    for octave in range(6):
        expected += [math.sin(2**octave * u), math.cos(2**octave * u)]
    torch.testing.assert_close(planes[0, :, 1, 2], torch.tensor(expected))


def test_planes_are_constant_and_the_first_frame_is_at_zero():
    planes = temporal_planes(torch.tensor([0, 8]), height=4, width=4)
    assert torch.equal(planes, planes[:, :, :1, :1].expand_as(planes))
    torch.testing.assert_close(planes[0, :, 0, 0], torch.tensor([0.0] + [0.0, 1.0] * 6))
