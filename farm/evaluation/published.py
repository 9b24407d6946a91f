"""Figures of the paper (Liu et al., ICCV 2023), to stand beside our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ABLATIONS: Final[Mapping[int, Mapping[str, Mapping[str, float]]]] = {
    3: {
        "LSTM": {"lmd_v": 2.49, "lmd": 2.79, "diverse": 0.0},
        "w/o multimodal attention": {"lmd_v": 3.01, "lmd": 2.81, "diverse": 0.0},
        "w/o specific attention": {"lmd_v": 1.80, "lmd": 1.55, "diverse": 1.70},
        "final": {"lmd_v": 1.79, "lmd": 1.50, "diverse": 1.57},
    },
    4: {
        "w/o FaCo-Net": {"ssim": 0.843, "psnr": 21.96, "niqe": 6.71},
        "final": {"ssim": 0.871, "psnr": 24.77, "niqe": 5.55},
    },
    5: {"w/o TPE": {"tcm": 0.63}, "final": {"tcm": 0.71}},
}
"""Tables 3, 4 and 5 by row and figure."""
