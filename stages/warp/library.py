"""What is known of how a subject looks: the background, and pictures that are moved to the commanded mesh.

Legend: R references, S side of a picture (512 px), P control points, K numbers of a key, 3 = RGB, 4 = RGB and mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.warp.plate import BackgroundPlate, Picture

Floats = NDArray[np.float32]

_SHARPENED: Final = 0.04
"""Of a pixel's neighbours on each axis: cubic resampling between pixels costs three tenths of the variance of the
Laplacian, and this gives two thirds of it back. Lanczos does as much, at five times the time of every frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceLibrary:
    """References of a subject, each of which serves as a head, as a mouth and as a pair of eyes.

    Attributes:
        plate: the background.
        layers_RSS4: references in front of nothing: colours times mask, and the mask.
        points_RP2: control points in each, px on the 512 canvas.
        heads_RK: keys (R, 3) of how their heads are turned.
        mouths_RK: keys (R, 82) of their mouths.
        eyes_RK: keys (R, 86) of their eyes.
    """

    plate: BackgroundPlate
    layers_RSS4: Picture
    points_RP2: Floats
    heads_RK: Floats
    mouths_RK: Floats
    eyes_RK: Floats

    @classmethod
    def of(
        cls,
        *,
        plate: BackgroundPlate,
        pictures_RSS3: Picture,
        masks_RSS: Picture,
        points_RP2: Floats,
        heads_RK: Floats,
        mouths_RK: Floats,
        eyes_RK: Floats,
    ) -> Self:
        """From pictures (R, S, S, 3) and masks (R, S, S), 255 where all is the person's.

        Before a background that moves a subject is not cut out: each reference keeps its own.
        """
        layers_RSS4 = np.empty((*masks_RSS.shape, 4), dtype=np.uint8)
        for layer_SS4, picture_SS3, mask_SS in zip(layers_RSS4, pictures_RSS3, masks_RSS, strict=True):
            layer_SS4[..., 3] = mask_SS if plate.is_still else 255
            # Moved as they are, colours of pixels outside of the mask would bleed into those inside.
            layer_SS4[..., :3] = divided(sharpened(picture_SS3).astype(np.uint16) * layer_SS4[..., 3:])
        return cls(
            plate=plate,
            layers_RSS4=layers_RSS4,
            points_RP2=points_RP2,
            heads_RK=heads_RK,
            mouths_RK=mouths_RK,
            eyes_RK=eyes_RK,
        )

    @property
    def size(self) -> int:
        """How many references there are."""
        return len(self.layers_RSS4)


def sharpened(picture_SS3: Picture) -> Picture:
    """A picture with as much more detail as moving it costs in the mean."""
    line_3 = np.array([-_SHARPENED, 1 + 2 * _SHARPENED, -_SHARPENED])
    sharp_SS3 = cv2.sepFilter2D(picture_SS3, -1, line_3, line_3, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(sharp_SS3, dtype=np.uint8)


def divided(product_SSC: NDArray[np.uint16]) -> Picture:
    """Products of two bytes over 255, rounded."""
    product_SSC = product_SSC + np.uint16(128)
    return np.asarray((product_SSC + (product_SSC >> 8)) >> 8, dtype=np.uint8)
