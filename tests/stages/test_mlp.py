from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.mlp import LEAKY_SLOPE, Mlp, initialise_linear


def kinds(mlp: Mlp) -> list[str]:
    return [type(layer).__name__.strip("_") for layer in mlp]


def test_leaky_relu_stands_between_linear_layers_and_not_after_the_last():
    assert kinds(Mlp(3, 5, hidden=4, layers=3)) == ["Linear", "LeakyReLU", "Linear", "LeakyReLU", "Linear"]
    assert LEAKY_SLOPE == 0.2


def test_batch_norm_comes_before_the_leaky_relu():
    assert kinds(Mlp(3, 5, hidden=4, layers=2, norm=True)) == [
        "Linear",
        "TimeBatchNorm",
        "LeakyReLU",
        "Linear",
    ]


def test_the_first_and_last_layer_have_the_given_widths():
    mlp = Mlp(3, 5, hidden=4, layers=4)
    widths = [(layer.in_features, layer.out_features) for layer in mlp if isinstance(layer, nn.Linear)]
    assert widths == [(3, 4), (4, 4), (4, 4), (4, 5)]


def test_the_speech_head_is_as_large_as_published():
    mlp = Mlp(768, 128, hidden=128, layers=2, norm=True)
    assert sum(weight.numel() for weight in mlp.parameters()) == 115_200


def test_batch_norm_is_taken_over_batch_and_time():
    torch.manual_seed(0)
    track_BTC, mlp = torch.randn(4, 6, 3) * 5 + 2, Mlp(3, 5, hidden=4, layers=2, norm=True)
    normed_BTC = mlp[1](mlp[0](track_BTC))
    torch.testing.assert_close(normed_BTC.mean(dim=(0, 1)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed_BTC.std(dim=(0, 1), correction=0), torch.ones(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(mlp(track_BTC).flatten(0, 1), mlp(track_BTC.flatten(0, 1)), atol=1e-5, rtol=0)


def test_one_layer_is_no_mlp():
    with pytest.raises(ValueError, match="at least 2"):
        Mlp(3, 5, hidden=4, layers=1)


def test_linear_layers_are_initialised_small_and_others_left_alone():
    torch.manual_seed(0)
    linear, conv = nn.Linear(100, 100), nn.Conv1d(3, 3, 3)
    before = conv.weight.clone()
    nn.Sequential(linear, conv).apply(initialise_linear)
    assert linear.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(linear.bias, torch.zeros(100))
    assert torch.equal(conv.weight, before)
