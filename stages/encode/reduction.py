"""From pictures as a renderer draws them to the size of a video profile.

Legend: H, W pixels; 3 = R, G, B.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def reduced(frames_HW3: Iterable[Frame], *, size: int) -> Iterator[Frame]:
    """Square pictures area-averaged to (size, size, 3), one at a time; those that have the size are not touched."""
    # Imported here: whoever only encodes needs no OpenCV.
    import cv2

    for frame_HW3 in frames_HW3:
        if frame_HW3.shape[0] == size:
            yield frame_HW3
        else:
            smaller_HW3 = cv2.resize(frame_HW3, (size, size), interpolation=cv2.INTER_AREA)
            yield np.asarray(smaller_HW3, dtype=np.uint8)
