"""A picture that moves, and segments of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from stages.encode.profile import VideoProfile
from stages.encode.segment import encode_segment

TINY = VideoProfile(name="tiny", size=64, crf=14, preset="faster")


def moving_picture(start: int, stop: int, size: int = 64) -> list[np.ndarray]:
    """Frames [start, stop) of a smooth pattern that drifts; equal numbers give equal frames."""
    y, x = np.mgrid[0:size, 0:size] / size * 2 * np.pi
    waves = [
        np.stack([np.sin(x + k / 7), np.sin(y - k / 5), np.sin(x + y + k / 3)], axis=-1)
        for k in range(start, stop)
    ]
    return [(128 + 100 * wave).astype(np.uint8) for wave in waves]


@pytest.fixture(scope="session")
def segments() -> Callable[[int], list[bytes]]:
    """segments(frame_count): the moving picture as segments of 50 frames, the last one shorter."""
    made: dict[tuple[int, int], bytes] = {}

    def cut(frame_count: int) -> list[bytes]:
        spans = [(start, min(start + 50, frame_count)) for start in range(0, frame_count, 50)]
        for span in spans:
            if span not in made:
                made[span] = encode_segment(moving_picture(*span), fps=Fraction(25), profile=TINY)
        return [made[span] for span in spans]

    return cut


@pytest.fixture
def tiny() -> VideoProfile:
    return TINY


@pytest.fixture
def moving() -> Callable[..., list[np.ndarray]]:
    return moving_picture
