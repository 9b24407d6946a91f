"""What a network that repairs is given and gives, whatever the form in which it is computed.

Legend: B pictures repaired at once, T frames, S side of a picture (512 px), H/W a quarter of it, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.uint8]


class RepairForm(StrEnum):
    """How the network is computed; each form has bytes of its own."""

    EXACT = "exact"
    """As it was trained, in single precision."""
    BF16 = "bf16"
    """Trunk and heads in bfloat16, on processors that multiply it."""
    INT8 = "int8"
    """Trunk and heads in 8 bits, by OpenVINO, on processors that multiply them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairInput:
    """What one frame is repaired from; the plate is the same for all.

    Attributes:
        condition_SS3, head_SS3, mouth_SS3: Condition image and candidates, (S, S, 3) uint8 RGB.
        mask_SS: How much of each pixel of the head is the person's, (S, S) uint8.
    """

    condition_SS3: Picture
    head_SS3: Picture
    mouth_SS3: Picture
    mask_SS: Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """Pictures.

    Attributes:
        frames_TSS3: (T, S, S, 3) uint8 RGB.
        not_finite: How many of them held NaN or infinity before they became pixels.
    """

    frames_TSS3: Picture
    not_finite: int


class Repairer(Protocol):
    """A network with the subject's plate, in one form on one device."""

    @property
    def batch(self) -> int:
        """How many frames it takes at once."""
        ...

    def repaired(self, inputs: Sequence[RepairInput]) -> Repaired:
        """The pictures of 1 to `batch` frames."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What trunk and heads tell of one frame.

    Attributes:
        residual_logits_gain_7SS: Residual (3, in [-1, 1] as pictures are), logits of the candidates (3) and gain (1),
            (7, S, S) float32.
        flow_HW4: x and y by which the head and the mouth are moved, (S / 4, S / 4, 4) float32, in px / `FLOW_PX`.
    """

    residual_logits_gain_7SS: Tensor
    flow_HW4: NDArray[np.float32]


class Trunk(Protocol):
    """Trunk and heads of the network in one form."""

    def tell(self, pictures_SSC: Picture) -> Told:
        """What they tell of (S, S, 13) uint8: condition, head, mouth, plate and mask of one frame."""
        ...
