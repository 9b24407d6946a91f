"""Making a subject's reference library from its prepared clip.

Legend: T frames, R references, S side of a picture (512 px), M side of a mask (256 px), 3 = RGB or (x, y, z).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS, pose, straightened
from stages.subject.framing import Frame
from stages.subject.library_file import MASK_SIZE, StoredReferences
from stages.subject.reference import reference_candidates
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.split import training_frames
from stages.warp.control_mesh import ControlMesh
from stages.warp.exposure import even_exposures
from stages.warp.keys import eye_keys, farthest_points, head_keys, mouth_keys
from stages.warp.matte import whole_masks
from stages.warp.plate import BackgroundPlate, SeenBackground

Floats = NDArray[np.float32]

HEADS: Final = 32
MOUTHS: Final = 96
EYES: Final = 40
"""How many references are picked for their head, their mouth and their eyes; each serves for all three."""

_BEYOND_MASK_PX: Final = 33
"""Side of the brush by which a mask is grown before what is outside of it is forgotten: cubic resampling reads 2 px
beyond it, and the coder blurs."""


class Segmenter(Protocol):
    """Tells where a person is; see `stages.subject.face_tracker.PersonSegmenter`."""

    def mask(self, frame_HW3: Frame) -> Floats:
        """(H, W) confidence in [0, 1] that a pixel is the person's."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryPlan:
    """Which frames of a clip become references, the calmest first, and their numbers.

    Attributes:
        frames: indices of frames.
        points_RP2: control points.
        heads_RK, mouths_RK, eyes_RK: keys.
    """

    frames: tuple[int, ...]
    points_RP2: Floats
    heads_RK: Floats
    mouths_RK: Floats
    eyes_RK: Floats

    @classmethod
    def of(cls, tracks: ClipTracks, *, template: Template) -> Self:
        """Choose among the frames that may be learnt from; neither the held-out end nor unfit frames are looked at.

        Args:
            tracks: of the clip.
            template: of the subject's package.

        Raises:
            SubjectError: there is no such frame (``clip_unfit``).
        """
        stop = tracks.facts.trained_frames or training_frames(tracks.frame_count)
        learnable = tracks.learnable(stop)
        if not learnable:
            raise SubjectError(
                code="clip_unfit",
                where=tracks.facts.speaker,
                what="every frame that training may see is lost, damaged or frozen",
                hint="prepare the subject from another clip",
            )
        mesh_TN3 = pose(tracks.canonical_TN3[learnable], tracks.head_T7[learnable])
        canonical_TN3, head_T7 = straightened(mesh_TN3, template_N3=template.mesh_N3)
        heads_TK, mouth_TK, eyes_TK = (
            head_keys(head_T7),
            mouth_keys(canonical_TN3, head_T7),
            eye_keys(canonical_TN3, head_T7),
        )
        calmest = learnable.index(_calmest(tracks, stop=stop, among=learnable))
        picked = [
            index
            for key_TK, count in ((heads_TK, HEADS), (mouth_TK, MOUTHS), (eyes_TK, EYES))
            for index in farthest_points(key_TK, count=count, first=calmest)
        ]
        # In order of time, where neighbours are most alike, which the coder lives on.
        chosen = [calmest, *sorted(set(picked) - {calmest})]
        control = control_of(template)
        points = [
            control.points(
                mesh_N3=mesh_TN3[index],
                head_7=head_T7[index],
                torso_18x3=tracks.torso_TN3[learnable[index]],
            )
            for index in chosen
        ]
        return cls(
            frames=tuple(learnable[index] for index in chosen),
            points_RP2=np.stack(points),
            heads_RK=heads_TK[chosen],
            mouths_RK=mouth_TK[chosen],
            eyes_RK=eyes_TK[chosen],
        )


def control_of(template: Template) -> ControlMesh:
    """The control mesh of a subject's package."""
    return ControlMesh.of(canonical_N3=template.mesh_N3, head_7=template.head_7, torso_18x3=template.torso_N3)


def make_references(
    plan: LibraryPlan, frames: Iterable[Frame], *, segmenter: Segmenter, where: str
) -> StoredReferences:
    """The references of a plan, from the clip's pictures.

    Args:
        plan: which frames are wanted; no other picture is kept or segmented.
        frames: the clip's square RGB frames (512, 512, 3) in order.
        segmenter: finds the person.
        where: names the clip in errors.

    Raises:
        SubjectError: there are fewer pictures than the plan needs (``clip_frames_missing``).
    """
    pictures_RSS3 = _wanted(plan, frames, where=where)
    segmented_RSS = np.stack([_levels(segmenter.mask(picture_SS3)) for picture_SS3 in pictures_RSS3])
    masks_RSS = whole_masks(pictures_RSS3, segmented_RSS)
    seen = SeenBackground.of(pictures_RSS3, masks_RSS)
    plate = BackgroundPlate.from_seen(seen)
    if plate.is_still:
        even_exposures(pictures_RSS3, seen)
        _leave_out_background(pictures_RSS3, masks_RSS, plate=plate)
    half = (MASK_SIZE, MASK_SIZE)
    return StoredReferences(
        plate=plate,
        pictures_RSS3=pictures_RSS3,
        masks_RMM=np.stack(
            [cv2.resize(mask_SS, half, interpolation=cv2.INTER_AREA) for mask_SS in masks_RSS]
        ),
        frames_R=np.array(plan.frames, dtype=np.int32),
        points_RP2=plan.points_RP2,
        heads_RK=plan.heads_RK,
        mouths_RK=plan.mouths_RK,
        eyes_RK=plan.eyes_RK,
    )


def _wanted(plan: LibraryPlan, frames: Iterable[Frame], *, where: str) -> NDArray[np.uint8]:
    """The pictures (R, S, S, 3) of a plan, each put into its place as it comes by: they are its largest part."""
    place = {frame: row for row, frame in enumerate(plan.frames)}
    last, found = max(place), 0
    pictures_RSS3 = np.empty((len(place), CANVAS, CANVAS, 3), dtype=np.uint8)
    for index, frame_SS3 in zip(range(last + 1), frames, strict=False):
        if index in place:
            pictures_RSS3[place[index]] = frame_SS3
            found += 1
    if found < len(place):
        raise SubjectError(
            code="clip_frames_missing",
            where=where,
            what=f"there are fewer than {last + 1} pictures",
            hint="prepare the clip again",
        )
    return pictures_RSS3


def _calmest(tracks: ClipTracks, *, stop: int, among: list[int]) -> int:
    """The reference that preparation chose, or the calmest frame where it chose none that may be used."""
    recorded = tracks.facts.reference_frame
    if recorded is not None and recorded in among:
        return recorded
    candidates_K, cost_K = reference_candidates(tracks, stop=stop)
    return int(candidates_K[np.argmin(cost_K)])


def _levels(mask_SS: Floats) -> NDArray[np.uint8]:
    return np.round(mask_SS * 255).astype(np.uint8)


def _leave_out_background(
    pictures_RSS3: NDArray[np.uint8], masks_RSS: NDArray[np.uint8], *, plate: BackgroundPlate
) -> None:
    """Put the plate into the pictures, far from the person: what is the same in all of them takes no room."""
    brush = np.ones((_BEYOND_MASK_PX, _BEYOND_MASK_PX), dtype=np.uint8)
    for picture_SS3, mask_SS in zip(pictures_RSS3, masks_RSS, strict=True):
        is_empty_SS = cv2.dilate(mask_SS, brush) == 0
        picture_SS3[is_empty_SS] = plate.picture_SS3[is_empty_SS]
