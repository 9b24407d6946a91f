"""MODA's losses (MODA section 2.3, eq. 9 to 11). Legend: B batch, T frames, C motion channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import Tensor

MOUTH: Final = slice(0, 120)
EYES: Final = slice(120, 300)
HEAD: Final = slice(300, 307)
TORSO: Final = slice(307, 361)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionLossWeights:
    """Weights of the squared errors, of the velocity errors, and of L_KLD.

    The squared errors' are those of the released code; the paper's own (the lambdas of eq. 10) are not known.
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

    @classmethod
    def released(cls) -> MotionLossWeights:
        """The loss of the released code: no L_KLD, and the torso's squared error divided by its 54 channels again.

        Its errors are of px and degrees; ours stay those of normalised rows.
        """
        return cls(torso=1.0 / (TORSO.stop - TORSO.start), divergence=0.0)


def motion_losses(predicted_BTC: Tensor, truth_BTC: Tensor, torso_B: Tensor) -> dict[str, Tensor]:
    """Every term, unweighted, on normalised rows; clips whose shoulders were not seen to move are masked."""
    velocity_BTC = (predicted_BTC.diff(dim=1) - truth_BTC.diff(dim=1)).abs()
    squared_BTC = (predicted_BTC - truth_BTC) ** 2
    seen = torso_B.sum().clamp_min(1.0)
    terms: dict[str, Tensor] = {}
    for name, part in (("mouth", MOUTH), ("eyes", EYES), ("head", HEAD)):
        terms[name] = squared_BTC[..., part].mean()
        terms[f"{name}_velocity"] = velocity_BTC[..., part].mean()
    terms["torso"] = (squared_BTC[..., TORSO].mean(dim=(1, 2)) * torso_B).sum() / seen
    terms["torso_velocity"] = (velocity_BTC[..., TORSO].mean(dim=(1, 2)) * torso_B).sum() / seen
    return terms
