"""Motion on which a subject without a clip is tried: its mouth as a donor's, its head as far as it may turn.

Legend: T frames, F references of the donor that face the camera, N mesh points (478), 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import pose
from stages.metrics.landmarks import mouth_opening
from stages.payloads import PosedFace
from stages.subject.donor import Donor, below_nose
from stages.subject.motion_limits import MotionLimits
from stages.subject.template import Template

Floats = NDArray[np.float32]

RUN_FRAMES: Final = 25
_REACHES: Final = (0.5, 0.9)
"""Of the limits of motion, in each run: where it is as commanded, and nearly as far as a head ever gets."""

_OPENED: Final = (0.1, 0.9, 0.3, 0.99, 0.1)
"""Places of the mouths that follow one another, among the donor's from closed to widest."""


def tried_faces(template: Template, *, donor: Donor | None, limits: MotionLimits) -> list[PosedFace]:
    """Runs of neighbouring frames.

    Args:
        template: of the subject.
        donor: whose mouths are tried; None: the mouth stays.
        limits: how far the head may move.
    """
    shape_TN3 = _speaking(template, donor)
    swing_T = np.sin(np.linspace(-0.5, 0.5, RUN_FRAMES) * np.pi)
    nod_T = np.cos(np.linspace(-1.0, 1.0, RUN_FRAMES) * np.pi)
    torso_TN3 = np.repeat(template.torso_N3[None], RUN_FRAMES, axis=0)
    faces = []
    for reach in _REACHES:
        head_T7 = np.repeat(template.head_7[None], RUN_FRAMES, axis=0)
        head_T7[:, 0] += reach * limits.yaw * swing_T
        head_T7[:, 1] += reach * limits.pitch * nod_T
        head_T7[:, 2] += reach * limits.roll * swing_T[::-1]
        head_T7[:, 3] += reach * limits.shift_px * swing_T
        faces.append(PosedFace(mesh_TN3=pose(shape_TN3, head_T7), torso_TN3=torso_TN3))
    return faces


def _speaking(template: Template, donor: Donor | None) -> Floats:
    """Canonical meshes (T, 478, 3) of a mouth that opens and closes, each as long as the others."""
    if donor is None:
        return np.repeat(template.mesh_N3[None], RUN_FRAMES, axis=0)
    shapes_FN3 = template.mesh_N3 + below_nose(template.mesh_N3) * donor.moved_RN3[list(donor.frontal)]
    by_opening_F = np.argsort(mouth_opening(shapes_FN3), kind="stable")
    passed_KN3 = shapes_FN3[by_opening_F[[round(place * (len(shapes_FN3) - 1)) for place in _OPENED]]]
    place_T = np.linspace(0, len(passed_KN3) - 1, RUN_FRAMES)
    before_T = np.minimum(place_T.astype(int), len(passed_KN3) - 2)
    share_T11 = (0.5 - 0.5 * np.cos((place_T - before_T) * np.pi))[:, None, None]
    moving_TN3 = passed_KN3[before_T] + share_T11 * (passed_KN3[before_T + 1] - passed_KN3[before_T])
    return np.asarray(moving_TN3, dtype=np.float32)
