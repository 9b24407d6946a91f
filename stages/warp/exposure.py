"""A camera that sets its exposure as it goes, undone: told by the background, which has no expression and no pose.

Legend: R pictures, S side of a picture (512 px), 3 = RGB.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.warp.plate import Picture, SeenBackground

_DARK: Final = 24
_BRIGHT: Final = 231
"""Levels below and above which a pixel says nothing of the exposure: noise, and clipped light."""

_FEWEST: Final = 2000
"""Pixels of one channel that say enough."""

_LEAST_GAIN: Final = 2 / 3
_MOST_GAIN: Final = 3 / 2
"""Beyond these it is no exposure: somebody put the light on."""

_NOTICED: Final = 0.004
"""A gain nearer to one than this is rounding."""


def even_exposures(pictures_RSS3: Picture, seen: SeenBackground) -> None:
    """Change pictures (R, S, S, 3): each channel of each times what brings its background to the one seen in all.

    A face that turns away from its light is darker, and stays so. As they were, where too little of
    the background is seen.
    """
    for picture_SS3, free_SS in zip(pictures_RSS3, seen.free_RSS, strict=True):
        gain_3 = _gains(picture_SS3, seen.levels_SS3, told_SS=free_SS & seen.seen_SS)
        if (np.abs(gain_3 - 1) > _NOTICED).any():
            picture_SS3[:] = np.clip(np.rint(picture_SS3 * gain_3.astype(np.float32)), 0, 255)


def _gains(picture_SS3: Picture, plate_SS3: Picture, *, told_SS: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each channel (3,)."""
    gain_3 = np.ones(3)
    for channel in range(3):
        ours_N, plate_N = (each_SS3[told_SS, channel] for each_SS3 in (picture_SS3, plate_SS3))
        telling_N = (np.minimum(ours_N, plate_N) >= _DARK) & (np.maximum(ours_N, plate_N) <= _BRIGHT)
        if telling_N.sum() >= _FEWEST:
            gain_3[channel] = np.median(plate_N[telling_N] / ours_N[telling_N].astype(np.float64))
    return np.clip(gain_3, _LEAST_GAIN, _MOST_GAIN)
