"""Sizes of the network that repairs warped references, known without building it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stages.render.generator_config import IMAGE_CHANNELS

REPAIR_INPUTS: Final = 4 * IMAGE_CHANNELS + 1
"""Channels that it reads: condition image, two candidates, plate, and the mask of the first candidate."""

_GROWTH: Final = (1, 2, 4, 6, 6)
_MOST_CHANNELS: Final = 96
"""At the coarse resolutions, where weights are large and pixels few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairConfig:
    """Size of a network that repairs.

    Attributes:
        width: channels at half the resolution of the picture, the finest that it computes at.
        depth: residual blocks at each of the two coarsest resolutions.
    """

    width: int = 20
    depth: int = 2

    def __post_init__(self) -> None:
        if not (1 <= self.width <= 256 and 1 <= self.depth <= 16):
            raise ValueError(f"no network has the width {self.width} and the depth {self.depth}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's resolution."""
        return tuple(min(self.width * growth, max(_MOST_CHANNELS, self.width)) for growth in _GROWTH)
