from __future__ import annotations

import pytest
import torch

from stages.errors import WeightsError
from stages.render.perceptual import PerceptualDistance


@pytest.fixture(scope="module")
def distance() -> PerceptualDistance:
    try:
        return PerceptualDistance()
    except WeightsError as error:
        pytest.skip(f"{error.where}: {error.what}")


def picture(seed: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=64, mode="bilinear")


def test_equal_pictures_have_no_distance(distance: PerceptualDistance):
    assert distance(picture(0), picture(0)) == 0


def test_a_worse_picture_is_further_away(distance: PerceptualDistance):
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    little, much = (distance(picture(0) + share * noise, picture(0)) for share in (0.02, 0.2))
    assert 0 < little < much


def test_the_distance_trains_the_picture_and_nothing_else(distance: PerceptualDistance):
    ours, truth = picture(0).requires_grad_(True), picture(1).requires_grad_(True)
    distance(ours, truth).backward()
    assert ours.grad.abs().max() > 0
    assert truth.grad is None
    assert all(not weight.requires_grad for weight in distance.parameters())


def test_its_statistics_stay_those_of_its_own_training(distance: PerceptualDistance):
    before = distance(picture(0), picture(1))
    distance.train()
    assert not any(module.training for module in distance.modules())
    assert torch.equal(distance(picture(0), picture(1)), before)
