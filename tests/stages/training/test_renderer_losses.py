from __future__ import annotations

import pytest
import torch

from stages.render.discriminator import Discriminator, DiscriminatorConfig
from stages.training.renderer_losses import (
    Features,
    LossWeights,
    colour_loss,
    discriminator_loss,
    feature_matching_loss,
    generator_adversarial_loss,
    mouth_loss,
)


def scores(*values: float) -> Features:
    """Two layers a scale: features that do not matter, then a map of patch scores."""
    return [[torch.zeros(1, 2, 4, 4), torch.full((1, 1, 3, 3), float(value))] for value in values]


def test_the_weights_are_the_papers():
    assert LossWeights() == LossWeights(
        adversarial=1, colour=50, mouth=100, perceptual=10, feature_matching=1
    )


def test_colour_is_the_mean_absolute_difference():
    assert colour_loss(torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 4, 4), -0.25)) == 0.75


def test_the_mouth_counts_only_under_its_mask():
    picture, truth = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    mask = torch.zeros(1, 1, 4, 4)
    assert mouth_loss(picture, truth, mask) == 0
    mask[..., :2, :2] = 1
    assert mouth_loss(picture, truth, mask) == 0.25


def test_the_generator_wants_its_pictures_scored_one():
    assert generator_adversarial_loss(scores(1, 1)) == 0
    assert generator_adversarial_loss(scores(0, 3)) == pytest.approx(1 + 4)


def test_the_discriminator_wants_one_for_true_and_zero_for_made():
    assert discriminator_loss(scores(1, 1), scores(0, 0)) == 0
    assert discriminator_loss(scores(0, 1), scores(2, 0)) == pytest.approx(0.5 * (1 + 4))


def test_equal_features_match():
    assert feature_matching_loss(scores(1, 0), scores(0, 1)) == 0


def test_features_are_weighted_by_layers_and_scales_as_in_the_paper():
    """4 / (layers + 1) / scales for each of a 4-layer discriminator's 5 features; scores are left out."""
    config = DiscriminatorConfig(scales=3, layers=4, width=2)
    with torch.no_grad():
        real = Discriminator(config)(torch.rand(1, 19, 64, 64), torch.rand(1, 3, 64, 64))
    fake = [[layer + 1 for layer in scale] for scale in real]
    terms = 3 * 5
    assert feature_matching_loss(real, fake).item() == pytest.approx(terms * 4 / (4 + 1) / 3, rel=1e-4)


def test_feature_matching_trains_the_made_picture_only():
    real, fake = ([[torch.rand(1, 2, 4, 4, requires_grad=True) for _ in range(3)]] for _ in range(2))
    feature_matching_loss(real, fake).backward()
    assert real[0][0].grad is None
    assert fake[0][0].grad is not None
    assert fake[0][2].grad is None
