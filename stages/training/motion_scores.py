"""How predicted motion compares with a clip's own, and how takes of it differ (MODA section 10).

Legend: S takes, T frames, N points, 3 = (x, y, z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from stages.faco.paste import paste_parts
from stages.geometry.canonical import pose
from stages.geometry.landmarks import INNER_LIP_RING, LIPS, OUTER_LIP_RING
from stages.metrics.diversity import diversity
from stages.metrics.landmarks import (
    correlation,
    landmark_distance,
    landmark_velocity_distance,
    mouth_opening,
)
from stages.metrics.mouth_area import mouth_area_overlap
from stages.moda.smoothing import smooth_motion
from stages.payloads import FRAMES_PER_SECOND, Motion, PosedFace
from stages.subject.template import Template
from stages.training.motion_data import MotionClip

Floats = NDArray[np.float32]

_SHUT_PX: Final = 1.5
"""Opening of the inner lips below which they touch: the tracker seldom has them closer."""

_NODS_HZ: Final = (1.6, 3.2)
_NODS_PADDING: Final = 24
"""Frames by which a track is mirrored at its ends before it is filtered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionScores:
    """One clip's motion against the true one.

    Attributes:
        lmd, lmd_v: distance of lip points and of their steps, canonical px.
        mouth_area, outer_mouth_area: MA of the inner and of the outer lips.
        opening: correlation of the inner-lip opening.
        mouth_amplitude: spread of the opening, as a share of the true one's.
        shut: share of frames in which the lips touch.
        head_amplitude: spread of yaw, pitch and roll together, as a share of the true one's.
        head_speed: their mean change from frame to frame, as a share of the true one's, both smoothed.
        nods: their spread between 1.6 and 3.2 Hz, in degrees.
    """

    lmd: float
    lmd_v: float
    mouth_area: float
    outer_mouth_area: float
    opening: float
    mouth_amplitude: float
    shut: float
    head_amplitude: float
    head_speed: float
    nods: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """Diverse in px^2: of the posed face in the picture, and what lips, eyes and head alone add to it."""

    face: float
    lips: float
    eyes: float
    head: float


def score(clip: MotionClip, motion: Motion, *, smoothed: bool = True) -> MotionScores:
    """Compare motion with a clip's own.

    Args:
        clip: as long as `motion`.
        motion: displacements from the clip's template.
        smoothed: judge motion as it is drawn; the truth is held against itself as it was tracked.
    """
    truth = Motion.from_rows(np.ascontiguousarray(clip.rows_TC))
    calm, true_calm = smooth_motion(motion), smooth_motion(truth)
    motion = calm if smoothed else motion
    ours_TN3, truth_TN3 = (canonical_mesh(clip.template, track) for track in (motion, truth))
    ours_T, truth_T = mouth_opening(ours_TN3), mouth_opening(truth_TN3)
    lips_TN3, true_lips_TN3 = ours_TN3[:, LIPS], truth_TN3[:, LIPS]
    return MotionScores(
        lmd=landmark_distance(lips_TN3, true_lips_TN3),
        lmd_v=landmark_velocity_distance(lips_TN3, true_lips_TN3),
        mouth_area=mouth_area_overlap(ours_TN3, truth_TN3, ring=INNER_LIP_RING),
        outer_mouth_area=mouth_area_overlap(ours_TN3, truth_TN3, ring=OUTER_LIP_RING),
        opening=correlation(ours_T, truth_T),
        mouth_amplitude=float(ours_T.std() / truth_T.std()),
        shut=float((ours_T < _SHUT_PX).mean()),
        head_amplitude=amplitude(motion.head_TC[:, :3]) / amplitude(truth.head_TC[:, :3]),
        head_speed=speed(calm.head_TC[:, :3]) / speed(true_calm.head_TC[:, :3]),
        nods=nod_spread(motion.head_TC[:, :3]),
    )


def average_scores(scores: Sequence[MotionScores]) -> MotionScores:
    """Means over clips; medians for the shares of the head, which a clip that hardly moves would carry away."""
    columns = {name: [asdict(each)[name] for each in scores] for name in asdict(scores[0])}
    shares = ("head_amplitude", "head_speed")
    return MotionScores(
        **{
            name: float(np.median(values) if name in shares else np.mean(values))
            for name, values in columns.items()
        }
    )


def amplitude(track_TC: Floats) -> float:
    """Root mean square over channels of their spread over time."""
    return float(np.sqrt(np.var(track_TC, axis=0, dtype=np.float64).mean()))


def nod_spread(track_TC: Floats) -> float:
    """`amplitude` of what lies in the band of nods."""
    band = butter(3, _NODS_HZ, "band", fs=FRAMES_PER_SECOND, output="sos")
    centred_TC = track_TC - track_TC.mean(axis=0)
    return amplitude(sosfiltfilt(band, centred_TC, axis=0, padlen=min(_NODS_PADDING, len(track_TC) - 1)))


def speed(track_TC: Floats) -> float:
    """Mean change from frame to frame."""
    return float(np.abs(np.diff(track_TC.astype(np.float64), axis=0)).mean())


def canonical_mesh(template: Template, motion: Motion) -> Floats:
    """Meshes (T, 478, 3) with the motion's lips and eyes, and the template's everything else."""
    return paste_parts(template.mesh_N3, mouth_TN3=motion.mouth_TN3, eyes_TN3=motion.eyes_TN3)


def score_diversity(template: Template, takes: Sequence[Motion], faces: Sequence[PosedFace]) -> Diversity:
    """Diverse of takes of the same speech, smoothed, and of the faces composed of them.

    Raises ValueError for a single take.
    """
    heads = [
        pose(np.tile(template.mesh_N3, (take.frame_count, 1, 1)), take.head_TC + template.head_7)
        for take in takes
    ]
    return Diversity(
        face=diversity(np.stack([face.mesh_TN3 for face in faces])),
        lips=diversity(np.stack([take.mouth_TN3 for take in takes])),
        eyes=diversity(np.stack([take.eyes_TN3 for take in takes])),
        head=diversity(np.stack(heads)),
    )
