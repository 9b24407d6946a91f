"""Temporal position encoding of the renderer (TPE; MODA section 4.4, eq. 14).

Legend: B batch, C channels, H/W pixels.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from stages.render.generator_config import FREQUENCIES

_FRAMES_PER_UNIT: Final = 1000.0


def ping_pong(frame: int, trained_frames: int) -> int:
    """Fold an absolute frame index into [0, trained_frames) without a jump, as a ball between two walls.

    Raises ValueError when there is no trained range.
    """
    if trained_frames < 1:
        raise ValueError(f"trained_frames must be at least 1, not {trained_frames}")
    period = max(1, 2 * (trained_frames - 1))
    phase = frame % period
    return min(phase, period - phase)


def temporal_planes(frames_B: Tensor, *, height: int, width: int) -> Tensor:
    """Frame indices (B,) to 13 constant planes (B, 13, H, W): u, sin(2^k u), cos(2^k u); u = frame / 1000.

    The released training code adds 1 to u, its inference does not (MODA section 14, D9); both use u here.
    """
    u_B1 = frames_B.to(torch.float32)[:, None] / _FRAMES_PER_UNIT
    scale_K = 2.0 ** torch.arange(FREQUENCIES, device=frames_B.device, dtype=torch.float32)
    waves_BKC = torch.stack([torch.sin(u_B1 * scale_K), torch.cos(u_B1 * scale_K)], dim=-1)
    code_BC = torch.cat([u_B1, waves_BKC.flatten(1)], dim=1)
    return code_BC[:, :, None, None].expand(-1, -1, height, width)
