"""What a video is and where its face is, before it is measured. Legend: H/W pixels, N points, 2 = (x, y), 3 = RGB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.evaluation.side_by_side import Tick
from stages.geometry.canonical import CANVAS
from stages.payloads import FRAMES_PER_SECOND
from stages.subject.face_framing import framing_of
from stages.subject.face_tracker import FaceTracker
from stages.subject.framing import Framing
from stages.subject.looks import Look, Looks
from stages.video.decoding import VideoFacts, read_decoded, read_facts, upright

_FACES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """A video before it is measured.

    Attributes:
        path: its file.
        facts: as recorded.
        frames: at 25 a second.
        framing: the square in which its face is tracked.
    """

    path: Path
    facts: VideoFacts
    frames: int
    framing: Framing

    def in_picture(self, points_N3: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (..., N, 3) of the 512 canvas in px of the recorded picture."""
        corner_3 = np.array([self.framing.left, self.framing.top, 0], dtype=np.float32)
        return points_N3 * np.float32(self.framing.side / CANVAS) + corner_3


def first_look(path: Path, *, tick: Tick) -> FirstLook:
    """Count a video's frames and find its face, in one frame of each second from the first on.

    Raises:
        SubjectError: it cannot be read, or no face is seen (``clip_no_face``).
    """
    facts = read_facts(path)
    looks: list[Look] = []
    frames = 0
    with FaceTracker(video=False, faces=_FACES) as tracker:
        for frame in read_decoded(path):
            if frames % FRAMES_PER_SECOND == 0:
                looks.append(Look(frame=frames, faces_N2=_faces(tracker, upright(frame))))
            frames += 1
            tick()
    seen = Looks(
        width=facts.width, height=facts.height, frame_count=frames, looks=tuple(looks), cuts=(), jumps=()
    )
    return FirstLook(path=path, facts=facts, frames=frames, framing=framing_of(seen, looks, where=str(path)))


def same_shape(one: VideoFacts, other: VideoFacts) -> bool:
    """Whether two pictures differ in size only: their sides are in one proportion, within 2 %."""
    return abs(one.width * other.height / (one.height * other.width) - 1) < 0.02


def at_size(frame_HW3: NDArray[np.uint8], *, width: int, height: int) -> NDArray[np.uint8]:
    """A picture at another size."""
    if frame_HW3.shape[:2] == (height, width):
        return frame_HW3
    method = cv2.INTER_AREA if frame_HW3.shape[1] > width else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame_HW3, (width, height), interpolation=method), dtype=np.uint8)


def no_face(path: Path) -> SubjectError:
    """The error for a video in which no face could be tracked."""
    return SubjectError(
        code="clip_no_face",
        where=str(path),
        what="no face was found in the video",
        hint="landmark measures need one face, seen from the front",
    )


def _faces(tracker: FaceTracker, frame_HW3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    """Points (478, 2) of the faces in px of the picture, tallest first."""
    height, width = frame_HW3.shape[:2]
    to_picture_2 = np.array([width, height], dtype=np.float32) / np.float32(CANVAS)
    return tuple(
        np.asarray(track.mesh_N3[:, :2] * to_picture_2, dtype=np.float32)
        for track in tracker.track_all(frame_HW3)
    )
