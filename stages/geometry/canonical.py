"""Canonical space and its exact inverse (MODA section 8.4).

Legend: T frames, N points, 3 = (x, y, z), 7 = (yaw, pitch, roll in degrees; centre x, y, z in px; scale).
Image space: px on a 512 canvas, x right, y down, z towards the camera. Canonical space: the same unit with
the head upright, facing the camera, centred on `FACE_CENTRE`, 120 px between the eyes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from stages.geometry.landmarks import LEFT_EYE, POSE_ANCHOR, RIGHT_EYE, RIGID

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CANVAS: Final = 512
FACE_CENTRE: Final = np.array([CANVAS / 2, int(CANVAS / 2.2), CANVAS / 4])
"""(256, 232, 128): the released code centres data at y = 232 but inverts at 235 (MODA section 14, D10)."""

EYE_DISTANCE: Final = 120.0
_EULER_ORDER: Final = "xyz"


def head_rotation(yaw_pitch_roll_T3: NDArray[np.floating]) -> Rotation:
    """R = Rz(roll) Ry(yaw) Rx(pitch), image to canonical, from degrees (T, 3)."""
    yaw_T, pitch_T, roll_T = np.asarray(yaw_pitch_roll_T3, dtype=np.float64).T
    return Rotation.from_euler(_EULER_ORDER, np.stack([pitch_T, yaw_T, roll_T], axis=-1), degrees=True)


def head_angles(rotation: Rotation) -> Doubles:
    """Inverse of `head_rotation`: (yaw, pitch, roll) in degrees (..., 3)."""
    return np.asarray(rotation.as_euler(_EULER_ORDER, degrees=True)[..., [1, 0, 2]])


def rigid_rotation(mesh_N3: NDArray[np.floating], canonical_mesh_N3: NDArray[np.floating]) -> Doubles:
    """Best rotation of the rigid vertices onto the canonical mesh (Kabsch), as (yaw, pitch, roll) degrees."""
    source_N3 = np.asarray(mesh_N3, dtype=np.float64)[RIGID]
    target_N3 = np.asarray(canonical_mesh_N3, dtype=np.float64)[RIGID]
    rotation, _ = Rotation.align_vectors(target_N3 - target_N3.mean(0), source_N3 - source_N3.mean(0))
    return head_angles(rotation)


def canonicalise(
    mesh_TN3: NDArray[np.floating], yaw_pitch_roll_T3: NDArray[np.floating]
) -> tuple[Floats, Floats]:
    """Image meshes (T, 478, 3) and rotations (T, 3) to canonical meshes and head vectors (T, 7)."""
    mesh_TN3 = np.asarray(mesh_TN3, dtype=np.float64)
    centre_T13 = mesh_TN3[:, POSE_ANCHOR].mean(axis=1, keepdims=True)
    matrix_T33 = head_rotation(yaw_pitch_roll_T3).as_matrix()
    upright_TN3 = np.einsum("tij,tnj->tni", matrix_T33, mesh_TN3 - centre_T13)
    eyes_apart_T = np.abs(upright_TN3[:, LEFT_EYE, 0] - upright_TN3[:, RIGHT_EYE, 0]).mean(axis=1)
    scale_T = EYE_DISTANCE / eyes_apart_T
    canonical_TN3 = scale_T[:, None, None] * upright_TN3 + FACE_CENTRE
    head_T7 = np.concatenate([yaw_pitch_roll_T3, centre_T13[:, 0], scale_T[:, None]], axis=1)
    return canonical_TN3.astype(np.float32), head_T7.astype(np.float32)


def straightened(
    mesh_TN3: NDArray[np.floating], *, template_N3: NDArray[np.floating]
) -> tuple[Floats, Floats]:
    """What `pose` made meshes from: canonical meshes (T, 478, 3) and head vectors (T, 7), of a face that is known.

    Each frame is computed alone, so that it gives the same numbers in any company.

    Args:
        mesh_TN3: meshes in the picture.
        template_N3: the face's canonical mesh (478, 3), from which its bone hardly differs.
    """
    parts = [
        canonicalise(mesh_N3[None], rigid_rotation(mesh_N3, template_N3)[None])
        for mesh_N3 in np.asarray(mesh_TN3)
    ]
    canonical_TN3 = np.concatenate([part[0] for part in parts])
    return canonical_TN3, np.concatenate([part[1] for part in parts])


def pose(canonical_TN3: NDArray[np.floating], head_T7: NDArray[np.floating]) -> Floats:
    """Inverse of `canonicalise`: canonical meshes (T, N, 3) and head vectors (T, 7) to image px."""
    head_T7 = np.asarray(head_T7, dtype=np.float64)
    upright_TN3 = (np.asarray(canonical_TN3, dtype=np.float64) - FACE_CENTRE) / head_T7[:, None, 6:7]
    matrix_T33 = head_rotation(head_T7[:, :3]).as_matrix()
    image_TN3 = np.einsum("tji,tnj->tni", matrix_T33, upright_TN3) + head_T7[:, None, 3:6]
    return image_TN3.astype(np.float32)
