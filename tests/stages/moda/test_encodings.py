from __future__ import annotations

import math

import pytest
import torch

from stages.moda.encodings import (
    alignment_mask,
    biased_causal_mask,
    head_slopes,
    periodic_encoding,
    sinusoid,
    time_encoding,
)

M = 2.0**-8


@pytest.mark.parametrize(
    ("i", "j", "bias"),
    [
        (65, 0, -2 * M),
        (65, 5, -2 * M),
        (65, 6, -M),
        (65, 35, -M),
        (65, 36, 0.0),
        (65, 65, 0.0),
        (10, 11, -math.inf),
    ],
)
def test_the_bias_of_period_30_has_the_published_values(i: int, j: int, bias: float):
    mask_HTT = biased_causal_mask(66, period=30, slopes_H=head_slopes(4, single=True))
    assert mask_HTT.shape == (4, 66, 66)
    assert mask_HTT[:, i, j].tolist() == [bias] * 4


def test_nothing_of_the_future_is_open_and_all_of_the_past_is():
    mask_TT = biased_causal_mask(40, period=25, slopes_H=head_slopes(1))[0]
    open_TT = torch.isfinite(mask_TT)
    torch.testing.assert_close(open_TT, torch.ones(40, 40).tril().bool())


def test_four_heads_have_the_slopes_of_faceformer():
    torch.testing.assert_close(head_slopes(4), torch.tensor([1 / 4, 1 / 16, 1 / 64, 1 / 256]))


def test_a_periodic_row_equals_the_row_one_period_later():
    encoding_TC = periodic_encoding(75, 16, period=25)
    assert torch.equal(encoding_TC[:50], encoding_TC[25:])
    assert not torch.equal(encoding_TC[:49], encoding_TC[1:50])


def test_within_one_period_the_encoding_is_that_of_time():
    assert torch.equal(periodic_encoding(25, 16, period=25), time_encoding(25, 16))


def test_every_frame_has_a_time_encoding_of_its_own():
    encoding_TC = time_encoding(600, 32)
    assert len({tuple(row) for row in encoding_TC.tolist()}) == 600


def test_sine_and_cosine_take_turns():
    row = sinusoid(torch.tensor([3]), 4)[0]
    expected = [math.sin(3), math.cos(3), math.sin(3 / 100), math.cos(3 / 100)]
    torch.testing.assert_close(row, torch.tensor(expected))


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="even"):
        sinusoid(torch.arange(3), 5)


def test_alignment_opens_the_diagonal_or_a_band_around_it():
    assert torch.equal(~alignment_mask(5), torch.eye(5).bool())
    assert (~alignment_mask(5, band=1)).sum() == 13
