"""Hands before a face: looked for now and then, and the frames in between that may show one.

Legend: K looks, N points of a face, H/W pixels, 2 = (x, y), 3 = RGB, 21 = points of a hand.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import cv2
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from numpy.typing import NDArray

from stages.assets import HAND_LANDMARKER
from stages.geometry.canonical import CANVAS
from stages.native_chatter import native_chatter_hidden
from stages.subject.face_tracker import as_image
from stages.subject.framing import Frame
from stages.video.unfit import Unfit, UnfitFrames, joined

Floats = NDArray[np.float32]

_EVERY: Final = 12
"""Frames from one look to the next."""
_CELLS: Final = 16
_FEWEST_BARE: Final = 3
_CHANGED_LEVELS: Final = 10.0
_CHANGED_TIMES: Final = 1.5
"""A covered part of a face differs from the bare one by so many levels, and by so many times what bare ones do."""

_CONFIDENT: Final = 0.5
_MOST_HANDS: Final = 2
_COVERED_SHARE: Final = 0.02
"""Of the face: fingers at the chin."""
_FINGER: Final = 0.12
"""Thickness of a finger in lengths of a palm: the points lie along its middle."""
_SMALLEST: Final = 0.4
"""Of the height of the face: what is smaller is an ear, or a hand far behind."""

_WRIST, _KNUCKLE = 0, 9
_PALM: Final = (0, 1, 5, 9, 13, 17)
_FINGERS: Final = ((0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (0, 17, 18, 19, 20))
"""Points of MediaPipe's hand."""


class HandFinder:
    """Finds hands in square RGB frames; use as a context manager."""

    def __init__(self) -> None:
        options = vision.HandLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=HAND_LANDMARKER.read()),
            running_mode=vision.RunningMode.IMAGE,
            num_hands=_MOST_HANDS,
            min_hand_detection_confidence=_CONFIDENT,
            min_hand_presence_confidence=_CONFIDENT,
        )
        with native_chatter_hidden():
            self._landmarker = vision.HandLandmarker.create_from_options(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._landmarker.close()

    def find(self, frame_HW3: Frame) -> list[Floats]:
        """Each hand of a frame as points (21, 2), px on the 512 canvas."""
        return [
            np.array([(point.x, point.y) for point in hand], dtype=np.float32) * np.float32(CANVAS)
            for hand in self._landmarker.detect(as_image(frame_HW3)).hand_landmarks
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look: the frame, the face in it (16, 16), grey, and which of its cells hands cover."""

    frame: int
    face_HW: Floats
    covered_HW: NDArray[np.bool_]
    in_view: bool


class HandWatch:
    """Looks at some of the frames of a clip, which come in order, and tells which show a hand."""

    def __init__(self, finder: HandFinder) -> None:
        self._finder = finder
        self._looks: list[_Look] = []

    def add(self, index: int, frame_HW3: Frame, mesh_N2: Floats) -> None:
        """Frame (512, 512, 3) number `index`, and the points (N, 2) of the face in it or in the one before."""
        if index % _EVERY:
            return
        tall = float(np.ptp(mesh_N2[:, 1]))
        found = self._finder.find(frame_HW3)
        hands = [hand_212 for hand_212 in found if np.ptp(hand_212, axis=0).max() > _SMALLEST * tall]
        covers = any(covered_share(hand_212, mesh_N2) > _COVERED_SHARE for hand_212 in hands)
        covered_HW = np.zeros((CANVAS, CANVAS), dtype=np.uint8)
        for hand_212 in hands if covers else ():
            covered_HW |= _hand_mask(hand_212)
        grey_HW = np.asarray(cv2.cvtColor(frame_HW3, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        self._looks.append(
            _Look(
                frame=index,
                face_HW=_face_cells(grey_HW, mesh_N2),
                covered_HW=_face_cells(255 * covered_HW, mesh_N2) > 127,
                in_view=bool(hands),
            )
        )

    def seen_K3(self) -> NDArray[np.int32]:
        """Of every look (K, 3): the frame, whether a hand is in view, whether one is before the face.

        The finder takes cheeks and chins for hands now and then. A hand that is there changes the face's look.
        """
        bare = [look.face_HW for look in self._looks if not look.covered_HW.any()]
        rows = []
        for look in self._looks:
            is_covered = bool(look.covered_HW.any())
            if is_covered and len(bare) >= _FEWEST_BARE:
                is_covered = _is_changed(look, np.stack(bare))
                rows.append((look.frame, is_covered, is_covered))
            else:
                # Without a bare face to compare with, one that is seen all the time is told, and no frame left out.
                rows.append((look.frame, look.in_view, False))
        return np.array(rows, dtype=np.int32).reshape(-1, 3)


def _is_changed(look: _Look, bare_KHW: Floats) -> bool:
    """Whether what is covered looks unlike it does in bare faces, beside what these differ from one another."""
    usual_HW = np.median(bare_KHW, axis=0)
    covered_HW = look.covered_HW
    changes_K = np.abs(bare_KHW - usual_HW)[:, covered_HW].mean(axis=1)
    change = float(np.abs(look.face_HW - usual_HW)[covered_HW].mean())
    return change > max(_CHANGED_LEVELS, _CHANGED_TIMES * float(np.percentile(changes_K, 90)))


def _face_cells(grey_HW: Frame, mesh_N2: Floats) -> Floats:
    """The box of a face as (16, 16) cells."""
    low_2 = np.clip(np.floor(mesh_N2.min(axis=0)).astype(int), 0, CANVAS - 2)
    high_2 = np.clip(np.ceil(mesh_N2.max(axis=0)).astype(int), low_2 + 1, CANVAS)
    box_HW = grey_HW[low_2[1] : high_2[1], low_2[0] : high_2[0]]
    return np.asarray(cv2.resize(box_HW, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _hand_mask(hand_212: Floats) -> Frame:
    """What a hand covers (512, 512), as 1."""
    hand_HW = np.zeros((CANVAS, CANVAS), dtype=np.uint8)
    palm = float(np.linalg.norm(hand_212[_KNUCKLE] - hand_212[_WRIST]))
    points_212 = np.rint(hand_212).astype(np.int32)
    cv2.fillConvexPoly(hand_HW, cv2.convexHull(points_212[list(_PALM)]), 1)
    for finger in _FINGERS:
        cv2.polylines(hand_HW, [points_212[list(finger)]], False, 1, thickness=max(1, round(_FINGER * palm)))
    return hand_HW


def covered_share(hand_212: Floats, mesh_N2: Floats) -> float:
    """Share of a face (N, 2) that lies behind a hand (21, 2), px on the 512 canvas."""
    face_HW = np.zeros((CANVAS, CANVAS), dtype=np.uint8)
    cv2.fillConvexPoly(face_HW, cv2.convexHull(np.rint(mesh_N2).astype(np.int32)), 1)
    return float((face_HW & _hand_mask(hand_212)).sum() / max(1, int(face_HW.sum())))


def covered_frames(seen_K3: NDArray[np.int32], *, frame_count: int) -> tuple[UnfitFrames, ...]:
    """Frames that may show a hand before the face: from the last look without one to the next.

    Args:
        seen_K3: what `HandWatch` saw.
        frame_count: of the clip.
    """
    clear = [-1, *seen_K3[seen_K3[:, 2] == 0, 0].tolist(), frame_count]
    spans = []
    for index in seen_K3[seen_K3[:, 2] > 0, 0].tolist():
        after = bisect_left(clear, index)
        spans.append(UnfitFrames(start=clear[after - 1] + 1, stop=clear[after], reason=Unfit.COVERED))
    return joined(spans)
