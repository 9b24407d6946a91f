"""Finding the framing of a clip: the median of the faces at first look.

Legend: N points, 2 = (x, y).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stages.errors import SubjectError
from stages.subject.framing import Framing
from stages.subject.looks import Look, Looks

_FACES_PER_CROP: Final = 2.6
"""Side of the crop in face heights: room for hair above and shoulders below."""


def framing_of(looks: Looks, chosen: Sequence[Look], *, where: str) -> Framing:
    """Frame the median of the tallest faces of some looks; a square clip of normal framing is kept whole.

    Raises SubjectError (``clip_no_face``) when there is no face in any of them.
    """
    faces = [look.faces_N2[0] for look in chosen if look.faces_N2]
    if not faces:
        raise SubjectError(
            code="clip_no_face",
            where=where,
            what="no face was found in the clip",
            hint="use a clip with one face, seen from the front and well lit",
        )
    height, width = looks.height, looks.width
    x, y = np.median([points_N2.mean(axis=0) for points_N2 in faces], axis=0)
    tall = float(np.median([np.ptp(points_N2[:, 1]) for points_N2 in faces]))
    side = int(min(height, width, _FACES_PER_CROP * tall))
    if height == width and side > 0.85 * width:
        side = width
    left = int(np.clip(round(x - side / 2), 0, width - side))
    top = int(np.clip(round(y - 0.5 * side), 0, height - side))
    return Framing(left=left, top=top, side=side)
