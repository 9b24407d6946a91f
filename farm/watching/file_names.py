"""What the files of a watched take are called, and what one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAIN: Final = "main.m3u8"
"""The file that a player opens."""

FILE_NAME: Final = (
    r"^(main\.m3u8|(picture|sound)(\.m3u8|-init\.mp4|-[0-9]{5,7}\.m4s)|captions(\.m3u8|-[0-9]{5,7}\.vtt))$"
)
"""All names."""

LIST_ENDING: Final = ".m3u8"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFile:
    """One file.

    Attributes:
        is_list: Players ask for it again and again; all other files stay as they are.
    """

    content: bytes
    media_type: str
    is_list: bool
