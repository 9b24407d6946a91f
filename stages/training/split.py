"""The split of every clip by time: its end is never trained on, and what is before it chooses."""

from __future__ import annotations

from typing import Final

HELD_OUT_SHARE: Final = 0.15

_CHOOSING_SHARE: Final = 0.1
"""Of what training may see, at its end: among what was learnt it chooses, and what is held out only reports."""


def training_frames(frame_count: int) -> int:
    """How many frames from the start of a clip training may see."""
    return int(frame_count * (1 - HELD_OUT_SHARE))


def learnt_frames(trained_frames: int) -> int:
    """How many of the frames that training may see are learnt from; those after them choose."""
    return trained_frames - int(trained_frames * _CHOOSING_SHARE)
