"""Person and background of a single photo: nothing else tells what lies behind, or what a segmenter left out.

Legend: S side of a picture (512 px), 3 = RGB.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

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
_BEHIND_PX: Final = 7
"""Side of the brush by which the person is grown before what is outside is believed to be background alone."""


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
    return np.asarray(soft_SS, dtype=np.uint8)


def plate_behind(picture_SS3: Picture, mask_SS: Picture) -> BackgroundPlate:
    """The background: what is well outside of the person, and a smooth continuation of it behind."""
    grown_SS = np.asarray(cv2.dilate(mask_SS, _brush(_BEHIND_PX)), dtype=np.uint8)
    return BackgroundPlate.of(picture_SS3[None], grown_SS[None])


def _touching(found_SS: Picture, body_SS: Picture) -> Picture:
    """The parts of which some pixel is the body's."""
    count, part_SS = cv2.connectedComponents(found_SS)
    touches_P = np.zeros(count, dtype=np.uint8)
    touches_P[part_SS[body_SS > 0]] = 1
    touches_P[0] = 0
    return touches_P[part_SS]


def _brush(side: int) -> Picture:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
