"""The renderer's losses (MODA eq. 18 and 19). Legend: B batch, C channels, H/W pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Features = list[list[Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Weights of eq. 19 as the paper prints them."""

    adversarial: float = 1.0
    colour: float = 50.0
    mouth: float = 100.0
    perceptual: float = 10.0
    feature_matching: float = 1.0


def colour_loss(picture_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    """L_color: mean absolute difference."""
    return (picture_BCHW - truth_BCHW).abs().mean()


def mouth_loss(picture_BCHW: Tensor, truth_BCHW: Tensor, mouth_B1HW: Tensor) -> Tensor:
    """L_mouth: mean absolute difference under the mouth mask in {0, 1}, over the whole picture."""
    return ((picture_BCHW - truth_BCHW).abs() * mouth_B1HW).mean()


def generator_adversarial_loss(fake: Features) -> Tensor:
    """L_adv = E[(D(I^) - 1)^2], summed over scales (least squares GAN)."""
    return torch.stack([((scale[-1] - 1.0) ** 2).mean() for scale in fake]).sum()


def discriminator_loss(real: Features, fake: Features) -> Tensor:
    """Eq. 18, halves of E[(D(I) - 1)^2] + E[D(I^)^2], summed over scales."""
    terms = [((r[-1] - 1.0) ** 2).mean() + (f[-1] ** 2).mean() for r, f in zip(real, fake, strict=True)]
    return 0.5 * torch.stack(terms).sum()


def feature_matching_loss(real: Features, fake: Features) -> Tensor:
    """L_FM: L1 of D's features over layers and scales, normalised as 4 / (layers + 1) / scales."""
    # The strided layers of the configuration: the list also holds the last convolution's features and the scores.
    layers = len(real[0]) - 2
    total = torch.stack(
        [
            (r.detach() - f).abs().mean()
            for rs, fs in zip(real, fake, strict=True)
            for r, f in zip(rs[:-1], fs[:-1], strict=True)
        ]
    ).sum()
    return total * (4.0 / (layers + 1) / len(real))
