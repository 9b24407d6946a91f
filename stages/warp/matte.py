"""What a segmenter left out of a person: told by how a picture differs from the background, where that stands still.

Hair behind the neck is seen by a segmenter in one frame and not in the next; drawn by such masks it is a veil.
Legend: R pictures, S side of a picture (512 px), 3 = RGB.
"""

from __future__ import annotations

from functools import reduce
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.warp.plate import BackgroundPlate, Picture, SeenBackground

_BODY_ABOVE: Final = 128
_REACH_PX: Final = 81
"""Side of the brush by which the body that was found is grown: nothing farther from it is the person's, nor what does
not touch it."""

_HANGS_PX: Final = 25
"""Side of the brush for that: an earring hangs by less than is seen."""

_NOISE_LEVELS: Final = 14.0
_FULL_LEVELS: Final = 38.0
"""A pixel that differs from the background by less is background, by more the person; between them it is mixed."""

_SMOOTH_PX: Final = 1.0
_SPECK_PX: Final = 5
_GAP_PX: Final = 9
"""Parts smaller than a speck are no hair; smaller gaps than these are closed: hair may have the background's colour."""

_LEAST_FREE: Final = 1000
"""Pixels by which the light of a picture is told from that of the background."""


def whole_masks(pictures_RSS3: Picture, masks_RSS: Picture) -> Picture:
    """Masks (R, S, S) that leave nothing of the person out; as they were, before a background that moves.

    Args:
        pictures_RSS3: pictures (R, S, S, 3) of one person before one background.
        masks_RSS: how much of each pixel is the person's, as far as a segmenter sees.
    """
    seen = SeenBackground.of(pictures_RSS3, masks_RSS)
    if not seen.is_still:
        return masks_RSS
    plate_SS3 = BackgroundPlate.from_seen(seen).picture_SS3
    # Where a segmenter always sees the person nothing is known of the background, and nothing was left out.
    ever_free_SS = np.asarray(seen.free_RSS.any(axis=0), dtype=np.bool_)
    return np.stack(
        [
            _whole(
                picture_SS3,
                mask_SS,
                plate_SS3=plate_SS3,
                free_SS=free_SS & seen.seen_SS,
                ever_free_SS=ever_free_SS,
            )
            for picture_SS3, mask_SS, free_SS in zip(pictures_RSS3, masks_RSS, seen.free_RSS, strict=True)
        ]
    )


def _whole(
    picture_SS3: Picture,
    mask_SS: Picture,
    *,
    plate_SS3: Picture,
    free_SS: NDArray[np.bool_],
    ever_free_SS: NDArray[np.bool_],
) -> Picture:
    apart_SS3 = picture_SS3.astype(np.float32) - plate_SS3
    if free_SS.sum() >= _LEAST_FREE:
        # A cloud before the sun makes no person of the wall.
        apart_SS3 -= np.median(apart_SS3[free_SS], axis=0)
    most_SS = reduce(np.maximum, np.moveaxis(np.abs(apart_SS3), -1, 0))
    apart_SS = cv2.GaussianBlur(most_SS, (0, 0), _SMOOTH_PX)
    share_SS = np.clip((apart_SS - _NOISE_LEVELS) / (_FULL_LEVELS - _NOISE_LEVELS), 0, 1) * ever_free_SS
    body_SS = (mask_SS > _BODY_ABOVE).astype(np.uint8)
    near_SS = cv2.dilate(body_SS, _brush(_REACH_PX))
    other_SS = ((share_SS > 0.5) | (body_SS > 0)).astype(np.uint8) * near_SS
    closed_SS = cv2.morphologyEx(other_SS, cv2.MORPH_CLOSE, _brush(_GAP_PX))
    parts_SS = np.asarray(cv2.morphologyEx(closed_SS, cv2.MORPH_OPEN, _brush(_SPECK_PX)), dtype=np.uint8)
    whole_SS = _touching(parts_SS, cv2.dilate(body_SS, _brush(_HANGS_PX)) > 0)
    # What was closed is the person's as a whole; the edge is as soft as the picture's own.
    soft_SS = np.maximum(share_SS, closed_SS & (other_SS == 0)) * cv2.dilate(whole_SS, _brush(3))
    return np.maximum(mask_SS, np.round(255 * soft_SS).astype(np.uint8))


def _touching(parts_SS: Picture, body_SS: NDArray[np.bool_]) -> Picture:
    """The parts of which some pixel is the body's."""
    count, part_SS = cv2.connectedComponents(parts_SS)
    touches_P = np.zeros(count, dtype=np.uint8)
    touches_P[part_SS[body_SS]] = 1
    touches_P[0] = 0
    return touches_P[part_SS]


def _brush(side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
