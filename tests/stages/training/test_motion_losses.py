from __future__ import annotations

import pytest
import torch

from stages.training.motion_losses import MotionLossWeights, motion_losses

PARTS = {"mouth": slice(0, 120), "eyes": slice(120, 300), "head": slice(300, 307), "torso": slice(307, 361)}


def losses(error_BTC: torch.Tensor, torso_B: torch.Tensor | None = None) -> dict[str, float]:
    torso_B = torch.ones(len(error_BTC)) if torso_B is None else torso_B
    truth_BTC = torch.randn(error_BTC.shape, generator=torch.Generator().manual_seed(0)).double()
    return {
        name: float(term) for name, term in motion_losses(truth_BTC + error_BTC, truth_BTC, torso_B).items()
    }


@pytest.mark.parametrize("part", PARTS)
def test_a_constant_error_costs_its_square_and_no_velocity(part: str):
    error_BTC = torch.zeros(2, 5, 361)
    error_BTC[..., PARTS[part]] = 3
    found = losses(error_BTC)
    assert found.pop(part) == pytest.approx(9)
    assert all(value == pytest.approx(0, abs=1e-12) for value in found.values())


@pytest.mark.parametrize("part", PARTS)
def test_an_error_that_grows_by_two_a_frame_costs_two_in_velocity(part: str):
    error_BTC = torch.zeros(2, 5, 361)
    error_BTC[..., PARTS[part]] = 2 * torch.arange(5.0)[:, None]
    found = losses(error_BTC)
    assert found[f"{part}_velocity"] == pytest.approx(2)
    assert found[part] == pytest.approx(4 * (0 + 1 + 4 + 9 + 16) / 5)


def test_clips_whose_shoulders_do_not_move_are_left_out():
    error_BTC = torch.zeros(3, 4, 361)
    error_BTC[0, ..., PARTS["torso"]] = 2
    error_BTC[1, ..., PARTS["torso"]] = 100
    assert losses(error_BTC, torch.tensor([1.0, 0.0, 1.0]))["torso"] == pytest.approx((4 + 0) / 2)


def test_a_batch_without_moving_shoulders_has_no_torso_loss():
    found = losses(torch.ones(2, 4, 361), torch.zeros(2))
    assert (found["torso"], found["torso_velocity"]) == (0, 0)


def test_the_released_loss_has_no_divergence_and_a_torso_that_hardly_counts():
    released, ours = MotionLossWeights.released(), MotionLossWeights()
    assert released.divergence == 0
    assert released.torso == pytest.approx(ours.torso / 54)
    assert (released.mouth, released.mouth_velocity, released.torso_velocity) == (5, 5, 0.5)
