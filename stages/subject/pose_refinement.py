"""Head poses corrected on the pictures, so that the subject's reference, warped, lies on every frame.

Legend: T frames, N points (478), I points looked at, H/W pixels, D = 6 = (yaw, pitch, roll in degrees; x, y in px;
logarithm of the scale), 2/3 = (x, y[, z]) or RGB, 7 = head vector. Points are px on the 512 canvas.

Every frame is brought into the reference's geometry by the tracked pose; the flow that is left there says where the
face's points really are, and the pose is fitted to that. Nothing runs from frame to frame, so nothing drifts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, median_filter

from stages.geometry.canonical import CANVAS, FACE_CENTRE, head_rotation, pose
from stages.subject.face_smoothing import without_noise
from stages.subject.warp_residual import (
    FACE_POINTS,
    DenseFlow,
    RefinementAccount,
    ResidualMeter,
    follow_neighbours,
    frames_looked_at,
    grey,
)
from stages.warp.control_mesh import ControlMesh
from stages.warp.field import FIELD_SIZE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Frame = NDArray[np.uint8]
Grey = NDArray[np.uint8]

_MARGIN_PX: Final = 12
_MEAN_OVER_PX: Final = 11
_STEPS: Final = 2
_TOLERANCE_PX: Final = 1.0
"""Distance from the common motion at which a point counts half: cheeks move by themselves."""

_CERTAIN_D: Final = np.array([1.5, 1.5, 0.05, 0.0, 0.0, 0.0])
"""How firmly tracked angles are held on to: the weight of a squared degree beside the points' squared px."""

_ANGLE_STEP: Final = 0.05
_ROUNDS: Final = 2
"""The second fit starts where the first ended, and so tells whether that was nearer."""

_PITCH: Final = CANVAS // FIELD_SIZE
_LEAST_SIDE: Final = 32
_NOISE_PX: Final = 0.1
"""A shift that is as small as this is none."""

_JUMP_PX: Final = 3.0
"""A correction that differs by this from those around it in time is a wrong one."""

REFINED_SIGMA: Final = 0.5
"""Standard deviation in frames of the smoothing of refined poses: they are calmer than tracked ones, and any more moves
quick heads off their pictures."""

_AROUND: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseRefinement:
    """Corrected head vectors (T, 7), smoothed, and what the correction came to."""

    head_T7: Floats
    account: RefinementAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A corrected head vector, the px by which it moves the face, and whether it then lies nearer."""

    head_7: Floats
    moved_2: Doubles
    is_better: bool


class PoseRefiner:
    """Fits the head pose of every frame to its picture, seen once and in order; a fixed number of pictures is kept."""

    def __init__(
        self,
        *,
        control: ControlMesh,
        canonical_TN3: Floats,
        head_T7: Floats,
        torso_TN3: Floats,
        reference: int,
        reference_HW3: Frame,
    ) -> None:
        """Begin.

        Args:
            control: the subject's control mesh.
            canonical_TN3: canonical meshes, smoothed.
            head_T7: tracked head vectors, smoothed.
            torso_TN3: shoulders in the picture.
            reference: which frame the reference is.
            reference_HW3: its picture (512, 512, 3).
        """
        self._canonical_TN3, self._head_T7, self._reference = canonical_TN3, head_T7, reference
        self._fitter = HeadFitter(
            control=control,
            canonical_N3=canonical_TN3[reference],
            head_7=head_T7[reference],
            torso_18x3=torso_TN3[reference],
            reference_HW3=reference_HW3,
        )
        self._looked_at = set(frames_looked_at(len(head_T7)).tolist())
        self._kept: dict[int, Grey] = {}
        self._fits: list[_Fit] = []

    def see(self, frame_HW3: Frame) -> None:
        """The next frame, RGB (512, 512, 3)."""
        index, grey_HW = len(self._fits), grey(frame_HW3)
        fit = self._fitter.fit(grey_HW, canonical_N3=self._canonical_TN3[index], head_7=self._head_T7[index])
        self._fits.append(fit)
        if index in self._looked_at:
            self._kept[index] = grey_HW

    def refined(self) -> PoseRefinement:
        """The poses, once every frame was seen."""
        tracked_T7 = self._head_T7
        fitted_T7 = np.stack([fit.head_7 for fit in self._fits])
        moved_T2 = np.stack([fit.moved_2 for fit in self._fits])
        around_T2 = median_filter(moved_T2, size=(_AROUND, 1), mode="nearest")
        is_sudden_T = np.linalg.norm(moved_T2 - around_T2, axis=1) >= _JUMP_PX
        fits_T = np.array([fit.is_better for fit in self._fits]) & ~is_sudden_T
        # All others are told against the reference's pose: were it moved, every frame would be off by that.
        fitted_T7[self._reference], fits_T[self._reference] = tracked_T7[self._reference], True
        correction_T7 = follow_neighbours((fitted_T7 - tracked_T7).astype(np.float64), fits_T)
        refined_T7 = without_noise((tracked_T7 + correction_T7).astype(np.float32), sigma=REFINED_SIGMA)
        refined_T7[self._reference] = tracked_T7[self._reference]
        account = RefinementAccount.of(
            fits_T=fits_T, before=self._shifts(tracked_T7), after=self._shifts(refined_T7)
        )
        return PoseRefinement(head_T7=refined_T7 if account.refined else tracked_T7, account=account)

    def _shifts(self, head_T7: Floats) -> list[float | None]:
        return [
            self._fitter.shift(grey_HW, canonical_N3=self._canonical_TN3[index], head_7=head_T7[index])
            for index, grey_HW in self._kept.items()
        ]


class HeadFitter:
    """Fits head poses to pictures of one subject."""

    def __init__(
        self,
        *,
        control: ControlMesh,
        canonical_N3: Floats,
        head_7: Floats,
        torso_18x3: Floats,
        reference_HW3: Frame,
    ) -> None:
        """The reference's picture (512, 512, 3), its canonical mesh, head vector and shoulders."""
        self._control, self._torso_18x3 = control, torso_18x3
        mesh_N3 = pose(canonical_N3[None], head_7[None])[0]
        self._points_P2 = control.points(mesh_N3=mesh_N3, head_7=head_7, torso_18x3=torso_18x3)
        self._reference_HW = grey(reference_HW3)
        self._meter = ResidualMeter()
        at_I2 = mesh_N3[FACE_POINTS, :2].astype(np.float64)
        raster = control.raster(self._points_P2, depth_N=mesh_N3[:, 2])
        rows, columns = _box(at_I2)
        self._raster = raster.within(rows, columns)
        self._at_I2 = at_I2 - np.array([columns.start, rows.start]) * _PITCH
        box = tuple(slice(part.start * _PITCH, part.stop * _PITCH) for part in (rows, columns))
        self._box_HW = np.ascontiguousarray(self._reference_HW[box])
        self._flow = DenseFlow(quick=True)

    def fit(self, grey_HW: Grey, *, canonical_N3: Floats, head_7: Floats) -> _Fit:
        """The head vector with which a canonical mesh lies on a grey frame as the reference's lies on the reference."""
        fitted_7, shifts = head_7, []
        moved_2 = np.zeros(2)
        for _ in range(_ROUNDS):
            moved_I2 = self._motion(grey_HW, canonical_N3=canonical_N3, head_7=fitted_7)
            middle_2 = np.median(moved_I2, axis=0)
            weights_I = 1 / (1 + (np.linalg.norm(moved_I2 - middle_2, axis=1) / _TOLERANCE_PX) ** 2)
            fitted_7 = _fitted(fitted_7, canonical_N3[FACE_POINTS], moved_I2, weights_I, tracked_7=head_7)
            moved_2 += middle_2
            shifts.append(float(np.linalg.norm(middle_2)))
        return _Fit(head_7=fitted_7, moved_2=moved_2, is_better=shifts[-1] <= max(shifts[0], _NOISE_PX))

    def shift(self, grey_HW: Grey, *, canonical_N3: Floats, head_7: Floats) -> float | None:
        """How far in px the reference, warped to a pose, lies beside a grey frame; None where too little is seen."""
        mesh_N3 = pose(canonical_N3[None], head_7[None])[0]
        points_P2 = self._control_points(canonical_N3, head_7)
        field = self._control.raster(points_P2, depth_N=mesh_N3[:, 2]).field_from(self._points_P2)
        return self._meter.shift(
            field.move(self._reference_HW, interpolation=cv2.INTER_LINEAR),
            grey_HW,
            at_I2=mesh_N3[FACE_POINTS, :2],
            around_J2=mesh_N3[:, :2],
        )

    def _motion(self, grey_HW: Grey, *, canonical_N3: Floats, head_7: Floats) -> Doubles:
        """By how many px (I, 2) the face's points lie beside where a pose puts them in a grey frame."""
        field = self._raster.field_from(self._control_points(canonical_N3, head_7))
        seen_HW = field.move(grey_HW, interpolation=cv2.INTER_LINEAR)
        flow_HW2 = self._flow.between(self._box_HW, seen_HW)
        flow_HW2 = np.asarray(cv2.blur(flow_HW2, (_MEAN_OVER_PX, _MEAN_OVER_PX)), dtype=np.float32)
        away_I2 = _sampled((flow_HW2[..., 0], flow_HW2[..., 1]), self._at_I2 - 0.5)
        places = (field.x_HW, field.y_HW)
        there_I2 = _sampled(places, (self._at_I2 + away_I2) / _PITCH - 0.5)
        return there_I2 - _sampled(places, self._at_I2 / _PITCH - 0.5)

    def _control_points(self, canonical_N3: Floats, head_7: Floats) -> Floats:
        mesh_N3 = pose(canonical_N3[None], head_7[None])[0]
        return self._control.points(mesh_N3=mesh_N3, head_7=head_7, torso_18x3=self._torso_18x3)


def _box(at_I2: Doubles) -> tuple[slice, slice]:
    """Rows and columns of the field around points."""
    low_2, high_2 = (at_I2.min(axis=0) - _MARGIN_PX) / _PITCH, (at_I2.max(axis=0) + _MARGIN_PX) / _PITCH
    left, top = np.clip(np.floor(low_2), 0, FIELD_SIZE - _LEAST_SIDE).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high_2), 0, FIELD_SIZE).astype(int).tolist()
    return slice(top, max(bottom, top + _LEAST_SIDE)), slice(left, max(right, left + _LEAST_SIDE))


def _sampled(planes: tuple[Floats, Floats], at_I2: Doubles) -> Doubles:
    """Values (I, 2) of two planes (H, W) at points counted from pixel centres."""
    rows_columns_2I = at_I2.T[::-1]
    return np.stack(
        [map_coordinates(plane, rows_columns_2I, order=1, mode="nearest") for plane in planes], -1
    ).astype(np.float64)


def _fitted(
    head_7: Floats, canonical_I3: Floats, moved_I2: Doubles, weights_I: Doubles, *, tracked_7: Floats
) -> Floats:
    """The head vector that moves canonical points on from `head_7` by what was seen, as well as one pose can."""
    about_I3 = canonical_I3.astype(np.float64) - FACE_CENTRE
    tracked_D, parameters_D = (
        np.concatenate([vector_7[:5], np.log(vector_7[6:])]).astype(np.float64)
        for vector_7 in (tracked_7, head_7)
    )
    target_I2 = moved_I2 + _posed(parameters_D, about_I3)[0]
    for _ in range(_STEPS):
        at_I2, slopes_I2D = _posed(parameters_D, about_I3)
        weighted_I2D = slopes_I2D * weights_I[:, None, None]
        force_D = np.einsum("icd,ic->d", weighted_I2D, at_I2 - target_I2)
        force_D += _CERTAIN_D * (parameters_D - tracked_D)
        stiffness_DD = np.einsum("icd,ice->de", weighted_I2D, slopes_I2D) + np.diag(_CERTAIN_D)
        parameters_D -= np.linalg.solve(stiffness_DD, force_D)
    fitted_7 = head_7.copy()
    fitted_7[:5], fitted_7[6] = parameters_D[:5], np.exp(parameters_D[5])
    return fitted_7


def _posed(parameters_D: Doubles, about_I3: Doubles) -> tuple[Doubles, Doubles]:
    """Where points about the head's centre lie in the picture (I, 2), and their slopes by the parameters (I, 2, 6)."""
    turns_73 = np.repeat(parameters_D[None, :3], 7, axis=0)
    for axis in range(3):
        turns_73[1 + 2 * axis, axis] += _ANGLE_STEP
        turns_73[2 + 2 * axis, axis] -= _ANGLE_STEP
    # The rotation leads from the picture to canonical space: its columns lead back.
    back_732 = head_rotation(turns_73).as_matrix()[:, :, :2] * np.exp(-parameters_D[5])
    turned_I2 = about_I3 @ back_732[0]
    slopes_I2D = np.zeros((len(about_I3), 2, 6))
    for axis in range(3):
        change_32 = (back_732[1 + 2 * axis] - back_732[2 + 2 * axis]) / (2 * _ANGLE_STEP)
        slopes_I2D[:, :, axis] = about_I3 @ change_32
    slopes_I2D[:, 0, 3] = slopes_I2D[:, 1, 4] = 1.0
    slopes_I2D[:, :, 5] = -turned_I2
    return turned_I2 + parameters_D[3:5], slopes_I2D
