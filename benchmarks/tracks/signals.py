"""Signals of a face over time, and how one compares with another: lag in parts of a frame, amplitude, noise.

Legend: T frames, N points, 3 = (x, y, z) or 3 x 3, 7 = head vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from stages.geometry.canonical import CANVAS, head_angles, head_rotation
from stages.geometry.landmarks import UPPER_LID_LOWER_LID
from stages.metrics.landmarks import mouth_opening

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_REACH: Final = 2.0
_FINENESS: Final = 0.02

_FOCAL_PX: Final = 2400.0
"""Focal length of the digital actors' camera, of which their description says nothing.

Points of the faces followed through the pictures, with the true motion known, ask for 1900, 2800 and 5000; poses and
places together for 1300, 2600 and 3600. Between 1900 and 3600 amplitudes of pitch differ by 4 %.
"""


def signals_of(canonical_TN3: Floats, head_T7: Floats) -> dict[str, Doubles]:
    """Opening of the lips, opening of the lids (canonical px) and pitch (degrees), each (T,)."""
    lids_T = sum(
        np.linalg.norm(canonical_TN3[:, upper] - canonical_TN3[:, lower], axis=1)
        for upper, lower in UPPER_LID_LOWER_LID
    )
    return {
        "opening": mouth_opening(canonical_TN3),
        "lids": np.asarray(lids_T, dtype=np.float64),
        "pitch": head_T7[:, 1].astype(np.float64),
    }


def lag(signal_T: Doubles, truth_T: Doubles) -> float:
    """Frames by which a signal is later than another: where they correlate best."""
    frames_T = np.arange(len(signal_T), dtype=np.float64)
    margin = int(_REACH) + 1
    inner = slice(margin, -margin)
    curve = CubicSpline(frames_T, signal_T)
    lags = np.arange(-_REACH, _REACH + _FINENESS / 2, _FINENESS)
    agreement = [np.corrcoef(curve(frames_T[inner] + shift), truth_T[inner])[0, 1] for shift in lags]
    return float(lags[int(np.argmax(agreement))])


def amplitude(signal_T: Doubles, truth_T: Doubles) -> float:
    """By how much a signal goes when the truth goes by one, where it goes along with it."""
    apart_T, along_T = signal_T - signal_T.mean(), truth_T - truth_T.mean()
    return float(apart_T @ along_T / (along_T @ along_T))


def jitter(signal_T: Doubles) -> float:
    """Spread of the second difference, as white noise of that spread would have it."""
    return float(np.sqrt((np.diff(signal_T, 2) ** 2).mean() / 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorTruth:
    """The motion from which a digital actor was rendered, 512 px wide.

    Attributes:
        signals: openings of lips and lids, as `signals_of` names them, in the rig's units and signs.
        head_T33: rotation of the head, and `place_T3` its place, in the rig's space (y up).
    """

    signals: dict[str, Doubles]
    head_T33: Doubles
    place_T3: Doubles

    @classmethod
    def load(cls, path: Path, *, count: int) -> ActorTruth:
        """The first `count` frames of an actor's `_motion.npz`."""
        with np.load(path) as stored:
            names = stored["names"].tolist()
            weights_TB = stored["W"][:count].astype(np.float64)
            head_T33, place_T3 = stored["R"][:count], stored["t"][:count]
            opening_T = stored["rig_gap"][:count].astype(np.float64)
        lids_T = -sum(weights_TB[:, names.index(name)] for name in ("eyeBlink_L", "eyeBlink_R"))
        return cls(
            signals={"opening": opening_T, "lids": np.asarray(lids_T)},
            head_T33=head_T33,
            place_T3=place_T3,
        )

    def angles(self, head_T7: Floats) -> Doubles:
        """(T, 3) yaw, pitch, roll in degrees that tracks should have, in the space in which theirs are told."""
        return head_angles(self._seen(head_T7).inv())

    def rotation_error(self, head_T7: Floats) -> Doubles:
        """Root mean square (3,) in degrees about the picture's axes."""
        error_T3 = (_from_canonical(head_T7).inv() * self._seen(head_T7)).as_rotvec(degrees=True)
        return np.asarray(np.sqrt((error_T3**2).mean(axis=0)))

    def _seen(self, head_T7: Floats) -> Rotation:
        """True rotations as the camera sees them from where the head is, constant turns on both sides fitted to tracks.

        A head that goes down is seen more from above, which a tracker without perspective takes for a nod.
        """
        mirror_33 = np.diag([1.0, -1.0, 1.0])
        aside_T2 = np.arctan((head_T7[:, 3:5].astype(np.float64) - CANVAS / 2) / _FOCAL_PX)
        aside = Rotation.from_rotvec(
            np.stack([-aside_T2[:, 1], aside_T2[:, 0], np.zeros(len(aside_T2))], axis=-1)
        )
        true = aside * Rotation.from_matrix(mirror_33 @ self.head_T33 @ mirror_33)
        ours = _from_canonical(head_T7)

        def turned(turns_6: Doubles) -> Rotation:
            return Rotation.from_rotvec(turns_6[:3]) * true * Rotation.from_rotvec(turns_6[3:])

        def apart(turns_6: Doubles) -> Doubles:
            return np.asarray((ours.inv() * turned(turns_6)).as_rotvec(degrees=True)).ravel()

        return turned(least_squares(apart, np.zeros(6)).x)

    def place_error(self, head_T7: Floats) -> Doubles:
        """Root mean square (2,) in px of the head's place, camera and tracked point of the head fitted."""

        def apart(camera_7: Doubles) -> Doubles:
            at_T3 = np.einsum("tij,j->ti", self.head_T33, camera_7[:3]) + self.place_T3
            scale_T = camera_7[3] / (1 + camera_7[6] * at_T3[:, 2])
            x_T, y_T = scale_T * at_T3[:, 0] + camera_7[4], -scale_T * at_T3[:, 1] + camera_7[5]
            return np.concatenate([x_T - head_T7[:, 3], y_T - head_T7[:, 4]])

        fitted = least_squares(apart, np.array([0.0, 0.0, 0.0, 20.0, 256.0, 256.0, 0.0]))
        return np.asarray(np.sqrt((fitted.fun.reshape(2, -1) ** 2).mean(axis=1)))


def _from_canonical(head_T7: Floats) -> Rotation:
    return head_rotation(head_T7[:, :3]).inv()
