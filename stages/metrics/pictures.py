"""Picture metrics of rendered against true frames (MODA section 10). Legend: H/W pixels, 3 = RGB."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureScores:
    """Figures of one frame.

    Attributes:
        psnr: dB over the whole picture.
        ssim: 11 x 11 Gaussian window, sigma 1.5.
        mouth_psnr: dB within the box around the mouth.
        sharpness: variance of the Laplacian on the face, as a share of the true frame's.
    """

    psnr: float
    ssim: float
    mouth_psnr: float
    sharpness: float


def score_frame(
    rendered_HW3: Frame, truth_HW3: Frame, *, face: tuple[slice, slice], mouth: tuple[slice, slice]
) -> PictureScores:
    """Compare two RGB frames; `face` and `mouth` are (rows, columns) boxes of the true frame."""
    return PictureScores(
        psnr=psnr(rendered_HW3, truth_HW3),
        ssim=ssim(rendered_HW3, truth_HW3),
        mouth_psnr=psnr(rendered_HW3[mouth], truth_HW3[mouth]),
        sharpness=laplacian_variance(rendered_HW3[face]) / max(laplacian_variance(truth_HW3[face]), 1e-9),
    )


def psnr(a_HW3: Frame, b_HW3: Frame) -> float:
    """10 log10(255^2 / MSE) in dB; infinite for equal pictures."""
    if np.array_equal(a_HW3, b_HW3):
        return float("inf")
    return float(cv2.PSNR(np.ascontiguousarray(a_HW3), np.ascontiguousarray(b_HW3), 255.0))


def ssim(a_HW3: Frame, b_HW3: Frame) -> float:
    """SSIM (Wang et al., 2004): Gaussian window of 11 x 11, sigma 1.5, mean over R, G and B; 1 for equal pictures."""
    # In single precision it takes two thirds of the time, and differs by less than 1e-5.
    return float(
        structural_similarity(
            a_HW3.astype(np.float32),
            b_HW3.astype(np.float32),
            channel_axis=2,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def laplacian_variance(frame_HW3: Frame) -> float:
    """Variance of the Laplacian of the luma: high for a sharp picture, low for a blurred one."""
    return float(cv2.Laplacian(cv2.cvtColor(frame_HW3, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
