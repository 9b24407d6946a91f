"""The split of every clip by time: its end is never trained on."""

from __future__ import annotations

from typing import Final

HELD_OUT_SHARE: Final = 0.15


def training_frames(frame_count: int) -> int:
    """How many frames from the start of a clip training may see."""
    return int(frame_count * (1 - HELD_OUT_SHARE))
