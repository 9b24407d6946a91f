from __future__ import annotations

import pytest
import torch

from stages.moda.recurrent import RecurrentBranches

WIDTH = 6


@pytest.fixture
def branches() -> RecurrentBranches:
    torch.manual_seed(0)
    return RecurrentBranches(WIDTH).eval()


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 3, 8, 10])
def test_no_frame_is_lost_whatever_the_length(branches: RecurrentBranches, frames: int):
    assert branches(torch.randn(2, frames, WIDTH)).shape == (2, frames, 2 * WIDTH)


@torch.no_grad()
def test_four_quarters_with_a_carried_state_are_one_run(branches: RecurrentBranches):
    x_BTC = torch.randn(2, 10, WIDTH)
    state, quarters = None, []
    for quarter_BTC in torch.tensor_split(x_BTC, 4, dim=1):
        out_BTC, state = branches.gru(quarter_BTC, state)
        quarters.append(out_BTC)
    assert torch.allclose(branches(x_BTC)[..., :WIDTH], torch.cat(quarters, dim=1), atol=1e-6)


@torch.no_grad()
def test_a_frame_hears_those_before_it_and_none_after(branches: RecurrentBranches):
    x_BTC = torch.randn(1, 10, WIDTH)
    changed_BTC = x_BTC.clone()
    changed_BTC[:, 5] += 1
    moved_T = (branches(x_BTC) - branches(changed_BTC)).abs().amax(dim=(0, 2)) > 0
    assert moved_T.tolist() == [False] * 5 + [True] * 5
