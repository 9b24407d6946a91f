"""How the background of a framed clip moves: a camera on a stand, in a hand, or one that pans and zooms.

Legend: K frames that were looked at, P points, H/W pixels, 2 = (x, y), 3 = RGB, 23 = rows and columns of a similarity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from stages.geometry.canonical import CANVAS
from stages.subject.framing import Frame

Floats = NDArray[np.float64]

_LOOKS_PER_SECOND: Final = 5
_SIZE: Final = 256
_TO_CANVAS: Final = CANVAS / _SIZE
_PERSON: Final = 0.2
"""Confidence from which on a pixel may belong to a person, whose motion is not that of the camera."""
_MARGIN: Final = 17
"""Pixels around a person that are left out: hair and shadow move with it."""

_MOST_POINTS: Final = 150
_FEWEST_POINTS: Final = 12
_OUT_OF_NOISE: Final = 3e-6
"""Smaller eigenvalue of a corner, as OpenCV scales it: less is what rounding to levels leaves of an even wall."""
_FOLLOWED_SHARE: Final = 0.35
"""Of the points that should still be in view so many are followed where there is something to follow; of the noise of
compressed, evenly lit walls, less."""
_RETURNS_PX: Final = 0.3
"""A point that is followed there and back comes back as near as this, or was lost."""
_AGREES_PX: Final = 0.8
_AGREEING_SHARE: Final = 0.5
"""Less than this share in one common motion: what lies behind the person moves by itself."""
_SPREAD: Final = 0.1
"""Share of the picture's width over which points lie at least, one way or the other: a caption is no background."""

_WINDOW: Final = (15, 15)
_LEVELS: Final = 3


class MotionKind(StrEnum):
    """What most of the motion of a background is; the values are verbs."""

    PAN = "pans"
    ZOOM = "zooms"
    SHAKE = "shakes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Where the background of a clip was, whenever it was looked at.

    Attributes:
        corners_K42: (K, 4, 2) four points that move with it, px on the 512 canvas; NaN where it could not be followed.
        pieces_K: (K,) numbers of the pieces of the clip in which places can be compared; -1 for none.
    """

    corners_K42: Floats
    pieces_K: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMotion:
    """How far a background moves, px on the 512 canvas.

    Attributes:
        told_share: share of the looks in which it could be followed.
        moved_px: distance from its usual place within which it stays in 95 % of these.
        pan_px: by how much the middle of the square moves slowly, from end to end.
        zoom_px: by how much the border of the square moves away from its middle slowly, from end to end.
        shake_px: root mean square of what is faster than a second.
    """

    told_share: float = 0.0
    moved_px: float = 0.0
    pan_px: float = 0.0
    zoom_px: float = 0.0
    shake_px: float = 0.0

    @classmethod
    def of(cls, background: Background) -> Self:
        """Measure where the background was; zeros where it was never followed for a second."""
        numbers, counts = np.unique(background.pieces_K[background.pieces_K >= 0], return_counts=True)
        pieces = [
            background.corners_K42[background.pieces_K == number]
            for number in numbers[counts >= _LOOKS_PER_SECOND]
        ]
        if not pieces:
            return cls()
        distances = [
            np.sqrt(((piece_K42 - np.median(piece_K42, axis=0)) ** 2).sum(axis=2).mean(axis=1))
            for piece_K42 in pieces
        ]
        slow = [
            uniform_filter1d(piece_K42, _LOOKS_PER_SECOND, axis=0, mode="nearest") for piece_K42 in pieces
        ]
        fast_K42 = np.concatenate([piece - smooth for piece, smooth in zip(pieces, slow, strict=True)])
        paths = [_path(smooth_K42) for smooth_K42 in slow]
        return cls(
            told_share=sum(len(piece_K42) for piece_K42 in pieces) / len(background.pieces_K),
            moved_px=float(np.percentile(np.concatenate(distances), 95)),
            pan_px=max(float(np.linalg.norm(np.ptp(middle_K2, axis=0))) for middle_K2, _ in paths),
            zoom_px=max(CANVAS / 2 * float(np.ptp(size_K)) for _, size_K in paths),
            shake_px=float(np.sqrt((fast_K42**2).sum(axis=2).mean())),
        )

    @property
    def kind(self) -> MotionKind:
        """What most of its motion is."""
        # A pan and a zoom are measured from end to end, which is some four times the spread of what shakes.
        sizes = {
            MotionKind.PAN: self.pan_px,
            MotionKind.ZOOM: self.zoom_px,
            MotionKind.SHAKE: 4 * self.shake_px,
        }
        return max(sizes, key=lambda kind: sizes[kind])


@dataclass(slots=True)
class _Anchor:
    """A picture that later ones are compared with: its points (P, 2), and the similarity (2, 3) from the first."""

    grey_HW: Frame
    points_P2: NDArray[np.float32]
    moved_23: Floats

    @classmethod
    def of(cls, grey_HW: Frame, behind_HW: Frame, moved_23: Floats) -> Self | None:
        """None where too few points lie behind the person."""
        points_P2 = _points(grey_HW, behind_HW)
        return cls(grey_HW, points_P2, moved_23) if _is_enough(points_P2) else None


class BackgroundFollower:
    """Takes framed pictures at five a second, each with the person in it, and follows what lies behind."""

    def __init__(self) -> None:
        self._anchor: _Anchor | None = None
        self._before: tuple[Frame, Frame, Floats] | None = None
        self._corners_42 = np.zeros((4, 2))
        self._places: list[Floats] = []
        self._pieces: list[int] = []
        self._piece = -1

    def add(self, frame_HW3: Frame, person_HW: NDArray[np.float32]) -> None:
        """The next picture (512, 512, 3), and the confidence (512, 512) that a pixel belongs to a person."""
        small_HW3 = cv2.resize(frame_HW3, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
        grey_HW = np.asarray(cv2.cvtColor(small_HW3, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        self._take(grey_HW, _behind(person_HW))

    def _take(self, grey_HW: Frame, behind_HW: Frame) -> None:
        moved_23 = self._follow(self._anchor, grey_HW, behind_HW)
        if moved_23 is None and self._before is not None:
            self._anchor = _Anchor.of(*self._before)
            moved_23 = self._follow(self._anchor, grey_HW, behind_HW)
        self._before = None
        if moved_23 is not None:
            # Its points are looked for when they are needed.
            self._before = (grey_HW, behind_HW, moved_23)
            self._places.append(_moved(moved_23, self._corners_42) * _TO_CANVAS)
            self._pieces.append(self._piece)
            return
        # What came before cannot be compared with what follows.
        self._anchor = _Anchor.of(grey_HW, behind_HW, np.eye(2, 3))
        if self._anchor is None:
            self._places.append(np.full((4, 2), np.nan))
            self._pieces.append(-1)
            return
        self._piece, self._corners_42 = self._piece + 1, _corners(self._anchor.points_P2)
        self._places.append(self._corners_42 * _TO_CANVAS)
        self._pieces.append(self._piece)

    def places(self) -> Background:
        """Where the background was in every picture so far."""
        return Background(
            corners_K42=np.array(self._places).reshape(-1, 4, 2),
            pieces_K=np.array(self._pieces, dtype=np.int32),
        )

    def _follow(self, anchor: _Anchor | None, grey_HW: Frame, behind_HW: Frame) -> Floats | None:
        """The similarity from the first picture of a piece to this one, or None."""
        if anchor is None:
            return None
        there_P2, good_P = _tracked(anchor.grey_HW, grey_HW, anchor.points_P2)
        in_view_P = _lies_in(behind_HW, there_P2)
        good_P &= in_view_P
        if not _is_enough(there_P2[good_P]) or good_P.sum() < _FOLLOWED_SHARE * in_view_P.sum():
            return None
        moved_23, agrees_P1 = cv2.estimateAffinePartial2D(
            anchor.points_P2[good_P], there_P2[good_P], ransacReprojThreshold=_AGREES_PX
        )
        # OpenCV's types promise a matrix; where points lie on one spot there is none.
        if (
            not np.all(np.isfinite(np.asarray(moved_23, dtype=np.float64)))
            or agrees_P1.mean() < _AGREEING_SHARE
        ):
            return None
        whole_33 = np.vstack([moved_23, [0, 0, 1]]) @ np.vstack([anchor.moved_23, [0, 0, 1]])
        return np.asarray(whole_33[:2], dtype=np.float64)


def _tracked(
    grey_HW: Frame, later_HW: Frame, points_P2: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where points (P, 2) of a picture are in a later one, and which of them were followed well."""
    there_P2, found_P1, _ = cv2.calcOpticalFlowPyrLK(
        grey_HW, later_HW, points_P2, np.empty_like(points_P2), winSize=_WINDOW, maxLevel=_LEVELS
    )
    back_P2, returned_P1, _ = cv2.calcOpticalFlowPyrLK(
        later_HW, grey_HW, there_P2, np.empty_like(points_P2), winSize=_WINDOW, maxLevel=_LEVELS
    )
    returns_P = np.linalg.norm(back_P2 - points_P2, axis=1) < _RETURNS_PX
    found_P = (np.asarray(found_P1) > 0)[:, 0] & (np.asarray(returned_P1) > 0)[:, 0]
    return np.asarray(there_P2, dtype=np.float32), np.asarray(found_P & returns_P, dtype=np.bool_)


def _behind(person_HW: NDArray[np.float32]) -> Frame:
    """What is no person (256, 256), as 255."""
    person = (cv2.resize(person_HW, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA) > _PERSON).astype(np.uint8)
    return np.asarray(255 * (1 - cv2.dilate(person, np.ones((_MARGIN, _MARGIN), np.uint8))), dtype=np.uint8)


def _points(grey_HW: Frame, behind_HW: Frame) -> NDArray[np.float32]:
    """Corners (P, 2) of what lies behind that stand out of noise."""
    found_P12 = cv2.goodFeaturesToTrack(
        grey_HW, maxCorners=_MOST_POINTS, qualityLevel=0.02, minDistance=5, mask=behind_HW
    )
    # Where it finds none OpenCV answers with None, which its types do not say.
    if np.ndim(found_P12) != 3:
        return np.zeros((0, 2), np.float32)
    points_P2 = np.asarray(found_P12[:, 0], dtype=np.float32)
    x_P, y_P = points_P2.astype(int).T
    return points_P2[cv2.cornerMinEigenVal(grey_HW, 3)[y_P, x_P] > _OUT_OF_NOISE]


def _is_enough(points_P2: NDArray[np.float32]) -> bool:
    return len(points_P2) >= _FEWEST_POINTS and bool(points_P2.std(axis=0).max() > _SPREAD * _SIZE)


def _corners(points_P2: NDArray[np.float32]) -> Floats:
    """Of a box as far around their middle as points usually are: what lies beyond is extrapolated."""
    middle_2, spread_2 = points_P2.mean(axis=0), points_P2.std(axis=0)
    return np.array([middle_2 + spread_2 * (x, y) for x in (-1, 1) for y in (-1, 1)], dtype=np.float64)


def _moved(moved_23: Floats, points_P2: Floats) -> Floats:
    return points_P2 @ moved_23[:, :2].T + moved_23[:, 2]


def _path(corners_K42: Floats) -> tuple[Floats, Floats]:
    """Where what was in the middle of the square goes (K, 2), and how large it gets (K,), 1 at first."""
    corners_K4 = corners_K42[..., 0] + 1j * corners_K42[..., 1]
    mean_K = corners_K4.mean(axis=1)
    spokes_K4 = corners_K4 - mean_K[:, None]
    # As complex numbers, a similarity is a factor that turns and scales.
    factor_K = (spokes_K4 * spokes_K4[0].conj()).sum(axis=1) / (np.abs(spokes_K4[0]) ** 2).sum()
    middle_K = mean_K + factor_K * (CANVAS / 2 * (1 + 1j) - mean_K[0])
    return np.stack([middle_K.real, middle_K.imag], axis=1), np.abs(factor_K)


def _lies_in(mask_HW: Frame, points_P2: NDArray[np.float32]) -> NDArray[np.bool_]:
    x_P, y_P = np.rint(np.nan_to_num(points_P2, nan=-1)).astype(int).T
    inside_P = (x_P >= 0) & (x_P < _SIZE) & (y_P >= 0) & (y_P < _SIZE)
    return np.asarray(
        inside_P & (mask_HW[y_P.clip(0, _SIZE - 1), x_P.clip(0, _SIZE - 1)] > 0), dtype=np.bool_
    )
