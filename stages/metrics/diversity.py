"""Diverse: how far takes of the same speech are apart (MODA section 10).

Legend: S takes, T frames, N points, 3 = (x, y, z).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def diversity(takes_STN3: NDArray[np.floating]) -> float:
    """Variance in px^2 over takes, of x and y, meaned over frames and points.

    Raises ValueError for a single take.
    """
    if len(takes_STN3) < 2:
        raise ValueError(f"diversity needs at least 2 takes, not {len(takes_STN3)}")
    return float(np.var(takes_STN3[..., :2], axis=0, dtype=np.float64).mean())
