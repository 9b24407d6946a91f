"""The background alone, from pictures in which a person hides another part of it each time.

Legend: R pictures, H rows, S side of a picture (512 px), N and K pixels, 3 = RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_FREE_BELOW: Final = 40
"""Level of a mask below which a pixel shows no person."""

_GROWN_PX: Final = 9
"""By which a mask is grown: the segmenter's edge wanders, and hair lets the background through."""

_AROUND_PX: Final = 5
"""Side of the brush by which restless places are grown: at their edges there is little to tell them by."""

_ROWS: Final = 32
"""Handled at once, so that memory does not grow with the picture."""

_TAKEN: Final = 256
"""Stands for a hidden pixel: above every level, so that sorting puts it last."""

_RESTLESS_LEVELS: Final = 8
_RESTLESS_TIME: Final = 0.3
RESTLESS_SHARE: Final = 0.1
"""Noise of a camera stays below these levels nearly everywhere; a background that moves is beyond them for this share
of the time at least, at more than that share of the places where it could be seen to move."""

_AGREEING: Final = (0.6, 0.45, 0.3)
"""What the largest of these shares of the free pixels of one place, and one more, show alike is the background: hair
that comes and goes has strands, and hardly shows the same level twice."""

_ALWAYS: Final = 0.95
"""Where a person is this rarely, what moves is not theirs."""

_TEXTURE_LEVELS: Final = 10.0
_FEWEST_TEXTURED: Final = 500
"""Slope per px by which a motion would show, and pixels of it that make up for all others."""

_FILLED_AT: Final = 4
_FILL_RADIUS: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundPlate:
    """What is behind a person.

    Attributes:
        picture_SS3: the background; where it was never seen, what lies around spread over it.
        unseen: share of its pixels that were never seen, or show what cannot be believed.
        restless: share of the pixels far from the person that often differ by more than a camera's noise; of those with
            texture where there are enough of them, since a wall may move and look the same.
    """

    picture_SS3: Picture
    unseen: float
    restless: float

    @property
    def is_still(self) -> bool:
        """Whether it is a background at all: one that moves has no picture of its own."""
        return is_still(self.restless)

    @classmethod
    def of(cls, pictures_RSS3: Picture, masks_RSS: Picture) -> Self:
        """The plate of pictures of one person before one background.

        Args:
            pictures_RSS3: pictures (R, S, S, 3).
            masks_RSS: how much of each pixel is the person's (R, S, S): 0 nothing, 255 all of it.
        """
        return cls.from_seen(SeenBackground.of(pictures_RSS3, masks_RSS))

    @classmethod
    def from_seen(cls, seen: SeenBackground) -> Self:
        """The plate of what was seen."""
        return cls(
            picture_SS3=_filled(seen.levels_SS3, hole_SS=~seen.seen_SS),
            unseen=float((~seen.seen_SS).mean()),
            restless=seen.restless,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBackground:
    """What pictures show of the background.

    Attributes:
        levels_SS3: what most of the pixels that are free of the person agree on.
        seen_SS: where there are any that can be believed.
        free_RSS: where each picture is free.
        restless: see `BackgroundPlate`.
    """

    levels_SS3: Picture
    seen_SS: NDArray[np.bool_]
    free_RSS: NDArray[np.bool_]
    restless: float

    @property
    def is_still(self) -> bool:
        """See `BackgroundPlate`."""
        return is_still(self.restless)

    @classmethod
    def of(cls, pictures_RSS3: Picture, masks_RSS: Picture) -> Self:
        """See `BackgroundPlate.of`."""
        grown = np.ones((_GROWN_PX, _GROWN_PX), dtype=np.uint8)
        free_RSS = np.stack([cv2.dilate(mask_SS, grown) < _FREE_BELOW for mask_SS in masks_RSS])
        levels_SS3 = np.zeros(pictures_RSS3.shape[1:], dtype=np.uint8)
        is_restless_SS = np.zeros(levels_SS3.shape[:2], dtype=np.bool_)
        is_doubtful_SS = is_restless_SS.copy()
        for top in range(0, len(levels_SS3), _ROWS):
            rows = slice(top, top + _ROWS)
            levels_SS3[rows], is_restless_SS[rows], is_doubtful_SS[rows] = _levels(
                pictures_RSS3[:, rows], free_RSS[:, rows]
            )
        count_SS = free_RSS.sum(axis=0)
        restless = _restless_share(levels_SS3, is_restless_SS, count_SS >= _ALWAYS * len(pictures_RSS3))
        seen_SS = count_SS > 0
        if is_still(restless):
            # Before a background that is still, what moves is the person's: hair that a segmenter took for none.
            around = np.ones((_AROUND_PX, _AROUND_PX), dtype=np.uint8)
            seen_SS &= cv2.dilate(is_doubtful_SS.astype(np.uint8), around) == 0
        return cls(levels_SS3=levels_SS3, seen_SS=seen_SS, free_RSS=free_RSS, restless=restless)


def is_still(restless: float) -> bool:
    """Whether a background of which such a share is restless stands still."""
    return restless <= RESTLESS_SHARE


def _restless_share(
    levels_SS3: Picture, is_restless_SS: NDArray[np.bool_], is_free_SS: NDArray[np.bool_]
) -> float:
    """How much of what is always free is restless."""
    grey_SS = cv2.cvtColor(levels_SS3, cv2.COLOR_RGB2GRAY)
    slopes = [cv2.Scharr(grey_SS, cv2.CV_32F, *axis, scale=1 / 32) for axis in ((1, 0), (0, 1))]
    is_textured_SS = is_free_SS & (np.hypot(*slopes) > _TEXTURE_LEVELS)
    is_telling_SS = is_textured_SS if is_textured_SS.sum() >= _FEWEST_TEXTURED else is_free_SS
    return float(is_restless_SS[is_telling_SS].mean()) if is_telling_SS.any() else 0.0


def _levels(
    pictures_RHS3: Picture, free_RHS: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """What the free pixels agree on (H, S, 3), where they often lie far from their median, and where they disagree."""
    is_hidden_HSR = _last(~free_RHS)[:, :, None]
    levels_HS3R = np.where(is_hidden_HSR, np.int16(_TAKEN), _last(pictures_RHS3))
    levels_HS3R.sort(axis=-1)
    seen_HS = free_RHS.sum(axis=0)
    middle_HS3 = _ranked(levels_HS3R, seen_HS, share=0.5)
    agreed_HS3, is_doubtful_HS = _agreed(levels_HS3R, seen_HS)
    # Sorted, the hidden ones are the last; in which order the others lie apart does not matter.
    apart_HS3R = np.where(
        levels_HS3R == _TAKEN, np.int16(_TAKEN), np.abs(levels_HS3R - middle_HS3[..., None])
    )
    apart_HS3R.sort(axis=-1)
    usual_HS3 = _ranked(apart_HS3R, seen_HS, share=1 - _RESTLESS_TIME)
    is_restless_HS = (usual_HS3.mean(axis=-1) > _RESTLESS_LEVELS) & (seen_HS > 1)
    return np.where(seen_HS[..., None] > 0, agreed_HS3, 0).astype(np.uint8), is_restless_HS, is_doubtful_HS


def _agreed(
    levels_HS3R: NDArray[np.int16], seen_HS: NDArray[np.intp]
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """What most of the sorted levels agree on (H, S, 3), and where (H, S) they do not agree."""
    levels_N3R, seen_N = levels_HS3R.reshape(-1, *levels_HS3R.shape[2:]), seen_HS.reshape(-1)
    agreed_N3 = np.zeros(levels_N3R.shape[:-1], dtype=np.int16)
    doubtful_K = np.arange(len(seen_N))
    for share in _AGREEING:
        middle_K3, spread_K3 = _shortest_run(levels_N3R[doubtful_K], seen_N[doubtful_K], share=share)
        agreed_N3[doubtful_K] = middle_K3
        doubtful_K = doubtful_K[spread_K3.mean(axis=-1) > _RESTLESS_LEVELS]
    is_doubtful_N = np.zeros(len(seen_N), dtype=np.bool_)
    is_doubtful_N[doubtful_K] = True
    return agreed_N3.reshape(*seen_HS.shape, 3), is_doubtful_N.reshape(seen_HS.shape)


def _shortest_run(
    levels_K3R: NDArray[np.int16], seen_K: NDArray[np.intp], *, share: float
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """The middle (K, 3) of the shortest run of that share of the levels, and how far it spreads."""
    least_K = np.minimum(np.ceil(share * seen_K).astype(np.intp) + 1, seen_K)
    last_KR = np.arange(levels_K3R.shape[-1]) + np.maximum(least_K - 1, 0)[:, None]
    is_whole_KR = last_KR < np.maximum(seen_K, 1)[:, None]
    last_K1R = np.minimum(last_KR, levels_K3R.shape[-1] - 1)[:, None]
    spread_K3R = np.take_along_axis(levels_K3R, last_K1R, axis=-1) - levels_K3R
    spread_K3R = np.where(is_whole_KR[:, None], spread_K3R, np.int16(_TAKEN))
    first_K31 = spread_K3R.argmin(axis=-1)[..., None]
    middle_K31 = first_K31 + (np.maximum(least_K - 1, 0) // 2)[:, None, None]
    return (
        np.take_along_axis(levels_K3R, middle_K31, axis=-1)[..., 0],
        np.take_along_axis(spread_K3R, first_K31, axis=-1)[..., 0],
    )


def _ranked(levels_HS3R: NDArray[np.int16], seen_HS: NDArray[np.intp], *, share: float) -> NDArray[np.int16]:
    """The level below which that share of those that are seen lies; they are sorted before those that are hidden."""
    place_HS = (np.maximum(seen_HS - 1, 0) * share).astype(np.intp)
    ranked_HS31 = np.take_along_axis(levels_HS3R, place_HS[..., None, None], axis=-1)
    return np.asarray(ranked_HS31[..., 0], dtype=np.int16)


def _last(stack_RHS: NDArray[Any]) -> NDArray[Any]:
    """The same with its first axis last, and one place's levels side by side: sorting is bound by memory."""
    flat_RN = np.ascontiguousarray(stack_RHS).reshape(len(stack_RHS), -1).view(np.uint8)
    return cv2.transpose(flat_RN).reshape(*stack_RHS.shape[1:], -1).view(stack_RHS.dtype)


def _filled(plate_SS3: Picture, *, hole_SS: NDArray[np.bool_]) -> Picture:
    """The plate with smooth continuations of what is around its holes."""
    if not hole_SS.any():
        return plate_SS3
    if hole_SS.all():
        return np.full_like(plate_SS3, 128)
    side = len(plate_SS3)
    small = (side // _FILLED_AT, side // _FILLED_AT)
    # Nothing of a hole may colour its neighbours: they are sampled, not averaged.
    coarse_DD3 = cv2.resize(plate_SS3, small, interpolation=cv2.INTER_NEAREST)
    coarse_hole_DD = cv2.resize(hole_SS.astype(np.uint8), small, interpolation=cv2.INTER_NEAREST)
    spread_DD = cv2.dilate(coarse_hole_DD, np.ones((3, 3), dtype=np.uint8))
    whole_DD3 = cv2.inpaint(coarse_DD3, spread_DD, _FILL_RADIUS, cv2.INPAINT_TELEA)
    fill_SS3 = cv2.resize(whole_DD3, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.where(hole_SS[..., None], fill_SS3, plate_SS3).astype(np.uint8)
