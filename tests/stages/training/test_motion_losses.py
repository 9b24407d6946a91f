from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.geometry.landmarks import LIPS
from stages.subject.template import TEMPLATE_UNIT
from stages.training.motion_losses import MotionLossWeights, motion_losses

PARTS = {"mouth": slice(0, 120), "eyes": slice(120, 300), "head": slice(300, 307), "torso": slice(307, 361)}


def losses(
    error_BTC: torch.Tensor,
    torso_B: torch.Tensor | None = None,
    *,
    unit: float = 1.0,
    truth_BTC: torch.Tensor | None = None,
) -> dict[str, float]:
    torso_B = torch.ones(len(error_BTC)) if torso_B is None else torso_B
    if truth_BTC is None:
        truth_BTC = torch.randn(error_BTC.shape, generator=torch.Generator().manual_seed(0)).double()
    scale_C = torch.full((361,), unit)
    template_BM = torch.zeros(len(error_BTC), 478 * 3)
    terms = motion_losses(truth_BTC + error_BTC, truth_BTC, torso_B, scale_C=scale_C, template_BM=template_BM)
    return {name: float(term) for name, term in terms.items()}


def without_lips(found: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in found.items() if not name.startswith(("lips", "closures"))}


@pytest.mark.parametrize("part", PARTS)
def test_a_constant_error_costs_its_square_and_no_velocity(part: str):
    error_BTC = torch.zeros(2, 5, 361)
    error_BTC[..., PARTS[part]] = 3
    found = without_lips(losses(error_BTC))
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


def test_lips_cost_the_px_they_are_off_in_the_pictures_plane():
    off_px = torch.tensor([3.0, 4.0, 0.0]).repeat(40)
    error_BTC = torch.zeros(2, 5, 361)
    error_BTC[..., :120] = off_px / 7
    found = losses(error_BTC, unit=7.0)
    assert found["lips"] == pytest.approx(5.0, abs=0.01)
    assert found["lips_velocity"] == pytest.approx(0.1, abs=0.01), "rounded off at a tenth of a px"


def test_depth_counts_less_than_what_is_seen():
    error_BTC = torch.zeros(1, 4, 361)
    error_BTC[..., 2:120:3] = 10
    assert losses(error_BTC)["lips"] == pytest.approx(3.0, abs=0.01)


def test_lips_that_jump_to_and_fro_cost_velocity():
    error_BTC = torch.zeros(1, 4, 361)
    error_BTC[:, ::2, 0:120:3] = 6
    assert losses(error_BTC)["lips_velocity"] == pytest.approx(6.0, abs=0.01)


@pytest.mark.parametrize(("true_opening", "cost"), [(0.0, 4.0), (30.0, 0.0)])
def test_lips_that_stay_open_cost_what_they_gape_while_the_true_ones_touch(true_opening: float, cost: float):
    lower = 3 * int(np.searchsorted(LIPS, 14)) + 1
    truth_BTC, error_BTC = torch.zeros(2, 5, 361), torch.zeros(2, 5, 361)
    truth_BTC[..., lower] = true_opening / 2
    error_BTC[..., lower] = 4.0 / 2
    assert losses(error_BTC, unit=2.0, truth_BTC=truth_BTC)["closures"] == pytest.approx(cost, abs=0.15)


def test_the_opening_counts_from_the_template():
    template_BM = torch.zeros(1, 478, 3)
    template_BM[:, 14, 1] = 6.0 / TEMPLATE_UNIT
    shut_BTC = torch.zeros(1, 5, 361)
    shut_BTC[..., 3 * int(np.searchsorted(LIPS, 14)) + 1] = -6.0
    terms = motion_losses(
        torch.zeros(1, 5, 361),
        shut_BTC,
        torch.ones(1),
        scale_C=torch.ones(361),
        template_BM=template_BM.flatten(1),
    )
    assert float(terms["closures"]) == pytest.approx(6.0, abs=0.2)


def test_ours_has_lips_in_px_and_not_twice():
    ours = MotionLossWeights.in_px()
    assert (ours.mouth, ours.mouth_velocity) == (0, 0)
    assert ours.lips > 0
    assert MotionLossWeights().lips == MotionLossWeights.released().lips == 0
