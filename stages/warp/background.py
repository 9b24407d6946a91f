"""Another background behind a person whose own one is known.

A picture is `share * person + (1 - share) * plate`, so that `picture + (1 - share) * (other - plate)` shows the other
one, hair and all, without a trace of the plate. Which share is the person's, the mask tells to within some pixels, and
that would leave a rim of the plate; so along its edge the share is found by where a pixel's colour lies between the
plate and the person's colours nearby.

Legend: S side of a picture (512 px), 3 = RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.warp.plate import Picture

Floats = NDArray[np.float32]

_OUTER_PX: Final = 7
_INNER_PX: Final = 11
"""Sides of the brushes by which a mask's edge is widened, outwards and inwards: there the share is found anew."""

_INSIDE_PX: Final = 9
"""Side of the brush by which a mask shrinks to where all is the person's."""

_NEARBY_PX: Final = (5.0, 14.0)
_ALONG: Final = (0.0, 0.5, 0.8)
_SHARE: Final = (0.0, 0.5, 1.0)
"""Of the way from the plate's colour to the person's nearby, and how much is the person's there: hair is not all of one
colour, and what comes near it is hair."""

_SAME_LEVELS: Final = 8.0
"""From the plate, below which a pixel shows it, whatever the mask says."""

_LEAST_WEIGHT: Final = 1e-4
"""Sigmas by which the person's colours are spread over the edge, the second where the first does not reach; and how
little of them still counts."""

_TELLING_LEVELS: Final = 24.0
"""Between person and plate, from which on the colour tells more than the mask."""

_OFF_LEVELS: Final = 28.0
"""From a mixture of plate and nearby person, from which on a pixel is none: hair has colours of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundChanger:
    """Puts another background behind one person.

    Attributes:
        plate_SS3: what is behind the person.
        other_SS3: what is to be behind them.
    """

    plate_SS3: Picture
    other_SS3: Picture

    def change(self, picture_SS3: Picture, mask_SS: Picture) -> Picture:
        """A picture before the other background.

        Args:
            picture_SS3: the person before the plate.
            mask_SS: how much of each pixel is the person's; 255 is all of it.
        """
        told_SS: Floats = mask_SS.astype(np.float32) / np.float32(255)
        outer_SS, inner_SS = cv2.dilate(mask_SS, _brush(_OUTER_PX)), cv2.erode(mask_SS, _brush(_INNER_PX))
        plate_SS3 = self.plate_SS3.astype(np.float32)
        person_SS3 = _spread(picture_SS3, cv2.erode(mask_SS, _brush(_INSIDE_PX)) == 255)
        found_SS = _share(picture_SS3, told_SS, person_SS3=person_SS3, plate_SS3=plate_SS3)
        is_edge_SS = (outer_SS > 0) & (inner_SS < 255)
        behind_SS1 = 1 - np.where(is_edge_SS, found_SS, told_SS)[..., None]
        changed_SS3 = picture_SS3 + behind_SS1 * (self.other_SS3.astype(np.float32) - plate_SS3)
        return np.where(
            outer_SS[..., None] == 0, self.other_SS3, np.clip(np.rint(changed_SS3), 0, 255)
        ).astype(np.uint8)


def read_background(source: str) -> tuple[Picture, tuple[str, ...]]:
    """A background (S, S, 3), and what was done to it.

    Args:
        source: a colour such as ``#00b140``, or the path of a picture, of which the square in its middle is shown.

    Raises:
        SubjectError: the picture cannot be read, see `stages.subject.photo_file.read_photo`.
    """
    if source.startswith("#"):
        colour_3 = np.array(list(bytes.fromhex(source[1:])), dtype=np.uint8)
        return np.broadcast_to(colour_3, (CANVAS, CANVAS, 3)).copy(), ()
    # Imported here: Pillow reads pictures, and a render without one does without it.
    from stages.subject.photo_file import read_photo

    photo = read_photo(Path(source))
    height, width = photo.picture_HW3.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square_HW3 = photo.picture_HW3[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > CANVAS else cv2.INTER_CUBIC
    told = [*photo.told, *([] if height == width else ["the square in its middle is shown"])]
    sized_SS3 = cv2.resize(square_HW3, (CANVAS, CANVAS), interpolation=way)
    return np.asarray(sized_SS3, dtype=np.uint8), tuple(told)


def _share(picture_SS3: Picture, told_SS: Floats, *, person_SS3: Floats, plate_SS3: Floats) -> Floats:
    """How much of each pixel is the person's, (S, S) of [0, 1]; where its colour does not tell, what the mask told."""
    span_SS3, apart_SS3 = person_SS3 - plate_SS3, picture_SS3 - plate_SS3
    length_SS = (span_SS3**2).sum(axis=-1)
    along_SS = np.clip((apart_SS3 * span_SS3).sum(axis=-1) / np.maximum(length_SS, 1), 0, 1)
    off_SS = ((apart_SS3 - along_SS[..., None] * span_SS3) ** 2).sum(axis=-1)
    # Where the person has the plate's colour, a pixel of it may be either's.
    is_telling_SS = length_SS**2 / (length_SS**2 + (3 * _TELLING_LEVELS**2) ** 2)
    trust_SS = is_telling_SS * np.exp(-off_SS / (3 * _OFF_LEVELS**2))
    along_SS = np.interp(along_SS, _ALONG, _SHARE)
    share_SS = trust_SS * along_SS + (1 - trust_SS) * told_SS
    is_plate_SS = is_telling_SS * np.exp(-(apart_SS3**2).sum(axis=-1) / (3 * _SAME_LEVELS**2))
    return np.asarray(share_SS * (1 - is_plate_SS), dtype=np.float32)


def _spread(picture_SS3: Picture, is_its_SS: NDArray[np.bool_]) -> Floats:
    """Colours (S, S, 3) of a part of a picture, spread beyond its edge; the picture's own where it is far away."""
    weight_SS = is_its_SS.astype(np.float32)
    weighed_SS4 = np.dstack([picture_SS3 * weight_SS[..., None], weight_SS])
    spread_SS3: Floats = picture_SS3.astype(np.float32)
    for sigma_px in reversed(_NEARBY_PX):
        near_SS4 = cv2.GaussianBlur(weighed_SS4, (0, 0), sigma_px)
        near_SS1 = near_SS4[..., 3:]
        colours_SS3 = near_SS4[..., :3] / np.maximum(near_SS1, _LEAST_WEIGHT)
        spread_SS3 = np.where(near_SS1 > _LEAST_WEIGHT, colours_SS3, spread_SS3)
    return spread_SS3


def _brush(side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
