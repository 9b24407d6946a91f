"""Person and background of a single photo: nothing else tells what lies behind, or what a segmenter left out.

Legend: S side of a picture (512 px), 3 = RGB.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.subject.photo_file import GREY
from stages.warp.plate import BackgroundPlate, Picture

Floats = NDArray[np.float32]

_SURE: Final = 0.95
_INSIDE_PX: Final = 11
"""Side of the brush by which what a segmenter is sure of is shrunk to what the person's colours are learnt from."""

_EDGE_PX: Final = 21
"""Side of the brush by which the body is shrunk to where nothing is taken from it: a segmenter's edge is up to ten px
off, and what it carries along of the background is a veil about the head."""

_NEAR_PX: Final = 61
"""Side of the brush by which a person is grown to where hair may be that the segmenter left out."""

_ROUNDS: Final = 3
_SEED: Final = 1
"""Of the colours that the search begins with: the same photo gives the same mask."""

_SPECK_PX: Final = 5
_SOFT_PX: Final = 1.2
_STRAND_PX: Final = 11
_STRAND_LEVELS: Final = 10.0
_LEAST_STRAND: Final = 0.2
_TELLING_LEVELS: Final = 40.0
"""Loose hair differs by so many levels from the median about it (side of the square), towards the person's colours by
such a share of what these differ from the background's, if they differ at all."""

_FREE_BELOW: Final = 40
"""Level of a mask below which a pixel shows no person."""

_BEHIND_PX: Final = 15
"""Side of the brush by which the person is grown before what is outside is believed to be background alone."""

_GOES_ON_PX: Final = 28
"""How far what is at the border of the person goes on behind: a head that moves shows so much."""

_IRONED: Final = 64
"""Rounds in which what was continued is brought nearer to the mean of its neighbours: else the grids that it is made
on, and streaks from the border, would show."""


def person_mask(picture_SS3: Picture, confidence_SS: Floats) -> Picture:
    """How much of each pixel (S, S) is the person's, of 255: what was segmented, and what near it has its colours.

    Args:
        picture_SS3: the photo.
        confidence_SS: in [0, 1] that a pixel is the person's.
    """
    body_SS = (confidence_SS > 0.5).astype(np.uint8)
    segmented_SS = np.round(confidence_SS * 255).astype(np.uint8)
    near_SS = cv2.dilate(body_SS, _brush(_NEAR_PX))
    sure_SS = cv2.erode((confidence_SS > _SURE).astype(np.uint8), _brush(_INSIDE_PX))
    if not sure_SS.any() or near_SS.all():
        return segmented_SS
    label_SS = np.where(body_SS > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    label_SS[near_SS == 0], label_SS[sure_SS > 0] = cv2.GC_BGD, cv2.GC_FGD
    cv2.setRNGSeed(_SEED)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture_SS3, label_SS, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found_SS = ((label_SS == cv2.GC_FGD) | (label_SS == cv2.GC_PR_FGD)).astype(np.uint8)
    found_SS = np.asarray(cv2.morphologyEx(found_SS, cv2.MORPH_OPEN, _brush(_SPECK_PX)), dtype=np.uint8)
    hanging_SS = _touching(found_SS, body_SS)
    # Deeper inside than a segmenter's edge is off, what has the background's colours is the person's all the same.
    inner_SS = cv2.erode(body_SS, _brush(_EDGE_PX))
    soft_SS = cv2.GaussianBlur(np.maximum(hanging_SS, inner_SS) * np.uint8(255), (0, 0), _SOFT_PX)
    return _with_strands(picture_SS3, np.asarray(soft_SS, dtype=np.uint8), near_SS > 0)


def _with_strands(picture_SS3: Picture, mask_SS: Picture, near_SS: NDArray[np.bool_]) -> Picture:
    """A mask with loose hair: what is thin, near the person, and between its colours and the background's.

    Left in the background, it would stand still where a head has moved away.
    """
    outside_SS = cv2.dilate(mask_SS, _brush(_SPECK_PX)) < _FREE_BELOW
    if not (outside_SS & near_SS).any() or not (mask_SS == 255).any() or not (outside_SS & ~near_SS).any():
        return mask_SS
    person_SS3 = _continued(picture_SS3, mask_SS < 255).astype(np.float32)
    behind_SS3 = _continued(picture_SS3, near_SS).astype(np.float32)
    apart_SS3 = person_SS3 - behind_SS3
    share_SS = ((picture_SS3 - behind_SS3) * apart_SS3).sum(axis=-1) / np.maximum(
        (apart_SS3**2).sum(axis=-1), _TELLING_LEVELS**2
    )
    smooth_SS3 = cv2.medianBlur(picture_SS3, _STRAND_PX).astype(np.float32)
    is_thin_SS = np.abs(picture_SS3 - smooth_SS3).max(axis=-1) > _STRAND_LEVELS
    strand_SS = (is_thin_SS & (share_SS > _LEAST_STRAND) & outside_SS & near_SS).astype(np.uint8)
    person_SS = (~outside_SS).astype(np.uint8)
    # A strand comes and goes; what hangs together with nobody is the background's own.
    hanging_SS = _touching(np.maximum(cv2.dilate(strand_SS, _brush(_SPECK_PX)), person_SS), person_SS)
    strands_SS = np.where((strand_SS & hanging_SS) > 0, np.clip(share_SS, 0, 1) * 255, 0)
    return np.maximum(mask_SS, strands_SS.astype(np.uint8))


def plate_behind(picture_SS3: Picture, mask_SS: Picture) -> BackgroundPlate:
    """The background: what is well outside of the person, and a smooth continuation of it behind.

    Where one meets the other there is no step: a head that moves a little shows that very border.
    """
    hole_SS = cv2.dilate(mask_SS, _brush(_BEHIND_PX)) >= _FREE_BELOW
    if hole_SS.all():
        return BackgroundPlate(picture_SS3=np.full_like(picture_SS3, GREY), unseen=1.0, restless=0.0)
    return BackgroundPlate(
        picture_SS3=_continued(picture_SS3, hole_SS), unseen=float(hole_SS.mean()), restless=0.0
    )


def _continued(picture_SS3: Picture, hole_SS: NDArray[np.bool_]) -> Picture:
    """A picture in whose hole its border goes on, and farther inside ever coarser means of what is around."""
    known_SS1 = (~hole_SS).astype(np.float32)[..., None]
    around_SS3 = _filled(picture_SS3.astype(np.float32), known_SS1)
    far_SS, nearest_SS = cv2.distanceTransformWithLabels(
        hole_SS.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    border_SS3 = _by_label(picture_SS3, nearest_SS, ~hole_SS)[nearest_SS].astype(np.float32)
    share_SS1 = np.exp(-np.square(far_SS / np.float32(_GOES_ON_PX)))[..., None]
    filled_SS3 = around_SS3 + share_SS1 * (border_SS3 - around_SS3)
    for _ in range(_IRONED):
        filled_SS3 = np.where(hole_SS[..., None], cv2.blur(filled_SS3, (3, 3)), filled_SS3)
    return np.asarray(np.clip(np.rint(filled_SS3), 0, 255), dtype=np.uint8)


def _by_label(picture_SS3: Picture, label_SS: NDArray[Any], known_SS: NDArray[np.bool_]) -> Picture:
    """The colour of each label, of which one pixel is known."""
    colours_L3 = np.zeros((int(label_SS.max()) + 1, 3), dtype=np.uint8)
    colours_L3[label_SS[known_SS]] = picture_SS3[known_SS]
    return colours_L3


def _filled(picture_HW3: Floats, known_HW1: Floats) -> Floats:
    """Colours (H, W, 3), where they are not known (0, not 1) those of a picture of half the size."""
    height, width = known_HW1.shape[:2]
    if known_HW1.all() or min(height, width) < 2:
        return picture_HW3
    half = (width // 2, height // 2)
    share_hw1 = cv2.resize(known_HW1, half, interpolation=cv2.INTER_AREA)[..., None]
    sum_hw3 = cv2.resize(picture_HW3 * known_HW1, half, interpolation=cv2.INTER_AREA).reshape(
        *share_hw1.shape[:2], 3
    )
    mean_hw3 = np.asarray(sum_hw3 / np.maximum(share_hw1, 1e-6), dtype=np.float32)
    coarse_hw3 = _filled(mean_hw3, (share_hw1 > 0).astype(np.float32))
    behind_HW3 = cv2.resize(coarse_hw3, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.where(known_HW1 > 0, picture_HW3, behind_HW3), dtype=np.float32)


def _touching(found_SS: Picture, body_SS: Picture) -> Picture:
    """The parts of which some pixel is the body's."""
    count, part_SS = cv2.connectedComponents(found_SS)
    touches_P = np.zeros(count, dtype=np.uint8)
    touches_P[part_SS[body_SS > 0]] = 1
    touches_P[0] = 0
    return touches_P[part_SS]


def _brush(side: int) -> Picture:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
