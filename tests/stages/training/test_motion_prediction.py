from __future__ import annotations

import numpy as np
import pytest
import torch
from motion_clips import moving_clip

from stages.moda.network import Moda, ModaConfig
from stages.moda.window import window_motion
from stages.training.motion_prediction import predict_take


@pytest.fixture(scope="module")
def network() -> Moda:
    torch.manual_seed(0)
    config = ModaConfig(
        speech_width=4, width=16, latent=8, layers=1, heads=2, mode="cvae", lips_see_noise=False
    )
    return Moda(config).eval()


@pytest.mark.parametrize("frames", [1, 20, 149, 150, 151, 300, 301, 450, 460])
def test_a_take_is_as_long_as_its_speech(network: Moda, frames: int):
    clip = moving_clip(frames=frames)
    assert predict_take(network, clip.features_TD, clip.template).frame_count == frames


def test_a_take_of_one_window_is_that_window(network: Moda):
    clip = moving_clip(frames=150)
    window = window_motion(network, clip.features_TD, template=clip.template, first_frame=0, seed=3, take=2)
    whole = predict_take(network, clip.features_TD, clip.template, seed=3, take=2)
    np.testing.assert_allclose(whole.as_rows(), window.as_rows(), atol=1e-6)


def test_another_take_is_another_head(network: Moda):
    clip = moving_clip(frames=40)
    first, second = (predict_take(network, clip.features_TD, clip.template, take=take) for take in (1, 2))
    assert not np.array_equal(first.head_TC, second.head_TC)
    np.testing.assert_array_equal(first.mouth_TN3, second.mouth_TN3)
