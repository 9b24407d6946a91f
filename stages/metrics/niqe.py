"""NIQE: how natural a picture looks, without a reference (Mittal, Soundararajan and Bovik, 2013). Lower is better.

Legend: H/W pixels, 3 = RGB, B blocks, P pixels of a block, F features.

The features of 96 x 96 blocks at two scales are held against those of pristine photographs. Its parameters are those
of BasicSR, a fit that reproduces the authors' release; another fit gives other figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import gamma

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

BLOCK: Final = 96
_FEW: Final = 3 * BLOCK
_OVERLAPPING_STEP: Final = 32
_SMALLEST: Final = BLOCK + 2 * _OVERLAPPING_STEP

_LUMA_3: Final = np.array([65.481, 128.553, 24.966]) / 255.0
_LUMA_BLACK: Final = 16.0
_SHIFTS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))

# Shapes of generalised Gaussians from 0.2 to 10, and the ratio of moments by which a shape is recognised.
_SHAPES: Final = np.arange(0.2, 10.001, 0.001)
_RATIOS: Final = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))

# MATLAB's bicubic kernel stretched to halve a picture, at distances 3.5, 2.5, 1.5, 0.5, ... pixels.
_HALVING: Final = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256.0


def niqe(picture_HW3: NDArray[np.uint8]) -> float:
    """NIQE of an RGB picture; NaN where it is flat.

    Whole blocks side by side from the top left are used, as in the authors' release. A picture with a side below 288 px
    has too few of them for a steady figure (256 px: four, of three quarters of its sides), so its blocks begin every
    32 px; below 160 px it is enlarged to that first, which hides noise. Compare pictures of one size only.
    """
    picture_HW3 = _large_enough(picture_HW3)
    step = _OVERLAPPING_STEP if min(picture_HW3.shape[:2]) < _FEW else BLOCK
    luma_HW = np.round(picture_HW3 @ _LUMA_3 + _LUMA_BLACK)
    height, width = ((size - BLOCK) // step * step + BLOCK for size in luma_HW.shape)
    luma_HW = luma_HW[:height, :width]
    features_BF = np.concatenate(
        [
            _features(_blocks(_normalised(luma_HW), BLOCK, step)),
            _features(_blocks(_normalised(_halved(luma_HW)), BLOCK // 2, step // 2)),
        ],
        axis=1,
    )
    # Flat blocks, such as a plain background, lack most features: each mean is over the blocks that have the feature.
    whole_BF = features_BF[np.isfinite(features_BF).all(axis=1)]
    if len(whole_BF) < 2:
        return float("nan")
    pristine = _pristine()
    away_F = pristine.mean_F - np.nanmean(features_BF, axis=0)
    covariance_FF = (pristine.covariance_FF + np.cov(whole_BF, rowvar=False)) / 2
    return float(np.sqrt(away_F @ np.linalg.pinv(covariance_FF) @ away_F))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pristine:
    """Mean (36,) and covariance (36, 36) of pristine features, and the window (7, 7) of local means."""

    mean_F: Doubles
    covariance_FF: Doubles
    window_77: Doubles


@cache
def _pristine() -> _Pristine:
    with np.load(str(files("stages.metrics") / "data" / "niqe_pris_params.npz")) as stored:
        return _Pristine(
            mean_F=stored["mu_pris_param"][0],
            covariance_FF=stored["cov_pris_param"],
            window_77=stored["gaussian_window"],
        )


def _large_enough(picture_HW3: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = _SMALLEST / min(picture_HW3.shape[:2])
    if scale <= 1:
        return picture_HW3
    height, width = (round(scale * size) for size in picture_HW3.shape[:2])
    return np.asarray(cv2.resize(picture_HW3, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _normalised(luma_HW: Doubles) -> Floats:
    """Luma without its local mean, in units of its local spread."""
    # In single precision a flat area is exactly zero; in double it is noise of the last digit, which has a shape.
    mean_HW, power_HW = (
        cv2.filter2D(plane_HW, -1, _pristine().window_77, borderType=cv2.BORDER_REPLICATE).astype(np.float32)
        for plane_HW in (luma_HW, luma_HW**2)
    )
    spread_HW = np.sqrt(np.abs(power_HW - mean_HW**2))
    return np.asarray((luma_HW.astype(np.float32) - mean_HW) / (spread_HW + 1), dtype=np.float32)


def _halved(luma_HW: Doubles) -> Doubles:
    # The kernel of even length lies half a pixel off the grid, between pixels 2k and 2k + 1: its anchor is the first.
    smooth_HW = cv2.sepFilter2D(luma_HW, -1, _HALVING, _HALVING, anchor=(3, 3), borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth_HW[::2, ::2], dtype=np.float64)


def _blocks(picture_HW: Floats, size: int, step: int) -> Doubles:
    """Blocks (B, size, size) that begin every `step` pixels."""
    windows = sliding_window_view(picture_HW, (size, size))[::step, ::step]
    return windows.reshape(-1, size, size).astype(np.float64)


def _features(blocks_BHW: Doubles) -> Doubles:
    """18 features of every block (B, 18)."""
    shape_B, left_B, right_B = _asymmetric_gaussian(blocks_BHW)
    features = [shape_B, (left_B + right_B) / 2]
    for shift in _SHIFTS:
        shape_B, left_B, right_B = _asymmetric_gaussian(blocks_BHW * np.roll(blocks_BHW, shift, axis=(1, 2)))
        mean_B = (right_B - left_B) * gamma(2 / shape_B) / gamma(1 / shape_B)
        features += [shape_B, mean_B, left_B, right_B]
    return np.stack(features, axis=1)


def _asymmetric_gaussian(blocks_BHW: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Shape, left and right scale (B,) of the asymmetric generalised Gaussian fitted to each block by its moments."""
    values_BP = blocks_BHW.reshape(len(blocks_BHW), -1)
    power_BP = values_BP**2
    below_BP = values_BP < 0
    above_BP = values_BP > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        left_B = np.sqrt((power_BP * below_BP).sum(axis=1) / below_BP.sum(axis=1))
        right_B = np.sqrt((power_BP * above_BP).sum(axis=1) / above_BP.sum(axis=1))
        skew_B = left_B / right_B
        ratio_B = np.abs(values_BP).mean(axis=1) ** 2 / power_BP.mean(axis=1)
        ratio_B = ratio_B * (skew_B**3 + 1) * (skew_B + 1) / (skew_B**2 + 1) ** 2
    above_B = np.clip(np.searchsorted(_RATIOS, ratio_B), 1, len(_RATIOS) - 1)
    nearer_below_B = ratio_B - _RATIOS[above_B - 1] < _RATIOS[above_B] - ratio_B
    # A flat block has no shape; the released code takes the first of its table.
    shape_B = np.where(np.isnan(ratio_B), _SHAPES[0], _SHAPES[above_B - nearer_below_B])
    scale_B = np.sqrt(gamma(1 / shape_B) / gamma(3 / shape_B))
    return shape_B, left_B * scale_B, right_B * scale_B
