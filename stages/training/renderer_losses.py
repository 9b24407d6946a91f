"""The renderer's losses (MODA eq. 18 and 19). Legend: B batch, C channels, H/W pixels."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

Features = list[list[Tensor]]

_DETAIL_PATCH: Final = 8
_DETAIL_FLOOR: Final = 1e-5
"""Keeps the square root's slope finite where a patch is flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """Weights of eq. 19 as the paper prints them.

    `style` is the released code's alone, `detail` is ours; 0 is the paper. `real_share` is the weight of true
    pictures in D's loss: a half in eq. 18, two thirds as released.
    """

    adversarial: float = 1.0
    colour: float = 50.0
    mouth: float = 100.0
    perceptual: float = 10.0
    feature_matching: float = 1.0
    style: float = 0.0
    detail: float = 0.0
    real_share: float = 0.5

    @classmethod
    def released(cls) -> LossWeights:
        """The weights of the released code (MODA section 4.3): no mouth term, a style term instead."""
        return cls(
            colour=100.0, mouth=0.0, perceptual=10.0, feature_matching=10.0, style=10.0, real_share=2.0 / 3.0
        )

    def of_terms(self) -> dict[str, float]:
        """The weight of every term of G's loss, by the term's name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "real_share"}


def colour_loss(picture_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    """L_color: mean absolute difference."""
    return (picture_BCHW - truth_BCHW).abs().mean()


def mouth_loss(picture_BCHW: Tensor, truth_BCHW: Tensor, mouth_B1HW: Tensor) -> Tensor:
    """L_mouth: mean absolute difference under the mouth mask in {0, 1}, over the whole picture."""
    return ((picture_BCHW - truth_BCHW).abs() * mouth_B1HW).mean()


def detail_loss(picture_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    """Difference of the local strength of fine detail: RMS of second differences over patches of 8 x 8 px.

    L1 leaves detail out wherever it cannot place it to a fraction of a pixel, and strided features hardly see that
    it is missing: a blur of half a pixel halves the variance of the Laplacian and moves L_perc by 0.08. The four
    directions are held apart: of their sum alone, stripes satisfy as much as texture does.
    """
    strengths = [
        functional.avg_pool2d(_second_differences(part_BCHW) ** 2, _DETAIL_PATCH).add(_DETAIL_FLOOR).sqrt()
        for part_BCHW in (picture_BCHW, truth_BCHW)
    ]
    return (strengths[0] - strengths[1]).abs().mean()


def _second_differences(picture_BCHW: Tensor) -> Tensor:
    """(B, 4 C, H, W): across, down and along both diagonals, for every channel."""
    channels = picture_BCHW.shape[1]
    kernels_D33 = picture_BCHW.new_zeros(4, 3, 3)
    kernels_D33[:, 1, 1] = -2.0
    for direction, ends in enumerate(
        (((1, 0), (1, 2)), ((0, 1), (2, 1)), ((0, 0), (2, 2)), ((0, 2), (2, 0)))
    ):
        for row, column in ends:
            kernels_D33[direction, row, column] = 1.0
    return functional.conv2d(
        picture_BCHW, kernels_D33[:, None].repeat(channels, 1, 1, 1), padding=1, groups=channels
    )


def generator_adversarial_loss(fake: Features) -> Tensor:
    """L_adv = E[(D(I^) - 1)^2], summed over scales (least squares GAN)."""
    return torch.stack([((scale[-1] - 1.0) ** 2).mean() for scale in fake]).sum()


def discriminator_loss(real: Features, fake: Features, *, real_share: float = 0.5) -> Tensor:
    """Eq. 18: E[(D(I) - 1)^2] and E[D(I^)^2], weighted to one together, summed over scales."""
    terms = [
        real_share * ((r[-1] - 1.0) ** 2).mean() + (1.0 - real_share) * (f[-1] ** 2).mean()
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).sum()


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
