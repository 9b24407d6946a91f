"""Picture metrics of rendered against true frames (MODA section 10). Legend: H/W pixels, 3 = RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

_WINDOW: Final = 11
_SIGMA: Final = 1.5
_STABILISERS: Final = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)


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
    """SSIM (Wang et al., 2004): Gaussian window of 11 x 11, sigma 1.5, mean over R, G and B; 1 for equal pictures.

    The figure of `skimage.metrics.structural_similarity`, in a fifth of its time, which a video needs.
    """
    a, b = a_HW3.astype(np.float32), b_HW3.astype(np.float32)
    mean_a, mean_b = _windowed(a), _windowed(b)
    mean_product, mean_squares = mean_a * mean_b, mean_a**2 + mean_b**2
    covariance = _windowed(a * b) - mean_product
    variances = _windowed(a**2 + b**2) - mean_squares
    first, second = _STABILISERS
    similarity = ((2 * mean_product + first) * (2 * covariance + second)) / (
        (mean_squares + first) * (variances + second)
    )
    # Only where the window lies within the picture.
    edge = _WINDOW // 2
    return float(similarity[edge:-edge, edge:-edge].mean(dtype=np.float64))


def _windowed(values_HW3: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(values_HW3, (_WINDOW, _WINDOW), _SIGMA)
    return np.asarray(blurred, dtype=np.float32)


def laplacian_variance(frame_HW3: Frame) -> float:
    """Variance of the Laplacian of the luma: high for a sharp picture, low for a blurred one."""
    return float(cv2.Laplacian(cv2.cvtColor(frame_HW3, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
