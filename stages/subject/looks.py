"""A first look at a clip: who is in it, where, and where the picture changes.

Legend: H/W pixels, N points, 2 = (x, y), 3 = RGB.

One frame a second is searched for faces. Every frame is compared with the one before it on a tiny copy, to find cuts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.media.account import PictureAccount
from stages.payloads import FRAMES_PER_SECOND
from stages.subject.face_tracker import FaceTracker
from stages.subject.frozen import PictureChanges
from stages.subject.upside_down import lean_degrees
from stages.video.decoding import read_decoded
from stages.video.timing import ClipNotes
from stages.video.unfit import UnfitFrames

MOST_FACES: Final = 3
MOST_TURNED: Final = 3
"""Looks in which it is asked which way up the face is."""

_CUT_LEVELS: Final = 25.0
"""Mean change of a colour from one frame to the next, in levels of 255, that only another shot makes: faces that move
fast stay below 13, another shot of the same person is above 28."""

_JUMP_LEVELS: Final = 12.0
_SPIKE: Final = 4.0
"""A cut stands out of the changes of the second around it by this factor; a camera that pans does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one frame shows.

    Attributes:
        frame: its index at 25 a second.
        faces_N2: its faces, tallest first, each as points (478, 2) in px of the source picture.
        combing: share of the picture in which lines of two moments alternate.
        lean: degrees by which the tallest face, or one that is found when the picture is turned, leans clockwise;
            None where that was not asked, or is not clear.
    """

    frame: int
    faces_N2: tuple[NDArray[np.float32], ...]
    combing: float = 0.0
    lean: float | None = None

    @property
    def heights(self) -> tuple[float, ...]:
        """Heights of the faces in px of the source picture."""
        return tuple(float(np.ptp(points_N2[:, 1])) for points_N2 in self.faces_N2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What was seen.

    Attributes:
        width: of the source picture, as shown; 0 in a clip too short for a look.
        height: likewise.
        frame_count: frames of the clip at 25 a second.
        looks: one a second.
        cuts: first frames of new shots.
        jumps: frames at which the picture jumps, but not to another shot.
        unfit: frames that nothing is to be learnt from.
        account: what was found in the picture of the file.
    """

    width: int
    height: int
    frame_count: int
    looks: tuple[Look, ...]
    cuts: tuple[int, ...]
    jumps: tuple[int, ...]
    unfit: tuple[UnfitFrames, ...] = ()
    account: PictureAccount = field(default_factory=PictureAccount)

    @property
    def longest_shot(self) -> tuple[int, int]:
        """First frame, and the frame after the last, of the longest shot."""
        borders = (0, *self.cuts, self.frame_count)
        return max(pairwise(borders), key=lambda shot: shot[1] - shot[0])

    def within(self, start: int, stop: int) -> tuple[Look, ...]:
        """The looks at frames [start, stop)."""
        return tuple(look for look in self.looks if start <= look.frame < stop)


def look_over(clip: Path, *, progress: Callable[[int], None] | None = None) -> Looks:
    """Look a clip over. Raises SubjectError when it cannot be read."""
    looks: list[Look] = []
    changes = PictureChanges()
    height = width = count = 0
    notes = ClipNotes()
    with FaceTracker(faces=MOST_FACES) as tracker:
        for picture in read_decoded(clip, notes=notes):
            changes.add(picture)
            # In the middle of each second: the first frame of a clip is often a fade or a title.
            if count % FRAMES_PER_SECOND == FRAMES_PER_SECOND // 2:
                frame_HW3 = picture.upright()
                height, width = frame_HW3.shape[:2]
                look = look_at(tracker, frame_HW3, frame=count, which_way_up=len(looks) < MOST_TURNED)
                looks.append(replace(look, combing=picture.combing()))
            count += 1
            if progress is not None:
                progress(count)
    cuts, jumps = find_cuts(changes.changes_T)
    changes.note_repeated(notes)
    changes.note_frozen(notes)
    return Looks(
        width=width,
        height=height,
        frame_count=count,
        looks=tuple(looks),
        cuts=cuts,
        jumps=jumps,
        unfit=notes.unfit,
        account=notes.account,
    )


def find_cuts(changes_T: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Frames that open a new shot, and frames at which the same shot jumps, from changes (T,) to the frame before."""
    cuts: list[int] = []
    jumps: list[int] = []
    reach = FRAMES_PER_SECOND // 2
    for frame in np.flatnonzero(changes_T > _JUMP_LEVELS):
        around_T = changes_T[max(1, frame - reach) : frame + reach + 1]
        if changes_T[frame] < _SPIKE * np.median(around_T):
            continue
        (cuts if changes_T[frame] > _CUT_LEVELS else jumps).append(int(frame))
    return tuple(cuts), tuple(jumps)


def look_at(tracker: FaceTracker, frame_HW3: NDArray[np.uint8], *, frame: int, which_way_up: bool) -> Look:
    """The faces of an RGB picture, and which way up the tallest is if that is asked: it costs as much as four looks."""
    height, width = frame_HW3.shape[:2]
    # Points come back as if the picture were CANVAS x CANVAS.
    to_source_2 = np.array([width, height], dtype=np.float32) / np.float32(CANVAS)
    faces = [
        np.asarray(track.mesh_N3[:, :2] * to_source_2, dtype=np.float32)
        for track in tracker.track_all(frame_HW3)
    ]
    found = tuple(_distinct(faces))
    lean = lean_degrees(tracker, frame_HW3, found[0] if found else None) if which_way_up else None
    return Look(frame=frame, faces_N2=found, lean=lean)


def _distinct(faces: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Without second finds of one face: centres within half a face height of a taller one."""
    kept: list[NDArray[np.float32]] = []
    for points_N2 in faces:
        centre_2, height = points_N2.mean(axis=0), float(np.ptp(points_N2[:, 1]))
        if all(np.linalg.norm(centre_2 - other_N2.mean(axis=0)) > height / 2 for other_N2 in kept):
            kept.append(points_N2)
    return kept
