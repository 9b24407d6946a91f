"""Two faces frame by frame, in canonical space. Legend: T frames, N points, 3 = (x, y, z)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.evaluation.traces import FaceTrace
from stages.evaluation.watch import Watched
from stages.geometry.landmarks import EYES, INNER_LIP_RING, LIPS, OUTER_LIP_RING
from stages.metrics.landmarks import correlation, landmark_distance, mouth_opening, moves
from stages.metrics.mouth_area import mouth_area_overlap
from stages.moda.blinks import lid_opening

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceComparison:
    """Landmark figures of a pair, over the frames with a face in both; see `PairFigures`.

    Attributes:
        lip_error_T: the distance behind LMD, frame by frame; NaN without a face in both.
    """

    face_frames: int
    lmd: float
    lmd_v: float | None
    ma: float
    ma_outer: float
    opening_correlation: float | None
    lip_error_T: Doubles


def compare_faces(generated: Watched, truth: Watched) -> FaceComparison:
    """Compare frame t with frame t.

    Raises SubjectError (``clip_no_common_face``) when no frame shows a face in both.
    """
    both_T = generated.found_T & truth.found_T
    if not both_T.any():
        raise SubjectError(
            code="clip_no_common_face",
            where=str(generated.look.path),
            what="in no frame is there a face in this video and in the true one",
            hint="check that both show the same speech from the same moment on",
        )
    ours_TN3, truth_TN3 = generated.canonical_TN3, truth.canonical_TN3
    lips_TN2, true_lips_TN2 = ours_TN3[:, LIPS, :2], truth_TN3[:, LIPS, :2]
    error_T = np.linalg.norm(lips_TN2 - true_lips_TN2, axis=-1).mean(axis=1).astype(np.float64)
    steps_T = both_T[1:] & both_T[:-1]
    opening_T, true_opening_T = (mouth_opening(mesh_TN3[both_T]) for mesh_TN3 in (ours_TN3, truth_TN3))
    return FaceComparison(
        face_frames=int(both_T.sum()),
        lmd=landmark_distance(lips_TN2[both_T], true_lips_TN2[both_T]),
        lmd_v=(
            landmark_distance(np.diff(lips_TN2, axis=0)[steps_T], np.diff(true_lips_TN2, axis=0)[steps_T])
            if steps_T.any()
            else None
        ),
        ma=mouth_area_overlap(ours_TN3[both_T], truth_TN3[both_T], ring=INNER_LIP_RING),
        ma_outer=mouth_area_overlap(ours_TN3[both_T], truth_TN3[both_T], ring=OUTER_LIP_RING),
        opening_correlation=(
            correlation(opening_T, true_opening_T) if moves(opening_T) and moves(true_opening_T) else None
        ),
        lip_error_T=np.where(both_T, error_T, np.nan),
    )


def face_trace(watched: Watched) -> FaceTrace:
    """What a face does over time."""

    def seen(values_T: NDArray[np.floating]) -> Doubles:
        return np.where(watched.found_T, values_T.astype(np.float64), np.nan)

    return FaceTrace(
        opening_T=seen(mouth_opening(watched.canonical_TN3)),
        eyes_T=seen(lid_opening(watched.canonical_TN3[:, EYES])),
        yaw_T=seen(watched.head_T7[:, 0]),
        pitch_T=seen(watched.head_T7[:, 1]),
        roll_T=seen(watched.head_T7[:, 2]),
    )
