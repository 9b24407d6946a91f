"""The torso as a body that moves: sideways, up and down, and turning, found on the pictures.

Legend: T frames, I pixels looked at, H/W pixels, 3 = (x, y in px on the 512 canvas; turn in radians), 18 = shoulder
points, 2/3 = (x, y[, z]) or RGB.

Heights of shoulders at fixed columns say nothing of a body that sways sideways. Here the reference's shoulders move as
one, as the cloth and the edge of the body are seen to move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import TORSO_SIZE
from stages.geometry.planar import best_turn, turn_matrix
from stages.subject.face_smoothing import without_noise
from stages.subject.warp_residual import (
    DenseFlow,
    RefinementAccount,
    follow_neighbours,
    frames_looked_at,
    grey,
)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Grey = NDArray[np.uint8]
Frame = NDArray[np.uint8]

_SIZE: Final = 256
_PITCH: Final = CANVAS / _SIZE
_ROUNDS: Final = 2
_STEPS: Final = 4
_ABOVE_PX: Final = 4.0
"""The edge of the body against what is behind it tells most: a little of both sides is looked at."""

_NECK_PX: Final = 26.0
"""Between the shoulders this much below them is neck, which moves with the head."""

_CHIN_PX: Final = 16.0
_LEAST_SLOPE: Final = 14.0
_GREATEST_SLOPE: Final = 200.0
"""Levels per px between which a pixel counts more the steeper it is; flatter ones are noise."""

_LEAST_PIXELS: Final = 200
_TOLERANCE_PX: Final = 0.7
_CERTAIN_3: Final = np.array([1.0, 1.0, 1e4])
"""How firmly each round holds on to where it began, in pixels of mean weight for a squared px and radian."""

_NOISE_PX: Final = 0.1
"""A shift that is as small as this is none."""

_JUMP_PX: Final = 4.0
"""A motion that differs by this from those around it in time is a wrong one."""

_AROUND: Final = 7
_SIGMA: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TorsoRefinement:
    """Shoulder points (T, 18, 3) that carry sideways and turn, and what the refinement came to."""

    torso_TN3: Floats
    account: RefinementAccount


class TorsoRefiner:
    """Fits the torso of every frame to its picture, seen once and in order; a fixed number of pictures is kept."""

    def __init__(self, *, torso_TN3: Floats, chin: float, reference: int, reference_HW3: Frame) -> None:
        """Begin.

        Args:
            torso_TN3: shoulders as tracked: heights at fixed columns.
            chin: height of the reference's chin, px on the canvas.
            reference: which frame the reference is.
            reference_HW3: its picture (512, 512, 3).
        """
        self._torso_TN3, self._reference = torso_TN3, reference
        self._fitter = TorsoFitter(torso_18x3=torso_TN3[reference], chin=chin, reference_HW3=reference_HW3)
        self._looked_at = set(frames_looked_at(len(torso_TN3)).tolist())
        self._kept: dict[int, Grey] = {}
        self._fits: list[Doubles | None] = []
        self._tracked_T3 = np.stack([self._fitter.motion_to(torso_18x3) for torso_18x3 in torso_TN3])
        self._last_3 = np.zeros(3)

    def see(self, frame_HW3: Frame) -> None:
        """The next frame, RGB (512, 512, 3)."""
        index, grey_HW = len(self._fits), self._fitter.shrunk(grey(frame_HW3))
        # The body moves little from frame to frame, and heights of shoulders are noisy.
        fit_3 = self._fitter.fit(grey_HW, begin_3=self._last_3)
        if fit_3 is None:
            fit_3 = self._fitter.fit(grey_HW, begin_3=self._tracked_T3[index])
        if fit_3 is not None:
            self._last_3 = fit_3
        self._fits.append(fit_3)
        if index in self._looked_at:
            self._kept[index] = grey_HW

    def refined(self) -> TorsoRefinement:
        """The shoulders, once every frame was seen: as tracked where no torso is seen, or nothing is gained."""
        tracked_T3 = self._tracked_T3
        fits_T = np.array([fit_3 is not None for fit_3 in self._fits])
        fitted_T3 = np.stack(
            [
                tracked_3 if fit_3 is None else fit_3
                for fit_3, tracked_3 in zip(self._fits, tracked_T3, strict=True)
            ]
        )
        around_T3 = median_filter(fitted_T3, size=(_AROUND, 1), mode="nearest")
        fits_T &= np.linalg.norm((fitted_T3 - around_T3)[:, :2], axis=1) < _JUMP_PX
        refined_T3 = tracked_T3
        if fits_T.any():
            refined_T3 = without_noise(follow_neighbours(fitted_T3, fits_T), sigma=_SIGMA)
            # All others are told against the reference, which has not moved.
            refined_T3[self._reference] = 0.0
        account = RefinementAccount.of(
            fits_T=fits_T, before=self._shifts(tracked_T3), after=self._shifts(refined_T3)
        )
        torso_TN3 = self._torso_TN3
        if account.refined:
            torso_TN3 = torso_TN3.copy()
            torso_TN3[..., :2] = [self._fitter.moved(motion_3) for motion_3 in refined_T3]
        return TorsoRefinement(torso_TN3=torso_TN3, account=account)

    def _shifts(self, motion_T3: Doubles) -> list[float | None]:
        return [self._fitter.shift(grey_HW, motion_T3[index]) for index, grey_HW in self._kept.items()]


class TorsoFitter:
    """Fits shift and turn of one subject's torso to pictures of half the size."""

    def __init__(self, *, torso_18x3: Floats, chin: float, reference_HW3: Frame) -> None:
        """The reference's shoulders (18, 3), the height of its chin, and its picture (512, 512, 3)."""
        self._torso_T2 = torso_18x3[:, :2].astype(np.float64)
        self._centre_2 = np.array([CANVAS / 2, self._torso_T2[:, 1].mean()])
        self._reference_HW = self.shrunk(grey(reference_HW3))
        self._flow = DenseFlow(quick=True)
        is_body_HW = _is_body(self._torso_T2, chin=chin)
        rows = np.flatnonzero(is_body_HW.any(axis=1))
        self._top = int(min(rows[0], _SIZE - 48)) if len(rows) else _SIZE - 48
        slope_HW2 = np.stack(
            [cv2.Sobel(self._reference_HW, cv2.CV_64F, *axis)[self._top :] for axis in ((1, 0), (0, 1))],
            axis=-1,
        )
        steep_HW = np.linalg.norm(slope_HW2, axis=-1)
        self._seen_HW = is_body_HW[self._top :] & (steep_HW > _LEAST_SLOPE)
        self._weights_I = np.minimum(steep_HW[self._seen_HW], _GREATEST_SLOPE) ** 2
        self._across_I2 = slope_HW2[self._seen_HW] / steep_HW[self._seen_HW][:, None]
        y_I, x_I = np.nonzero(self._seen_HW)
        about_I2 = (np.stack([x_I, y_I + self._top], axis=-1) + 0.5) * _PITCH - self._centre_2
        turning_I = self._across_I2[:, 1] * about_I2[:, 0] - self._across_I2[:, 0] * about_I2[:, 1]
        self._slopes_I3 = np.concatenate([self._across_I2, turning_I[:, None]], axis=1)

    @staticmethod
    def shrunk(grey_HW: Grey) -> Grey:
        """A grey picture at the size looked at."""
        return np.asarray(cv2.resize(grey_HW, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA))

    def moved(self, motion_3: Doubles) -> Doubles:
        """The reference's shoulders (18, 2), moved."""
        turn_22 = turn_matrix(motion_3[2])
        return (self._torso_T2 - self._centre_2) @ turn_22.T + self._centre_2 + motion_3[:2]

    def motion_to(self, torso_18x3: Floats) -> Doubles:
        """Shift and turn (3,) that best bring the reference's shoulders onto others."""
        from_T2, to_T2 = self._torso_T2, torso_18x3[:, :2].astype(np.float64)
        turn = best_turn(from_T2, to_T2)
        middle_2 = from_T2.mean(axis=0) - self._centre_2
        return np.append(to_T2.mean(axis=0) - self._centre_2 - turn_matrix(turn) @ middle_2, turn)

    def fit(self, grey_HW: Grey, *, begin_3: Doubles) -> Doubles | None:
        """Shift and turn (3,) of a frame; None where too little is seen, or what was found fits no better."""
        motion_3, apart = begin_3, []
        for _ in range(_ROUNDS):
            away_I = self._away(grey_HW, motion_3)
            if away_I is None:
                return None
            step_3 = self._step(away_I)
            apart.append(_length(step_3))
            turn_22 = turn_matrix(motion_3[2])
            motion_3 = np.append(motion_3[:2] + turn_22 @ step_3[:2], motion_3[2] + step_3[2])
        return motion_3 if apart[-1] <= max(apart[0], _NOISE_PX) else None

    def shift(self, grey_HW: Grey, motion_3: Doubles) -> float | None:
        """How far in px the moved reference lies beside a frame; None where too little is seen."""
        away_I = self._away(grey_HW, motion_3)
        return None if away_I is None else _length(self._step(away_I))

    def _away(self, grey_HW: Grey, motion_3: Doubles) -> Doubles | None:
        """For each pixel (I,) how many px it lies further along its slope than the motion puts it."""
        if len(self._weights_I) < _LEAST_PIXELS:
            return None
        turn_22 = turn_matrix(motion_3[2])
        offset_2 = self._centre_2 + motion_3[:2] - turn_22 @ self._centre_2
        # From canvas to pixels, and from corners of pixels to their centres.
        half_2 = np.full(2, 0.5)
        offset_2 = turn_22 @ half_2 + offset_2 / _PITCH - half_2
        moved_HW = cv2.warpAffine(
            grey_HW,
            np.column_stack([turn_22, offset_2]),
            (_SIZE, _SIZE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        seen_HW = np.asarray(moved_HW[self._top :], dtype=np.uint8)
        flow_HW2 = self._flow.between(self._reference_HW[self._top :], seen_HW)
        away_I2 = flow_HW2[self._seen_HW].astype(np.float64) * _PITCH
        return np.asarray((away_I2 * self._across_I2).sum(axis=1))

    def _step(self, away_I: Doubles) -> Doubles:
        """Shift and turn (3,) that most of the pixels have in common."""
        step_3 = np.zeros(3)
        for _ in range(_STEPS):
            apart_I = away_I - self._slopes_I3 @ step_3
            weights_I = self._weights_I / (1 + (apart_I / _TOLERANCE_PX) ** 2)
            weighted_I3 = self._slopes_I3 * weights_I[:, None]
            stiffness_33 = weighted_I3.T @ self._slopes_I3 + np.diag(_CERTAIN_3) * weights_I.mean()
            step_3 = np.linalg.solve(stiffness_33, weighted_I3.T @ away_I)
        return step_3


def _length(step_3: Doubles) -> float:
    """Of its shift, px."""
    return float(np.linalg.norm(step_3[:2]))


def _is_body(torso_T2: Doubles, *, chin: float) -> NDArray[np.bool_]:
    """(H, W) where the body is seen: below the shoulders, and below the neck between them."""
    half = TORSO_SIZE // 2
    centres_W = (np.arange(_SIZE) + 0.5) * _PITCH
    between_W = (centres_W > torso_T2[half - 1, 0]) & (centres_W < torso_T2[half, 0])
    line_W = np.interp(centres_W, torso_T2[:, 0], torso_T2[:, 1]) - _ABOVE_PX
    line_W = np.where(between_W, np.maximum(line_W + _NECK_PX, chin + _CHIN_PX), line_W)
    return np.asarray(centres_W[:, None] > line_W)
