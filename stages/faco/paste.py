"""A face without FaCo-Net: lips and eyes pasted into the template (MODA section 11, Table 4).

Legend: T frames, N points, 3 = (x, y, z).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.geometry.landmarks import EYES, LIPS
from stages.weights_header import read_header

Floats = NDArray[np.float32]

COMPOSED_FACE: Final = "composed_face"
"""Fact in the header of a renderer's weights: False where it was trained on pasted faces. Absent, it was not."""


def paste_parts(template_N3: Floats, *, mouth_TN3: Floats, eyes_TN3: Floats) -> Floats:
    """Canonical meshes (T, 478, 3) that are the template everywhere but at lips and eyes.

    Args:
        template_N3: the subject's mean mesh (478, 3), px, canonical space.
        mouth_TN3: (T, 40, 3) displacements of the lips from it.
        eyes_TN3: (T, 60, 3) displacements of the eyes.
    """
    mesh_TN3 = np.tile(np.asarray(template_N3, dtype=np.float32), (len(mouth_TN3), 1, 1))
    mesh_TN3[:, LIPS] += mouth_TN3
    mesh_TN3[:, EYES] += eyes_TN3
    return mesh_TN3


def draws_composed_face(renderer_weights: Path | None) -> bool:
    """Whether a renderer wants composed faces, as nearly all do and as warping without weights does, or pasted ones.

    Raises WeightsError when the weights cannot be read.
    """
    if renderer_weights is None:
        return True
    return read_header(renderer_weights).facts.get(COMPOSED_FACE, True) is not False
