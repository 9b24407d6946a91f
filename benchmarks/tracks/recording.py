"""A clip tracked in both ways, with its pictures at hand while it is measured.

Legend: T frames, N points, H/W pixels, 18 = shoulder columns, 3 = (x, y, z) or RGB.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.subject.face_framing import framing_of
from stages.subject.face_tracker import FaceTracker, PersonSegmenter
from stages.subject.looks import look_over
from stages.subject.observation import ShoulderPlan
from stages.subject.prepare import shot_frames
from stages.subject.torso import shoulder_heights, torso_track

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Frames of a clip and what trackers say of them.

    Attributes:
        frames_THW3: (T, 512, 512, 3) framed pictures.
        filtered_TN3: meshes of the tracker that follows the face and filters.
        single_TN3: meshes of the tracker that takes every frame by itself.
        torso_TN3: shoulders (T, 18, 3).
        filtered_ms: processor time a frame of the one.
        single_ms: and of the other.
    """

    frames_THW3: NDArray[np.uint8]
    filtered_TN3: Floats
    single_TN3: Floats
    torso_TN3: Floats
    filtered_ms: float
    single_ms: float

    @classmethod
    def of(cls, clip: Path, *, most_frames: int, pictures: Path) -> Recording:
        """Track the start of a clip's longest shot; its pictures go into the file `pictures`."""
        looks = look_over(clip)
        start, stop = looks.longest_shot
        chosen = looks.within(start, stop)
        framing = framing_of(looks, chosen, where=str(clip))
        plan = ShoulderPlan.of(chosen, framing)
        count = min(stop - start, most_frames)
        frames_THW3 = np.lib.format.open_memmap(pictures, "w+", np.uint8, (count, CANVAS, CANVAS, 3))
        meshes: tuple[list[Floats], list[Floats]] = ([], [])
        heights: list[Floats] = []
        spent = [0.0, 0.0]
        lost_N3 = np.full((478, 3), np.nan, dtype=np.float32)
        with FaceTracker(video=True) as filtered, FaceTracker() as single, PersonSegmenter() as segmenter:
            frames = shot_frames(clip, framing=framing, start=start, stop=start + count)
            for index, frame_HW3 in enumerate(frames):
                frames_THW3[index] = frame_HW3
                for way, tracker in enumerate((filtered, single)):
                    begun = time.process_time()
                    track = tracker.track(frame_HW3)
                    spent[way] += time.process_time() - begun
                    meshes[way].append(lost_N3 if track is None else track.mesh_N3)
                mask_HW = segmenter.mask(frame_HW3)
                heights.append(shoulder_heights(mask_HW, plan.columns_18, highest=plan.highest))
        filtered_TN3, single_TN3 = (_without_gaps(np.array(way)) for way in meshes)
        return cls(
            frames_THW3=frames_THW3[: len(heights)],
            filtered_TN3=filtered_TN3,
            single_TN3=single_TN3,
            torso_TN3=torso_track(np.array(heights), plan.columns_18, single_TN3),
            filtered_ms=1e3 * spent[0] / len(heights),
            single_ms=1e3 * spent[1] / len(heights),
        )


def _without_gaps(mesh_TN3: Floats) -> Floats:
    """Meshes in which a frame without a face takes that of the nearest frame with one."""
    found_F = np.flatnonzero(np.isfinite(mesh_TN3[:, 0, 0]))
    nearest_T = found_F[np.abs(np.arange(len(mesh_TN3))[:, None] - found_F).argmin(axis=1)]
    return mesh_TN3[nearest_T]
