"""What is seen in every frame of a framed clip, in one pass: face points and the height of the shoulders.

Legend: T frames, K of them that were looked at more closely, N points, H/W pixels, 18 = shoulder columns,
3 = (x, y, z) or RGB.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS
from stages.subject.camera_motion import Background, BackgroundFollower, CameraMotion
from stages.subject.face_tracker import FaceTracker, FrameTrack, PersonSegmenter
from stages.subject.framing import Frame, Framing
from stages.subject.hands import HandFinder, HandWatch, covered_frames
from stages.subject.looks import Look
from stages.subject.torso import shoulder_columns, shoulder_heights
from stages.video.unfit import UnfitFrames
from stages.whole_files import written_whole

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Raw observations of a clip, px on the 512 canvas.

    Attributes:
        mesh_TN3: (T, 478, 3) face points; a frame without a face repeats the one before.
        found_T: (T,) whether a face was found.
        heights_T18: (T, 18) heights of the shoulders.
        columns_18: (18,) the columns they belong to.
        hands_K3: (K, 3) looks for hands, see `HandWatch.seen_K3`.
        corners_K42: (K, 4, 2) places of the background, see `Background`.
        pieces_K: (K,) likewise.
    """

    mesh_TN3: Floats
    found_T: NDArray[np.bool_]
    heights_T18: Floats
    columns_18: Floats
    hands_K3: NDArray[np.int32]
    corners_K42: NDArray[np.float64]
    pieces_K: NDArray[np.int32]

    @property
    def detected(self) -> float:
        """Share of frames in which a face was found."""
        return float(self.found_T.mean())

    @property
    def camera(self) -> CameraMotion:
        """How the background moves."""
        return CameraMotion.of(Background(corners_K42=self.corners_K42, pieces_K=self.pieces_K))

    @property
    def covered(self) -> tuple[UnfitFrames, ...]:
        """Frames that may show a hand before the face."""
        return covered_frames(self.hands_K3, frame_count=len(self.mesh_TN3))

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial, partial.open("xb") as file:
            np.savez(
                file,
                mesh_TN3=self.mesh_TN3,
                found_T=self.found_T,
                heights_T18=self.heights_T18,
                columns_18=self.columns_18,
                hands_K3=self.hands_K3,
                corners_K42=self.corners_K42,
                pieces_K=self.pieces_K,
            )

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What `save` wrote; None where there is nothing, or nothing whole."""
        try:
            with np.load(path) as arrays:
                return cls(**{name: arrays[name] for name in arrays.files})
        except (OSError, ValueError, TypeError, zipfile.BadZipFile):
            return None


_SHOULDERS_EVERY: Final = 5
"""Frames. A body moves slowly, and the pictures tell afterwards how it moved between (`torso_refinement`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShoulderPlan:
    """Where to look for shoulders: at which columns (18,), and not above which height, px on the 512 canvas."""

    columns_18: Floats
    highest: float

    @classmethod
    def of(cls, looks: Sequence[Look], framing: Framing) -> Self:
        """From the faces of the first look: beside the median face, and not above its middle."""
        faces_TN2 = np.stack([look.faces_N2[0] for look in looks if look.faces_N2])
        corner_2 = np.array([framing.left, framing.top], dtype=np.float32)
        framed_TN2 = (faces_TN2 - corner_2) * (CANVAS / framing.side)
        return cls(
            columns_18=shoulder_columns(framed_TN2), highest=float(np.median(framed_TN2[..., 1].mean(axis=1)))
        )


def observe(
    frames: Iterable[Frame],
    *,
    frame_count: int,
    shoulders: ShoulderPlan,
    where: str,
    progress: Callable[[int], None] | None = None,
) -> Observation:
    """Track framed frames; of the pictures nothing is kept.

    Args:
        frames: square RGB frames (512, 512, 3).
        frame_count: how many there are at most.
        shoulders: where to look for them.
        where: names the clip in errors.
        progress: called with the number of frames seen so far.

    Raises:
        SubjectError: there is no face in any frame (``clip_no_face``).
    """
    with FaceTracker() as tracker, PersonSegmenter() as segmenter, HandFinder() as finder:
        seen = _Seen(shoulders, segmenter, HandWatch(finder), frame_count=frame_count)
        for frame_HW3 in islice(frames, frame_count):
            seen.add(frame_HW3, tracker.track(frame_HW3))
            if progress is not None:
                progress(seen.count)
    if not seen.found_T[: seen.count].any():
        raise SubjectError(
            code="clip_no_face",
            where=where,
            what="no face was found in the clip",
            hint="use a clip with one face, seen from the front and well lit",
        )
    return seen.observation()


class _Seen:
    """What was seen so far."""

    def __init__(
        self, shoulders: ShoulderPlan, segmenter: PersonSegmenter, hands: HandWatch, *, frame_count: int
    ) -> None:
        self.count = 0
        self.found_T = np.zeros(frame_count, dtype=np.bool_)
        self._mesh_TN3 = np.empty((frame_count, 478, 3), dtype=np.float32)
        self._heights_T18 = np.empty((frame_count, len(shoulders.columns_18)), dtype=np.float32)
        self._shoulders, self._segmenter, self._hands = shoulders, segmenter, hands
        self._background = BackgroundFollower()

    def add(self, frame_HW3: Frame, track: FrameTrack | None) -> None:
        """The next frame, and the face in it."""
        index = self.count
        if track is not None:
            self._mesh_TN3[index] = track.mesh_N3
        elif index:
            self._mesh_TN3[index] = self._mesh_TN3[index - 1]
        self.found_T[index] = track is not None
        if index % _SHOULDERS_EVERY == 0:
            person_HW = self._segmenter.mask(frame_HW3)
            self._heights_T18[index] = shoulder_heights(
                person_HW, self._shoulders.columns_18, highest=self._shoulders.highest
            )
            self._background.add(frame_HW3, person_HW)
        if self.found_T[: index + 1].any():
            # A face that a hand covers is often not found: it is where it was.
            self._hands.add(index, frame_HW3, self._mesh_TN3[index, :, :2])
        self.count += 1

    def observation(self) -> Observation:
        """All of it, at least one face found."""
        first, behind = int(self.found_T.argmax()), self._background.places()
        self._mesh_TN3[:first] = self._mesh_TN3[first]
        return Observation(
            mesh_TN3=self._mesh_TN3[: self.count],
            found_T=self.found_T[: self.count],
            heights_T18=_between(self._heights_T18[: self.count]),
            columns_18=self._shoulders.columns_18,
            hands_K3=self._hands.seen_K3(),
            corners_K42=behind.corners_K42,
            pieces_K=behind.pieces_K,
        )


def _between(heights_T18: Floats) -> Floats:
    """Heights of every frame, on the line between those of the frames that were looked at."""
    frames_T = np.arange(len(heights_T18))
    seen_K = frames_T[::_SHOULDERS_EVERY]
    lines = [np.interp(frames_T, seen_K, column_T[seen_K]) for column_T in heights_T18.T]
    return np.stack(lines, axis=1).astype(np.float32)
