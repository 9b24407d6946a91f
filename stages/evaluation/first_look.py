"""What a video is and where its face is, before it is measured. Legend: H/W pixels, N points, 2 = (x, y), 3 = RGB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
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
from stages.subject.frozen import PictureChanges
from stages.subject.looks import MOST_FACES, MOST_TURNED, Look, Looks, look_at
from stages.subject.quality import judge_faces, refuse
from stages.video.decoding import VideoFacts, read_decoded, read_facts
from stages.video.timing import ClipNotes

_MOST_TIMES: Final = 2.0
"""A face that is so many times as high as in the true video is not the same face, or not the same shot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """A video before it is measured.

    Attributes:
        path: its file.
        facts: as recorded.
        frames: at 25 a second.
        framing: the square in which its face is tracked.
        told: what to know of the file, in sentences; see `stages.media.account`.
        face_share: height of its face as a share of the picture's, the median of the looks.
    """

    path: Path
    facts: VideoFacts
    frames: int
    framing: Framing
    told: tuple[str, ...]
    face_share: float

    def in_picture(self, points_N3: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (..., N, 3) of the 512 canvas in px of the recorded picture."""
        corner_3 = np.array([self.framing.left, self.framing.top, 0], dtype=np.float32)
        return points_N3 * np.float32(self.framing.side / CANVAS) + corner_3


def first_look(path: Path, *, tick: Tick) -> FirstLook:
    """Count a video's frames and find its face, in one frame of each second from the first on.

    Raises:
        SubjectError: it cannot be read, or no face is seen (``clip_no_face``), another of comparable size beside it
            (``clip_several_faces``), or one that is not upright (``clip_upside_down``).
    """
    facts = read_facts(path)
    looks: list[Look] = []
    frames = 0
    changes, notes = PictureChanges(), ClipNotes()
    with FaceTracker(faces=MOST_FACES) as tracker:
        for picture in read_decoded(path, notes=notes):
            changes.add(picture)
            if frames % FRAMES_PER_SECOND == 0:
                turned = len(looks) < MOST_TURNED
                looks.append(look_at(tracker, picture.upright(), frame=frames, which_way_up=turned))
            frames += 1
            tick()
    seen = Looks(
        width=facts.width, height=facts.height, frame_count=frames, looks=tuple(looks), cuts=(), jumps=()
    )
    changes.note_frozen(notes)
    # Of two people it would be chance who is judged.
    refuse(judge_faces(looks), where=str(path))
    return FirstLook(
        path=path,
        facts=facts,
        frames=frames,
        framing=framing_of(seen, looks, where=str(path)),
        told=tuple(notes.account.sentences()),
        face_share=median(look.heights[0] for look in looks if look.heights) / facts.height,
    )


def same_shape(one: VideoFacts, other: VideoFacts) -> bool:
    """Whether two pictures differ in size only: their sides are in one proportion, within 2 %."""
    return abs(one.width * other.height / (one.height * other.width) - 1) < 0.02


def check_same_face_size(generated: FirstLook, truth: FirstLook) -> None:
    """Raises SubjectError (``clip_face_size``) where two pictures of one shape show faces of very different height.

    The smaller may be another person, further back; and no measure of points that small can be compared.
    """
    share = generated.face_share / truth.face_share
    if same_shape(generated.facts, truth.facts) and not 1 / _MOST_TIMES < share < _MOST_TIMES:
        raise SubjectError(
            code="clip_face_size",
            where=str(generated.path),
            what=f"its face is {generated.face_share:.0%} of the picture high, in the true one {truth.face_share:.0%}",
            hint="check that both show the same person; crop them alike",
        )


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
