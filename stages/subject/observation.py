"""What is seen in every frame of a framed clip, in one pass: face points and the height of the shoulders.

Legend: T frames, N points, H/W pixels, 18 = shoulder columns, 3 = (x, y, z) or RGB.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS
from stages.subject.face_tracker import FaceTracker, PersonSegmenter
from stages.subject.framing import Frame, Framing
from stages.subject.looks import Look
from stages.subject.torso import shoulder_columns, shoulder_heights
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
    """

    mesh_TN3: Floats
    found_T: NDArray[np.bool_]
    heights_T18: Floats
    columns_18: Floats

    @property
    def detected(self) -> float:
        """Share of frames in which a face was found."""
        return float(self.found_T.mean())

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
    columns_18 = shoulders.columns_18
    mesh_TN3 = np.empty((frame_count, 478, 3), dtype=np.float32)
    found_T = np.zeros(frame_count, dtype=np.bool_)
    heights_T18 = np.empty((frame_count, len(columns_18)), dtype=np.float32)
    count = 0
    seen_K = range(0, frame_count, _SHOULDERS_EVERY)
    with FaceTracker(video=False) as tracker, PersonSegmenter() as segmenter:
        for frame_HW3 in frames:
            if count == frame_count:
                break
            track = tracker.track(frame_HW3)
            if track is not None:
                mesh_TN3[count] = track.mesh_N3
            elif count:
                mesh_TN3[count] = mesh_TN3[count - 1]
            found_T[count] = track is not None
            if count in seen_K:
                heights_T18[count] = shoulder_heights(
                    segmenter.mask(frame_HW3), columns_18, highest=shoulders.highest
                )
            count += 1
            if progress is not None:
                progress(count)
    if not found_T[:count].any():
        raise SubjectError(
            code="clip_no_face",
            where=where,
            what="no face was found in the clip",
            hint="use a clip with one face, seen from the front and well lit",
        )
    first = int(found_T.argmax())
    mesh_TN3[:first] = mesh_TN3[first]
    return Observation(
        mesh_TN3=mesh_TN3[:count],
        found_T=found_T[:count],
        heights_T18=_between(heights_T18[:count]),
        columns_18=columns_18,
    )


def _between(heights_T18: Floats) -> Floats:
    """Heights of every frame, on the line between those of the frames that were looked at."""
    frames_T = np.arange(len(heights_T18))
    seen_K = frames_T[::_SHOULDERS_EVERY]
    lines = [np.interp(frames_T, seen_K, column_T[seen_K]) for column_T in heights_T18.T]
    return np.stack(lines, axis=1).astype(np.float32)
