"""Sizes of the renderer's generator, known without building it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IMAGE_CHANNELS: Final = 3
FREQUENCIES: Final = 6
"""Of the encoding of time (MODA eq. 14)."""

TPE_CHANNELS: Final = 1 + 2 * FREQUENCIES


def condition_channels(*, temporal_encoding: bool) -> int:
    """Channels that the networks read: condition and reference image, and mostly the planes of time."""
    return 2 * IMAGE_CHANNELS + (TPE_CHANNELS if temporal_encoding else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """Size of a generator: 8 levels at 512 px and 7 at 256 px leave a 2 x 2 bottleneck.

    Attributes:
        levels: halvings of the resolution.
        width: channels of the outermost level.
        temporal_encoding: whether G knows the time; False is "w/o TPE" (Table 5).
        input_channels: read from weights files older than that switch, which all know the time; not used.
    """

    levels: int = 8
    width: int = 64
    temporal_encoding: bool = True
    input_channels: int | None = None

    def __post_init__(self) -> None:
        if not (2 <= self.levels <= 11 and self.width >= 1):
            raise ValueError(
                f"a generator has 2 to 11 levels and a width, not {self.levels} and {self.width}"
            )

    @property
    def inputs(self) -> int:
        """Input channels: 19, or 6 without the encoding of time."""
        return condition_channels(temporal_encoding=self.temporal_encoding)

    @property
    def size(self) -> int:
        """Side of the picture in px."""
        return 1 << (self.levels + 1)

    def channels(self, level: int) -> int:
        """Channels after down level 1..levels: width, 2, 4, then 8 times the width."""
        return self.width * min(1 << (level - 1), 8)
