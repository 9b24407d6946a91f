"""Position encodings and attention masks of MODA (eq. 5 to 7). Legend: T frames, C channels, H heads."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoid(positions_T: Tensor, width: int) -> Tensor:
    """(T, width) table: sin and cos of position / 10000^(2i / width) in turn.

    Raises ValueError when `width` is odd.
    """
    if width % 2:
        raise ValueError(f"width must be even, not {width}")
    rates_I = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10_000.0) / width))
    angles_TI = positions_T.to(torch.float32)[:, None] * rates_I
    return torch.stack([torch.sin(angles_TI), torch.cos(angles_TI)], dim=-1).flatten(1)


def time_encoding(frames: int, width: int) -> Tensor:
    """Sinusoidal encoding of time (T, C). The released code indexes it by batch (MODA section 14, D3)."""
    return sinusoid(torch.arange(frames), width)


def periodic_encoding(frames: int, width: int, *, period: int) -> Tensor:
    """PPE (eq. 7), (T, C): row t equals row t + period."""
    return sinusoid(torch.arange(frames) % period, width)


def head_slopes(heads: int, *, single: bool = False) -> Tensor:
    """Slopes m of the causal bias, one a head: s^(h + 1) with s = 2^(-8 / heads).

    `single` gives every head 2^-8, as the released code does.
    """
    if single:
        return torch.full((heads,), 2.0**-8)
    return torch.pow(2.0, -8.0 / heads * torch.arange(1, heads + 1, dtype=torch.float32))


def biased_causal_mask(frames: int, *, period: int, slopes_H: Tensor) -> Tensor:
    """Additive mask (H, T, T) of eq. 6: -m floor((i - j) / period) for j <= i, minus infinity for the future."""
    i_T1, j_1T = torch.arange(frames)[:, None], torch.arange(frames)[None, :]
    periods_ago_TT = torch.div(i_T1 - j_1T, period, rounding_mode="floor").to(torch.float32)
    bias_HTT = -slopes_H[:, None, None] * periods_ago_TT
    return bias_HTT.masked_fill(j_1T > i_T1, float("-inf"))


def alignment_mask(frames: int, *, band: int = 0) -> Tensor:
    """Boolean mask (T, T) of eq. 5, True where attention is blocked: all but |i - j| <= band."""
    i_T1, j_1T = torch.arange(frames)[:, None], torch.arange(frames)[None, :]
    return (i_T1 - j_1T).abs() > band
