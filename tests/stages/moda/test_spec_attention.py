from __future__ import annotations

import pytest
import torch

from stages.moda.encodings import alignment_mask
from stages.moda.spec_attention import SpecAttention

FRAMES, WIDTH = 12, 16


@pytest.fixture
def branch() -> SpecAttention:
    return make(band=0)


def make(*, band: int) -> SpecAttention:
    torch.manual_seed(0)
    return SpecAttention(
        WIDTH, layers=2, heads=4, period=5, band=band, single_slope=False, dropout=0.1
    ).eval()


def draw(seed: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, FRAMES, WIDTH, generator=torch.Generator().manual_seed(seed))


def changed_at(track_BTC: torch.Tensor, frame: int) -> torch.Tensor:
    changed_BTC = track_BTC.clone()
    changed_BTC[:, frame] += 1.0
    return changed_BTC


@torch.no_grad()
def test_diagonal_cross_attention_does_not_depend_on_the_query(branch: SpecAttention):
    attention, speech = branch.layers[0].multihead_attn, draw(0)
    mask_TT = alignment_mask(FRAMES)
    first, _ = attention(draw(1), speech, speech, attn_mask=mask_TT, need_weights=False)
    second, _ = attention(5 * draw(2), speech, speech, attn_mask=mask_TT, need_weights=False)
    assert (first - second).abs().max() == 0


@torch.no_grad()
def test_diagonal_cross_attention_is_the_projected_speech_of_the_frame(branch: SpecAttention):
    attention, speech = branch.layers[0].multihead_attn, draw(0)
    attended, _ = attention(draw(1), speech, speech, attn_mask=alignment_mask(FRAMES))
    values = speech @ attention.in_proj_weight[2 * WIDTH :].T + attention.in_proj_bias[2 * WIDTH :]
    torch.testing.assert_close(attended, attention.out_proj(values))


def test_query_and_key_weights_of_the_cross_attention_learn_nothing(branch: SpecAttention):
    (branch(draw(0), draw(1)) * draw(2)).sum().backward()
    gradient = branch.layers[0].multihead_attn.in_proj_weight.grad
    assert gradient[: 2 * WIDTH].abs().max() < 1e-6
    assert gradient[2 * WIDTH :].abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("changed", ["x", "speech"])
def test_a_changed_frame_changes_nothing_before_it(branch: SpecAttention, changed: str):
    x, speech, frame = draw(0), draw(1), 7
    before = branch(x, speech)
    after = branch(
        changed_at(x, frame) if changed == "x" else x,
        changed_at(speech, frame) if changed == "speech" else speech,
    )
    assert (after - before)[:, :frame].abs().max() < 1e-6
    assert (after - before)[:, frame].abs().max() > 1e-3


@torch.no_grad()
def test_a_band_hears_the_neighbouring_frames():
    branch, x, speech = make(band=1), draw(0), draw(1)
    change = (branch(x, changed_at(speech, 7)) - branch(x, speech)).abs().amax(dim=(0, 2))
    assert change[:5].max() < 1e-6
    assert change[6] > 1e-3


@torch.no_grad()
def test_the_items_of_a_batch_do_not_mix(branch: SpecAttention):
    x, speech = draw(0, batch=3), draw(1, batch=3)
    torch.testing.assert_close(branch(x, speech)[1:2], branch(x[1:2], speech[1:2]))
