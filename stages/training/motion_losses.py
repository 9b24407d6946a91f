"""MODA's losses (MODA section 2.3, eq. 9 to 11), and ours of lips. Legend: B batch, T frames, N points, C channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from stages.geometry.landmarks import INNER_LIP_TOP_BOTTOM, LIPS, Indices
from stages.subject.template import TEMPLATE_UNIT

MOUTH: Final = slice(0, 120)
EYES: Final = slice(120, 300)
HEAD: Final = slice(300, 307)
TORSO: Final = slice(307, 361)

_INNER_LIPS: Final = np.searchsorted(LIPS, INNER_LIP_TOP_BOTTOM)
"""Where the two vertices of the opening stand among the lips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionLossWeights:
    """Weights of the squared errors, of the velocity errors, and of L_KLD.

    The squared errors' are those of the released code; the paper's own (the lambdas of eq. 10) are not known.

    Attributes:
        lips, lips_velocity: of distances in px, and of those of steps, which are not the paper's.
        closures: of the opening in px while the true lips touch, which is not the paper's either.
    """

    mouth: float = 5.0
    eyes: float = 1.0
    head: float = 1.0
    torso: float = 1.0
    mouth_velocity: float = 5.0
    eyes_velocity: float = 1.0
    head_velocity: float = 1.0
    torso_velocity: float = 0.5
    divergence: float = 1.0
    lips: float = 0.0
    lips_velocity: float = 0.0
    closures: float = 0.0

    @classmethod
    def in_px(cls) -> MotionLossWeights:
        """Lips by their distance in px in the place of the squared error of normalised channels.

        It is what is looked at: a point that moves far weighs more, one that is far off no more than by its distance.
        """
        return cls(mouth=0.0, mouth_velocity=0.0, lips=2.0, lips_velocity=2.0, closures=0.15, divergence=0.2)

    @classmethod
    def released(cls) -> MotionLossWeights:
        """The loss of the released code: no L_KLD, and the torso's squared error divided by its 54 channels again.

        Its errors are of px and degrees; ours stay those of normalised rows.
        """
        return cls(torso=1.0 / (TORSO.stop - TORSO.start), divergence=0.0)


_DEPTH: Final = 0.3
"""What depth counts beside the picture's plane, in which lips are seen."""

_SOFT_PX: Final = 0.1
"""Distances are rounded off below this, where their slope would jump."""

_TOUCH_PX: Final = 2.5
_TOUCH_SOFTNESS_PX: Final = 0.5
"""Opening of the inner lips at which they half count as touching, and how sharply; tracks seldom show less than 0.5."""


def motion_losses(
    predicted_BTC: Tensor, truth_BTC: Tensor, torso_B: Tensor, *, scale_C: Tensor, template_BM: Tensor
) -> dict[str, Tensor]:
    """Every term, unweighted, on normalised rows; clips whose shoulders were not seen to move are masked.

    Args:
        scale_C: what one unit of a normalised row is, in px for the lips.
        template_BM: the mesh that rows are displacements from, as networks read it.
    """
    velocity_BTC = (predicted_BTC.diff(dim=1) - truth_BTC.diff(dim=1)).abs()
    squared_BTC = (predicted_BTC - truth_BTC) ** 2
    seen = torso_B.sum().clamp_min(1.0)
    terms: dict[str, Tensor] = {}
    for name, part in (("mouth", MOUTH), ("eyes", EYES), ("head", HEAD)):
        terms[name] = squared_BTC[..., part].mean()
        terms[f"{name}_velocity"] = velocity_BTC[..., part].mean()
    terms["torso"] = (squared_BTC[..., TORSO].mean(dim=(1, 2)) * torso_B).sum() / seen
    terms["torso_velocity"] = (velocity_BTC[..., TORSO].mean(dim=(1, 2)) * torso_B).sum() / seen
    off_px_BTC = (predicted_BTC - truth_BTC)[..., MOUTH] * scale_C[MOUTH]
    terms["lips"] = _distance(off_px_BTC)
    terms["lips_velocity"] = _distance(off_px_BTC.diff(dim=1))
    openings = [
        _opening(rows_BTC[..., MOUTH] * scale_C[MOUTH], template_BM)
        for rows_BTC in (predicted_BTC, truth_BTC)
    ]
    touching_BT = torch.sigmoid((_TOUCH_PX - openings[1]) / _TOUCH_SOFTNESS_PX)
    terms["closures"] = (touching_BT * (openings[0] - openings[1]).abs()).mean()
    return terms


def _opening(lips_px_BTC: Tensor, template_BM: Tensor) -> Tensor:
    """Inner-lip opening in px (B, T) of displacements of the lips from a template."""
    between_BT2 = (
        _top_to_bottom(lips_px_BTC.unflatten(-1, (-1, 3)), _INNER_LIPS)
        + TEMPLATE_UNIT * _top_to_bottom(template_BM.unflatten(-1, (-1, 3)), INNER_LIP_TOP_BOTTOM)[:, None]
    )
    return torch.sqrt(between_BT2.square().sum(-1) + _SOFT_PX**2)


def _top_to_bottom(points_N3: Tensor, pair: Indices) -> Tensor:
    top, bottom = (int(place) for place in pair)
    return points_N3[..., bottom, :2] - points_N3[..., top, :2]


def _distance(off_BTC: Tensor) -> Tensor:
    """Mean length in px of the offsets of points."""
    off_BTN3 = off_BTC.unflatten(-1, (-1, 3))
    weight_3 = off_BTC.new_tensor([1.0, 1.0, _DEPTH])
    return torch.sqrt((off_BTN3 * weight_3).square().sum(-1) + _SOFT_PX**2).mean()
