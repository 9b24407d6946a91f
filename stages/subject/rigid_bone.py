"""Head and face told apart by the bone: what it does as one belongs to the head, what it does beside that is no motion.

Legend: T frames, N points (478), B points of bone, 3 = (x, y, z) or 3 x 3, 7 = head vector.

A tracker's canonical meshes sway by half a pixel and more, forehead, nose and lips together. A pose that is fitted to
pictures takes the opposite of that sway, and is late and damped by it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from stages.geometry.canonical import EYE_DISTANCE, FACE_CENTRE, head_angles, head_rotation
from stages.geometry.landmarks import EYES, LEFT_EYE, RIGHT_EYE
from stages.subject.face_smoothing import BONE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def on_rigid_bone(canonical_TN3: Floats, head_T7: Floats) -> tuple[Floats, Floats]:
    """Canonical meshes (T, 478, 3) with the same bone in every frame, and head vectors (T, 7) to go with them.

    The bone is its mean over all frames, and the eyes sit in it at one distance from each other. Posed, lips and jaw
    lie where they lay.
    """
    face_TN3 = canonical_TN3.astype(np.float64) - FACE_CENTRE
    bone_B3 = face_TN3[:, BONE].mean(axis=0)
    middle_3 = bone_B3.mean(axis=0)
    middle_T3 = face_TN3[:, BONE].mean(axis=1)
    turn_T33, scale_T = _onto(face_TN3[:, BONE] - middle_T3[:, None], bone_B3 - middle_3)
    rigid_TN3 = scale_T[:, None, None] * np.einsum("tij,tnj->tni", turn_T33, face_TN3 - middle_T3[:, None])
    rigid_TN3 += middle_3 + FACE_CENTRE
    rigid_TN3[:, BONE] = bone_B3 + FACE_CENTRE
    _set_eyes_apart(rigid_TN3)

    to_canonical_T33 = head_rotation(head_T7[:, :3]).as_matrix()
    # Where the head's centre was, as seen from the former one.
    centre_T3 = middle_T3 - np.einsum("tji,j->ti", turn_T33, middle_3) / scale_T[:, None]
    head_T7 = head_T7.astype(np.float64)
    head_T7[:, 3:6] += np.einsum("tji,tj->ti", to_canonical_T33, centre_T3) / head_T7[:, 6:]
    head_T7[:, :3] = head_angles(Rotation.from_matrix(turn_T33 @ to_canonical_T33))
    head_T7[:, 6] *= scale_T
    return rigid_TN3.astype(np.float32), head_T7.astype(np.float32)


def _onto(from_TB3: Doubles, to_B3: Doubles) -> tuple[Doubles, Doubles]:
    """Turns (T, 3, 3) and scales (T,) that bring centred points nearest to others."""
    left_T33, strength_T3, right_T33 = np.linalg.svd(np.einsum("bi,tbj->tij", to_B3, from_TB3))
    # A mirrored face is no turned one.
    strength_T3[:, 2] *= np.sign(np.linalg.det(left_T33 @ right_T33))
    left_T33[:, :, 2] *= np.sign(np.linalg.det(left_T33 @ right_T33))[:, None]
    return left_T33 @ right_T33, strength_T3.sum(axis=1) / (from_TB3**2).sum(axis=(1, 2))


def _set_eyes_apart(canonical_TN3: Doubles) -> None:
    """Move each eye, with its brow, sideways until they are as far apart as canonical space has them."""
    apart_T = np.abs(canonical_TN3[:, LEFT_EYE, 0] - canonical_TN3[:, RIGHT_EYE, 0]).mean(axis=1)
    is_left_B = canonical_TN3[:, EYES, 0].mean(axis=0) > FACE_CENTRE[0]
    aside_T = (EYE_DISTANCE - apart_T) / 2
    canonical_TN3[:, EYES, 0] += np.where(is_left_B, 1, -1) * aside_T[:, None]
