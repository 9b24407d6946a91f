"""RGB frames as the BT.709 planes H.264 stores, in integers.

Legend: H, W pixels; 3 = R, G, B.

FFmpeg's own conversion picks its arithmetic by processor, and the last bit differs between two machines. Integers do
not, and everything after them (x264) is exact by design.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# BT.709 luma weights on 16 bits, limited range: black 16, white 235, chroma 128 +- 112.
_SHIFT = 16
_ONE = 1 << _SHIFT
_KR, _KB = 0.2126, 0.0722
_KG = 1.0 - _KR - _KB
_LUMA = np.array([round(k * 219 / 255 * _ONE) for k in (_KR, _KG, _KB)], dtype=np.int32)
_BLUE = np.array(
    [round(k * 224 / 255 * _ONE) for k in (-_KR / (2 - 2 * _KB), -_KG / (2 - 2 * _KB), 0.5)], dtype=np.int32
)
_RED = np.array(
    [round(k * 224 / 255 * _ONE) for k in (0.5, -_KG / (2 - 2 * _KR), -_KB / (2 - 2 * _KR))], dtype=np.int32
)


def rgb_to_yuv420(frame_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One frame as planar 4:2:0, limited range BT.709.

    Chroma samples lie where H.264 puts them by default: on the even columns, halfway between two rows.

    Args:
        frame_HW3: (H, W, 3) uint8 RGB; H and W even.

    Returns:
        (3 H / 2, W) uint8: the luma plane, then both chroma planes, as PyAV takes ``yuv420p``.
    """
    height, width = frame_HW3.shape[:2]
    wide_HW3 = frame_HW3.astype(np.int32)
    luma_HW = _weigh(wide_HW3, _LUMA, offset=16, shift=_SHIFT)

    rows = wide_HW3[0::2] + wide_HW3[1::2]
    left = np.concatenate([rows[:, :1], rows[:, 1:-1:2]], axis=1)
    quarter = left + 2 * rows[:, 0::2] + rows[:, 1::2]
    # Eight samples weigh into each: three bits more to shift away. They leave room: 8 * 255 * 2**16 / 2 < 2**31.
    blue = _weigh(quarter, _BLUE, offset=128, shift=_SHIFT + 3)
    red = _weigh(quarter, _RED, offset=128, shift=_SHIFT + 3)

    planes = np.empty((height * 3 // 2, width), dtype=np.uint8)
    planes[:height] = luma_HW
    planes[height:] = np.concatenate([blue.reshape(-1, width), red.reshape(-1, width)])
    return planes


def _weigh(
    pixels: NDArray[np.int32], weights: NDArray[np.int32], *, offset: int, shift: int
) -> NDArray[np.int32]:
    total: NDArray[np.int32] = (
        pixels[..., 0] * weights[0] + pixels[..., 1] * weights[1] + pixels[..., 2] * weights[2]
    )
    total += (offset << shift) + (1 << (shift - 1))
    total >>= shift
    return total
