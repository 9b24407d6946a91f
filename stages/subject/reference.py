"""Choosing the reference frame: sharp, frontal, eyes open, mouth closed.

Legend: T frames, K candidates, H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from stages.metrics.landmarks import mouth_opening
from stages.subject.tracks import ClipTracks

CANDIDATES: Final = 24
"""Only the calmest frames are looked at: sharpness decides between them."""

_FACE_PX: Final = 192
"""The face is brought to this height first, so that sharpness compares across sizes of pictures."""

_SHARPNESS_WEIGHT: Final = 0.5
"""What a frame one half as sharp as the sharpest candidate costs, in spreads of the pose: a quarter of one."""


def reference_frame(tracks: ClipTracks, frames_THW3: NDArray[np.uint8], *, stop: int) -> int:
    """The frame among the first `stop` to show the renderer as reference; the one preparation chose, if it did."""
    recorded = tracks.facts.reference_frame
    if recorded is not None and recorded < stop:
        return recorded
    candidates_K, cost_K = reference_candidates(tracks, stop=stop)
    sharpness_K = np.array([face_sharpness(tracks, int(k), frames_THW3[k]) for k in candidates_K])
    return best_reference(candidates_K, cost_K, sharpness_K)


def choose_reference(
    tracks: ClipTracks, frames: Iterable[NDArray[np.uint8]], *, also: Collection[int] = ()
) -> tuple[int, dict[int, NDArray[np.uint8]]]:
    """The reference frame of a clip, among those that training may see, and the frames that were looked at.

    Args:
        tracks: of the clip.
        frames: its square RGB frames, in order.
        also: other frames that are wanted; the reference is among those given back, too.
    """
    candidates_K, cost_K = reference_candidates(
        tracks, stop=tracks.facts.trained_frames or tracks.frame_count
    )
    wanted = {*candidates_K.tolist(), *also}
    seen = {index: frame_HW3 for index, frame_HW3 in enumerate(frames) if index in wanted}
    sharpness_K = np.array([face_sharpness(tracks, int(k), seen[int(k)]) for k in candidates_K])
    return best_reference(candidates_K, cost_K, sharpness_K), seen


def reference_candidates(tracks: ClipTracks, *, stop: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The calmest learnable frames (K,) among the first `stop`, and what is wrong with each (K,): lower is better.

    Counted are the distance of head pose and position from the middle of the clip, in spreads; how far the head
    turns from the camera, in tens of degrees; eyes less open than the clip's wide-open, and lips apart, in px.
    """
    canonical_TN3, head_T7 = tracks.canonical_TN3[:stop], tracks.head_T7[:stop].astype(np.float64)
    # Eye opening: mean height of both eye rings; the wider open, the better, but not above its 80th percentile.
    opening_T = np.ptp(canonical_TN3[:, LEFT_EYE, 1], axis=1) + np.ptp(canonical_TN3[:, RIGHT_EYE, 1], axis=1)
    squint_T = np.maximum(np.percentile(opening_T, 80) - opening_T, 0).astype(np.float64)
    off_T = np.abs((head_T7 - np.median(head_T7, axis=0)) / (head_T7.std(axis=0) + 1e-6))[:, :5].mean(axis=1)
    turned_T = np.abs(head_T7[:, :2]).mean(axis=1) / 10.0
    lips_T = mouth_opening(canonical_TN3)
    # Teeth that show at rest are part of a face: only what is above the clip's closed mouth counts.
    apart_T = np.maximum(lips_T - np.percentile(lips_T, 10), 0) / 4.0
    cost_T = off_T + squint_T + turned_T + apart_T
    learnable = tracks.learnable(stop)
    if learnable:
        cost_T[np.setdiff1d(np.arange(len(cost_T)), learnable)] = np.inf
    calmest_K = np.argsort(cost_T, kind="stable")[: min(CANDIDATES, len(learnable) or CANDIDATES)]
    candidates_K = np.sort(calmest_K)
    return candidates_K, cost_T[candidates_K]


def face_sharpness(tracks: ClipTracks, frame: int, frame_HW3: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian over the face of one square frame, in grey levels squared."""
    mesh_N3 = pose(tracks.canonical_TN3[frame : frame + 1], tracks.head_T7[frame : frame + 1])[0]
    corners_22 = np.stack([mesh_N3[:, :2].min(axis=0), mesh_N3[:, :2].max(axis=0)])
    size = frame_HW3.shape[0]
    low, high = np.clip(np.round(corners_22 * (size / CANVAS)).astype(int), 0, size)
    face_HW3 = frame_HW3[low[1] : high[1], low[0] : high[0]]
    if min(face_HW3.shape[:2]) < 2:
        return 0.0
    width = max(2, round(face_HW3.shape[1] * _FACE_PX / face_HW3.shape[0]))
    grey_HW = cv2.resize(
        cv2.cvtColor(np.ascontiguousarray(face_HW3), cv2.COLOR_RGB2GRAY),
        (width, _FACE_PX),
        interpolation=cv2.INTER_AREA,
    )
    return float(np.asarray(cv2.Laplacian(grey_HW, cv2.CV_64F)).var())


def best_reference(
    candidates_K: NDArray[np.int64], cost_K: NDArray[np.float64], sharpness_K: NDArray[np.float64]
) -> int:
    """The candidate with the least cost, blur counted in."""
    blur_K = 1.0 - sharpness_K / max(float(sharpness_K.max()), 1e-9)
    return int(candidates_K[np.argmin(cost_K + _SHARPNESS_WEIGHT * blur_K)])
