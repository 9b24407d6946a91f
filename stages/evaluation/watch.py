"""One pass over one video: its face in every frame, and what can be measured on it alone.

Legend: T frames, N points, H/W pixels, M sampled frames, E embedding width, 3 = RGB or (x, y, z), 7 = head vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.evaluation.first_look import FirstLook, at_size, no_face
from stages.evaluation.same_person import FaceEmbedder
from stages.evaluation.side_by_side import Tick
from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import LIPS
from stages.metrics.niqe import niqe
from stages.metrics.pictures import laplacian_variance
from stages.metrics.steadiness import Box, Steadiness, SteadinessFigures
from stages.payloads import FRAMES_PER_SECOND
from stages.subject.face_tracker import FaceTracker
from stages.subject.framing import resized
from stages.subject.prepare import canonicalised
from stages.video.decoding import read_frames

Floats = NDArray[np.float32]

_MOUTH_MARGIN: Final = 16
"""Pixels of the 512 canvas around the lips, as when a renderer is validated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPlan:
    """How to watch a video.

    Attributes:
        frames: how many, from the first on.
        width, height: the size at which its pictures are measured.
        niqe_every: NIQE on every so many frames; 0: on none.
        embedder: for the identity; None: not measured.
    """

    frames: int
    width: int
    height: int
    niqe_every: int
    embedder: FaceEmbedder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was seen.

    Attributes:
        look: the first look at it.
        found_T: (T,) whether a face was found.
        canonical_TN3: (T, 478, 3) canonical meshes, unsmoothed; a frame without a face repeats the one before.
        head_T7: (T, 7) head vectors.
        faces, mouths: boxes in px of the measured picture, likewise.
        niqe: mean over the sampled frames.
        sharpness: mean variance of the Laplacian in the box of the face.
        steadiness: flicker, freezing, blackness.
        embeddings_ME: (M, E) of the faces of one frame a second; None where not measured.
    """

    look: FirstLook
    found_T: NDArray[np.bool_]
    canonical_TN3: Floats
    head_T7: Floats
    faces: tuple[Box, ...]
    mouths: tuple[Box, ...]
    niqe: float | None
    sharpness: float
    steadiness: SteadinessFigures
    embeddings_ME: Floats | None


def watch(look: FirstLook, plan: WatchPlan, *, tick: Tick) -> Watched:
    """Read a video through.

    Raises SubjectError (``clip_no_face``) when no face is found in any frame.
    """
    watcher = _Watcher(look, plan)
    with FaceTracker() as tracker:
        for frame_HW3 in islice(read_frames(look.path), plan.frames):
            watcher.add(frame_HW3, tracker)
            tick()
    return watcher.watched()


class _Watcher:
    """Gathers what `Watched` holds, frame by frame."""

    def __init__(self, look: FirstLook, plan: WatchPlan) -> None:
        self._look, self._plan = look, plan
        whole = (slice(0, plan.height), slice(0, plan.width))
        self._found: list[bool] = []
        self._meshes: list[Floats] = []
        self._faces: list[Box] = []
        self._mouths: list[Box] = []
        self._face = self._mouth = whole
        self._niqe: list[float] = []
        self._sharpness: list[float] = []
        self._embeddings: list[Floats] = []
        self._steadiness = Steadiness()

    def add(self, frame_HW3: NDArray[np.uint8], tracker: FaceTracker) -> None:
        index = len(self._found)
        track = tracker.track(self._square(frame_HW3))
        measured_HW3 = at_size(frame_HW3, width=self._plan.width, height=self._plan.height)
        self._found.append(track is not None)
        if track is not None:
            self._meshes.append(track.mesh_N3)
            self._face = self._box(track.mesh_N3, margin=0)
            self._mouth = self._box(track.mesh_N3[LIPS], margin=_MOUTH_MARGIN)
            self._sharpness.append(laplacian_variance(measured_HW3[self._face]))
            if self._plan.embedder is not None and index % FRAMES_PER_SECOND == 0:
                self._embeddings.append(self._plan.embedder.embed(measured_HW3, self._face))
        self._faces.append(self._face)
        self._mouths.append(self._mouth)
        self._steadiness.add(measured_HW3, self._face)
        if self._plan.niqe_every and index % self._plan.niqe_every == 0:
            self._niqe.append(niqe(measured_HW3))

    def watched(self) -> Watched:
        if not self._meshes:
            raise no_face(self._look.path)
        found_T = np.array(self._found)
        canonical_TN3, head_T7 = canonicalised(np.stack(self._meshes))
        # Of the frames without a face, those before the first have its pose.
        seen_T = np.maximum(np.cumsum(found_T) - 1, 0)
        natural = [value for value in self._niqe if np.isfinite(value)]
        return Watched(
            look=self._look,
            found_T=found_T,
            canonical_TN3=canonical_TN3[seen_T],
            head_T7=head_T7[seen_T],
            faces=tuple(self._faces),
            mouths=tuple(self._mouths),
            niqe=float(np.mean(natural)) if natural else None,
            sharpness=float(np.mean(self._sharpness)),
            steadiness=self._steadiness.figures(),
            embeddings_ME=np.stack(self._embeddings) if self._embeddings else None,
        )

    def _square(self, frame_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
        framing = self._look.framing
        rows, columns = (slice(start, start + framing.side) for start in (framing.top, framing.left))
        return resized(np.ascontiguousarray(frame_HW3[rows, columns]), CANVAS)

    def _box(self, points_N3: Floats, *, margin: int) -> Box:
        """The box around points of the canvas, in px of the measured picture and inside it."""
        facts = self._look.facts
        low_3, high_3 = points_N3.min(axis=0) - margin, points_N3.max(axis=0) + margin
        (left, top, _), (right, bottom, _) = self._look.in_picture(np.stack([low_3, high_3])).tolist()
        across, down = self._plan.width / facts.width, self._plan.height / facts.height
        return (
            _span(top * down, bottom * down, self._plan.height),
            _span(left * across, right * across, self._plan.width),
        )


def _span(start: float, stop: float, size: int) -> slice:
    """At least one of `size` pixels."""
    first = min(max(0, int(start)), size - 1)
    return slice(first, max(first + 1, min(size, int(stop) + 1)))
