"""A take of a prepared clip, as the farm would make it: overlapping windows, merged.

Legend: T frames, D speech feature width.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.moda.merge import merge_windows
from stages.moda.network import Moda
from stages.moda.window import window_motion
from stages.payloads import Motion
from stages.speech.context import WINDOW_FRAMES
from stages.subject.template import Template

_STRIDE: Final = WINDOW_FRAMES // 2


def predict_take(
    network: Moda, features_TD: NDArray[np.float32], template: Template, *, seed: int = 0, take: int = 1
) -> Motion:
    """Unsmoothed displacements from the template for all T frames; `network` is in inference form."""
    frames = len(features_TD)
    windows = {
        start: window_motion(
            network,
            features_TD[start : start + WINDOW_FRAMES],
            template=template,
            first_frame=start,
            seed=seed,
            take=take,
        )
        for start in range(0, max(1, frames - _STRIDE), _STRIDE)
    }
    return merge_windows(windows, start=0, stop=frames)
