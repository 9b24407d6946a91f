"""Tracks of a clip brought onto its pictures: head poses and torso, in one pass over the frames.

Legend: T frames, H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import pose
from stages.geometry.landmarks import CHIN
from stages.subject.pose_refinement import PoseRefiner
from stages.subject.rigid_bone import on_rigid_bone
from stages.subject.torso import is_moving
from stages.subject.torso_refinement import TorsoRefiner
from stages.subject.tracks import ClipTracks
from stages.subject.warp_residual import RefinementAccount
from stages.warp.control_mesh import ControlMesh

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinedTracks:
    """Tracks that lie on the pictures, with a rigid bone, and what the refinement of head and torso came to."""

    tracks: ClipTracks
    head: RefinementAccount
    torso: RefinementAccount


def control_mesh(tracks: ClipTracks) -> ControlMesh:
    """The control mesh of a clip's means, over the frames that may be learnt from where there are any."""
    chosen = tracks.learnable() or list(range(tracks.frame_count))
    return ControlMesh.of(
        canonical_N3=tracks.canonical_TN3[chosen].mean(axis=0),
        head_7=tracks.head_T7[chosen].mean(axis=0),
        torso_18x3=tracks.torso_TN3[chosen].mean(axis=0),
    )


def refine_tracks(
    tracks: ClipTracks, frames: Iterable[Frame], *, reference: int, reference_HW3: Frame
) -> RefinedTracks:
    """Refine smoothed tracks; of the pictures a fixed number is kept.

    Args:
        tracks: as tracked and smoothed.
        frames: the clip's square RGB frames (512, 512, 3) in order, one to each frame of the tracks.
        reference: which frame the subject's reference is.
        reference_HW3: its picture.

    Raises:
        SubjectError: there are fewer pictures than tracks (``clip_frames_missing``).
    """
    canonical_TN3, head_T7 = on_rigid_bone(tracks.canonical_TN3, tracks.head_T7)
    tracks = replace(tracks, canonical_TN3=canonical_TN3, head_T7=head_T7)
    chin_3 = pose(
        tracks.canonical_TN3[reference : reference + 1, CHIN : CHIN + 1],
        tracks.head_T7[reference : reference + 1],
    )[0, 0]
    heads = PoseRefiner(
        control=control_mesh(tracks),
        canonical_TN3=tracks.canonical_TN3,
        head_T7=tracks.head_T7,
        torso_TN3=tracks.torso_TN3,
        reference=reference,
        reference_HW3=reference_HW3,
    )
    torsos = TorsoRefiner(
        torso_TN3=tracks.torso_TN3, chin=float(chin_3[1]), reference=reference, reference_HW3=reference_HW3
    )
    seen = 0
    for _, frame_HW3 in zip(range(tracks.frame_count), frames, strict=False):
        heads.see(frame_HW3)
        torsos.see(frame_HW3)
        seen += 1
    if seen < tracks.frame_count:
        raise SubjectError(
            code="clip_frames_missing",
            where=tracks.facts.source,
            what=f"there are {seen} pictures to {tracks.frame_count} frames of tracks",
            hint="prepare the clip again",
        )
    head, torso = heads.refined(), torsos.refined()
    return RefinedTracks(
        tracks=replace(
            tracks,
            facts=replace(tracks.facts, torso_moves=is_moving(torso.torso_TN3)),
            head_T7=head.head_T7,
            torso_TN3=torso.torso_TN3,
        ),
        head=head.account,
        torso=torso.account,
    )
