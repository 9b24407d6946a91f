from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from motion_clips import moving_clip

from recipes.calibrate_motion import Gains, calibration_clips, learn_gains, with_gains
from stages.errors import SubjectError
from stages.moda.network import Moda, ModaConfig
from stages.training.motion_data import MotionClip
from stages.training.motion_prediction import predict_take

CONFIG = ModaConfig(speech_width=4, width=16, latent=8, layers=1, heads=2, mode="cvae", lips_see_noise=False)
FRAMES = 60


@pytest.fixture
def network() -> Moda:
    torch.manual_seed(0)
    network = Moda(CONFIG).eval()
    network.scale_C.fill_(20)
    return network


def louder(network: Moda, gains: Gains) -> list[MotionClip]:
    """Clips on which the truth is what the network says, times the gains."""
    clips = []
    for seed in range(3):
        clip = moving_clip(frames=FRAMES, seed=seed)
        rows_TC = predict_take(network, clip.features_TD, clip.template, take=1).as_rows()
        clips.append(replace(clip, rows_TC=rows_TC * gains.as_channels()))
    return clips


def test_a_mouth_and_a_head_that_are_too_quiet_get_their_factor(network: Moda):
    found = learn_gains(network, louder(network, Gains(mouth=1.3, rotation=1.4, centre=1.2, torso=1.1)))
    assert found.mouth == pytest.approx(1.3, abs=0.051)
    assert found.rotation == pytest.approx(1.4, rel=0.1)
    assert found.centre == pytest.approx(1.2, rel=0.1)
    assert found.torso == pytest.approx(1.1, rel=0.1)
    assert found.rotation > found.centre > found.torso


def test_no_part_is_made_quieter_and_none_beyond_bounds(network: Moda):
    quiet = learn_gains(network, louder(network, Gains(mouth=0.5, rotation=0.5, centre=0.5, torso=0.5)))
    assert quiet == Gains()
    loud = learn_gains(network, louder(network, Gains(mouth=9, rotation=9, centre=9, torso=9)))
    assert loud == Gains(mouth=1.5, rotation=1.5, centre=1.5, torso=1.5)


def test_a_mouth_that_says_something_else_is_not_made_louder(network: Moda):
    clips = [replace(clip, rows_TC=-clip.rows_TC) for clip in louder(network, Gains(mouth=1.5, rotation=1.5))]
    found = learn_gains(network, clips)
    assert found.mouth <= 1.05
    assert found.rotation > 1.2


def test_shoulders_that_were_not_seen_to_move_are_not_learned_from(network: Moda):
    clips = [replace(clip, torso_moves=False) for clip in louder(network, Gains(torso=2.0))]
    assert learn_gains(network, clips).torso == 1


def test_calibrating_twice_is_calibrating_once(network: Moda):
    clips = louder(network, Gains(mouth=1.3, rotation=2.0))
    once = learn_gains(network, clips)
    assert learn_gains(with_gains(network, once), clips) == once


def test_a_calibrated_copy_moves_by_its_gains_and_the_original_as_before(network: Moda):
    clip = moving_clip(frames=FRAMES)
    before = predict_take(network, clip.features_TD, clip.template)
    calibrated = with_gains(network, Gains(mouth=1.2, rotation=2.0))
    after = predict_take(calibrated, clip.features_TD, clip.template)
    np.testing.assert_allclose(after.mouth_TN3, 1.2 * before.mouth_TN3, rtol=1e-5)
    np.testing.assert_allclose(after.head_TC[:, :3], 2 * before.head_TC[:, :3], rtol=1e-5)
    np.testing.assert_array_equal(after.eyes_TN3, before.eyes_TN3)
    np.testing.assert_array_equal(after.head_TC[:, 6], before.head_TC[:, 6])
    unchanged = predict_take(network, clip.features_TD, clip.template)
    np.testing.assert_array_equal(unchanged.as_rows(), before.as_rows())
    assert calibrated.config.calibrated
    assert not network.config.calibrated


def test_the_ends_of_long_clips_are_what_is_calibrated_on():
    long, short = moving_clip(frames=300), moving_clip(frames=200)
    (end,) = calibration_clips([long, short])
    np.testing.assert_array_equal(end.rows_TC, long.rows_TC[255:])


def test_without_a_long_clip_there_is_nothing_to_calibrate_on(network: Moda):
    with pytest.raises(SubjectError, match="long enough"):
        learn_gains(network, [])
