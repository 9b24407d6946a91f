"""Figures of a clip's tracks that say how good they are.

Legend: T frames, N points, S samples, 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import RIGID
from stages.metrics.lip_sync import loudness
from stages.payloads import SAMPLES_PER_FRAME

Floats = NDArray[np.float32]

_PROFILE_DEGREES: Final = 35.0
_QUIET: Final = 0.003
"""Root mean square of a frame, full scale 1, below which nothing is heard: -50 dB."""

_QUIET_SHARE: Final = 0.05
_BENT_PX: Final = 6.0
"""Mean displacement of the rigid vertices from their median place, canonical px: what bone does not do."""

_JUMP_OF_FACE: Final = 0.25
"""A face that moves by this share of its height within a frame is another face, or a lost one."""

_SHOULDER_BOTTOM: Final = CANVAS - 4

_HAIR, _EARS = 0.3, 0.12
"""How far a head reaches beyond the points of its face, in heights of the face."""
_NEAR_BORDER: Final = 0.05
"""Likewise: what these allowances are off by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackMeasures:
    """What tracks are like.

    Attributes:
        jitter_px: noise of the rigid vertices from frame to frame, before smoothing, in canonical px.
        profile_share: share of frames turned more than 35 degrees from the camera.
        disturbed_share: share of frames in which the rigid vertices are out of shape or the face jumps.
        voiced_share: share of frames with sound.
        shoulders_visible: whether a body was seen at the columns beside the face.
        face_cut_share: share of frames in which points of the face lie beyond the border.
        head_cut_share: share of frames in which the border cuts off more of the head, hair included, than usual.
        shoulders_gone_share: share of frames in which most of the columns that usually show a body show none.
    """

    jitter_px: float
    profile_share: float
    disturbed_share: float
    voiced_share: float
    shoulders_visible: bool
    face_cut_share: float
    head_cut_share: float
    shoulders_gone_share: float

    @classmethod
    def of(
        cls,
        *,
        canonical_TN3: Floats,
        head_T7: Floats,
        mesh_TN3: Floats,
        heights_T18: Floats,
        speech_S: Floats,
    ) -> Self:
        """Measure observed frames.

        Args:
            canonical_TN3: meshes in canonical space, not smoothed.
            head_T7: head vectors.
            mesh_TN3: meshes in the picture.
            heights_T18: heights of the shoulders.
            speech_S: 16 kHz samples of the same frames; may be shorter.
        """
        disturbed_T = _is_bent(canonical_TN3) | _jumps(head_T7, mesh_TN3)
        return cls(
            jitter_px=jitter(canonical_TN3),
            profile_share=float((np.abs(head_T7[:, 0]) > _PROFILE_DEGREES).mean()),
            disturbed_share=float(disturbed_T.mean()),
            voiced_share=voiced_share(speech_S),
            shoulders_visible=bool((np.median(heights_T18, axis=0) < _SHOULDER_BOTTOM).mean() > 0.25),
            face_cut_share=float((_beyond(mesh_TN3, hair=0.0, ears=0.0) > 0).mean()),
            head_cut_share=_head_cut_share(mesh_TN3),
            shoulders_gone_share=_shoulders_gone_share(heights_T18),
        )


def jitter(canonical_TN3: Floats) -> float:
    """Noise of the rigid vertices in px: their second difference in time, as white noise would have it.

    The second difference of noise of spread s has the spread s sqrt(6); slow motion has next to none. The median over
    the vertices.
    """
    if len(canonical_TN3) < 3:
        return 0.0
    rigid_TN2 = canonical_TN3[:, RIGID, :2].astype(np.float64)
    bent_TN2 = rigid_TN2[:-2] - 2 * rigid_TN2[1:-1] + rigid_TN2[2:]
    return float(np.median(np.sqrt((bent_TN2**2).mean(axis=(0, 2)) / 6.0)))


def voiced_share(speech_S: Floats) -> float:
    """Share of frames loud enough to be heard beside the loudest."""
    frames = len(speech_S) // SAMPLES_PER_FRAME
    if frames == 0:
        return 0.0
    loudness_T = loudness(speech_S, frames)
    return float((loudness_T > max(_QUIET, _QUIET_SHARE * float(np.percentile(loudness_T, 95)))).mean())


def _is_bent(canonical_TN3: Floats) -> NDArray[np.bool_]:
    rigid_TN2 = canonical_TN3[:, RIGID, :2]
    off_T = np.linalg.norm(rigid_TN2 - np.median(rigid_TN2, axis=0), axis=-1).mean(axis=1)
    # A head that turns bends the mesh a little for seconds; a hand comes and goes, so its neighbours tell it apart.
    usual_T = minimum_filter1d(off_T, 51, mode="nearest")
    return np.asarray(off_T - usual_T > _BENT_PX, dtype=np.bool_)


def _jumps(head_T7: Floats, mesh_TN3: Floats) -> NDArray[np.bool_]:
    height = float(np.median(np.ptp(mesh_TN3[..., 1], axis=1)))
    moved_T = np.linalg.norm(np.diff(head_T7[:, 3:5], axis=0, prepend=head_T7[:1, 3:5]), axis=1)
    return np.asarray(moved_T > _JUMP_OF_FACE * height, dtype=np.bool_)


def _beyond(mesh_TN3: Floats, *, hair: float, ears: float) -> Floats:
    """How far a head reaches beyond the border, in heights of its face; negative inside.

    `hair` and `ears` are how far it reaches beyond the points, above and to either side.
    """
    low_T2, high_T2 = mesh_TN3[..., :2].min(axis=1), mesh_TN3[..., :2].max(axis=1)
    height_T = np.maximum(high_T2[:, 1] - low_T2[:, 1], 1.0)
    beyond_4T = (
        ears - low_T2[:, 0] / height_T,
        hair - low_T2[:, 1] / height_T,
        ears + (high_T2[:, 0] - CANVAS) / height_T,
        (high_T2[:, 1] - CANVAS) / height_T,
    )
    return np.asarray(np.max(beyond_4T, axis=0), dtype=np.float32)


def _head_cut_share(mesh_TN3: Floats) -> float:
    # What is always cut off is how the clip is framed: it is learnt, and drawn, as it is.
    beyond_T = _beyond(mesh_TN3, hair=_HAIR, ears=_EARS)
    return float((beyond_T > max(0.0, float(np.median(beyond_T))) + _NEAR_BORDER).mean())


def _shoulders_gone_share(heights_T18: Floats) -> float:
    usual_18 = np.median(heights_T18, axis=0) < _SHOULDER_BOTTOM
    if not usual_18.any():
        return 0.0
    return float(((heights_T18[:, usual_18] < _SHOULDER_BOTTOM).mean(axis=1) < 0.5).mean())
