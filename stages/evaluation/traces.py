"""Figures frame by frame, for plots and for finding the worst frames. Legend: T frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTrace:
    """One face over time; NaN where none was found.

    Attributes:
        opening_T: inner-lip opening, canonical px.
        eyes_T: mean opening of the lids, canonical px.
        yaw_T, pitch_T, roll_T: of the head, degrees.
    """

    opening_T: Doubles
    eyes_T: Doubles
    yaw_T: Doubles
    pitch_T: Doubles
    roll_T: Doubles


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Two videos over their common frames.

    Attributes:
        generated, truth: their faces.
        lip_error_T: mean distance of the lip points, canonical px; NaN without a face in both.
        psnr_T: dB; NaN where pictures were not compared, infinite where they are equal.
        ssim_T: likewise.
    """

    generated: FaceTrace
    truth: FaceTrace
    lip_error_T: Doubles
    psnr_T: Doubles
    ssim_T: Doubles
