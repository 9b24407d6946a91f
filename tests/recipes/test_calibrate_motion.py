from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from motion_clips import moving_clip

from recipes.calibrate_motion import (
    SHORTEST_CLIP,
    Calibration,
    calibrate,
    calibrated,
    long_enough,
    mouth_gain,
    uncalibrated,
)
from recipes.head_emphasis import HeadEmphasis, fit_emphasis
from stages.errors import SubjectError
from stages.geometry.landmarks import INNER_LIP_TOP_BOTTOM
from stages.moda.emphasis import emphasis, heard_around
from stages.moda.network import Moda, ModaConfig
from stages.moda.residual_motion import RESIDUAL_CHANNELS, RESIDUAL_COMPONENTS, RESIDUAL_TAPS
from stages.moda.smoothing import smooth_motion
from stages.training.motion_data import MotionClip
from stages.training.motion_prediction import predict_take

CONFIG = ModaConfig(speech_width=4, width=16, latent=8, layers=1, heads=2, mode="cvae", lips_see_noise=False)
FRAMES = 100


@pytest.fixture
def network() -> Moda:
    torch.manual_seed(0)
    network = Moda(CONFIG).eval()
    network.scale_C.fill_(20)
    network.scale_C[:120] = 1
    return network


def a_calibration(*, mouth: float) -> Calibration:
    return Calibration(
        mouth=mouth,
        residual_KQQ=np.full((RESIDUAL_TAPS, RESIDUAL_COMPONENTS, RESIDUAL_COMPONENTS), 0.02),
        residual_CQ=np.eye(RESIDUAL_CHANNELS, RESIDUAL_COMPONENTS),
        emphasis=HeadEmphasis(weights_D=np.full(CONFIG.speech_width, 0.1), bias=-0.1),
    )


def louder(network: Moda, mouth: float) -> list[MotionClip]:
    """Clips on which the truth is what the network says, the lips times a factor."""
    clips = []
    for seed in range(3):
        clip = moving_clip(frames=FRAMES, seed=seed)
        # A mouth that is open at rest: its lips never cross, so that it opens as far as they move.
        mesh_N3 = clip.template.mesh_N3.copy()
        mesh_N3[INNER_LIP_TOP_BOTTOM[1], 1] += 40
        clip = replace(clip, template=replace(clip.template, mesh_N3=mesh_N3))
        rows_TC = smooth_motion(predict_take(network, clip.features_TD, clip.template)).as_rows().copy()
        rows_TC[:, :120] *= mouth
        clips.append(replace(clip, rows_TC=rows_TC))
    return clips


def test_a_mouth_that_is_too_quiet_gets_its_factor(network: Moda):
    assert mouth_gain(network, louder(network, 1.3)) == pytest.approx(1.3, abs=0.051)


def test_a_mouth_is_not_made_quieter_nor_louder_than_bounds(network: Moda):
    assert mouth_gain(network, louder(network, 0.5)) == 1.0
    assert mouth_gain(network, louder(network, 9.0)) == pytest.approx(1.6)


def test_a_mouth_that_says_something_else_is_not_made_louder(network: Moda):
    clips = [replace(clip, rows_TC=-clip.rows_TC) for clip in louder(network, 1.5)]
    assert mouth_gain(network, clips) <= 1.1


def test_a_head_that_hardly_turns_gets_the_movement_of_the_clips(network: Moda):
    clips = [moving_clip(frames=600, seed=seed) for seed in range(4)]
    found = calibrate(network, strangers=clips, corpus=clips)
    after = calibrated(network, found)
    ours, before, truth = (
        np.mean([rows[:, 300:303].std(0) for rows in many], axis=0)
        for many in (
            [predict_take(after, clip.features_TD, clip.template).as_rows() for clip in clips],
            [predict_take(network, clip.features_TD, clip.template).as_rows() for clip in clips],
            [clip.rows_TC for clip in clips],
        )
    )
    assert (before < 0.6 * truth).all(), "else there is nothing to show"
    np.testing.assert_allclose(ours, 0.85 * truth, rtol=0.3)


def test_shoulders_that_were_not_seen_to_move_are_not_learned_from(network: Moda):
    clips = [moving_clip(frames=FRAMES, seed=seed, torso_moves=False) for seed in range(2)]
    found = calibrate(network, strangers=clips, corpus=clips)
    assert not found.residual_CQ[7:].any()


def test_calibrating_twice_is_calibrating_once(network: Moda):
    clips = [moving_clip(frames=FRAMES, seed=seed) for seed in range(2)]
    once = calibrate(network, strangers=clips, corpus=clips)
    twice = calibrate(calibrated(network, once), strangers=clips, corpus=clips)
    assert twice.mouth == once.mouth
    np.testing.assert_array_equal(twice.residual_KQQ, once.residual_KQQ)


def test_a_calibrated_copy_moves_by_it_and_the_original_as_before(network: Moda):
    clip = moving_clip(frames=FRAMES)
    before = predict_take(network, clip.features_TD, clip.template)
    copy = calibrated(network, a_calibration(mouth=1.2))
    after = predict_take(copy, clip.features_TD, clip.template)
    np.testing.assert_allclose(after.mouth_TN3, 1.2 * before.mouth_TN3, rtol=1e-5)
    np.testing.assert_array_equal(after.eyes_TN3, before.eyes_TN3)
    assert np.abs(after.head_TC - before.head_TC).max() > 0.01
    unchanged = predict_take(network, clip.features_TD, clip.template)
    np.testing.assert_array_equal(unchanged.as_rows(), before.as_rows())
    bare = predict_take(uncalibrated(copy), clip.features_TD, clip.template)
    np.testing.assert_array_equal(bare.as_rows(), before.as_rows())
    assert copy.config.calibrated
    assert not network.config.calibrated


def test_heads_that_nod_where_speech_is_loud_are_learnt_to():
    random = np.random.default_rng(0)
    clips = []
    for seed in range(4):
        clip = moving_clip(frames=600, seed=seed)
        loud_T = np.repeat(random.uniform(-1.0, 1.0, 40), 15)
        rows_TC = clip.rows_TC.copy()
        rows_TC[:, 300:303] = random.normal(size=(600, 3)) * np.exp(0.5 * loud_T)[:, None]
        features_TD = random.normal(size=clip.features_TD.shape).astype(np.float32) * 0.1
        features_TD[:, 1] = loud_T
        clips.append(replace(clip, rows_TC=rows_TC, features_TD=features_TD))
    found = fit_emphasis(clips)
    heard = np.concatenate([heard_around(clip.features_TD)[:, 1] for clip in clips])
    share = np.concatenate(
        [emphasis(clip.features_TD, found.weights_D.astype(np.float32), found.bias) for clip in clips]
    )
    assert np.corrcoef(np.log(share), heard)[0, 1] > 0.9
    assert share.max() / share.min() > 1.3
    assert np.square(share).mean() == pytest.approx(1.0, abs=0.02)


def test_heads_that_move_alike_at_all_times_are_not_made_livelier():
    clips = [moving_clip(frames=600, seed=seed) for seed in range(4)]
    features_TD = clips[0].features_TD
    found = fit_emphasis([replace(clip, features_TD=np.zeros_like(features_TD)) for clip in clips])
    np.testing.assert_allclose(
        emphasis(np.zeros_like(features_TD), found.weights_D.astype(np.float32), found.bias), 1.0, atol=0.1
    )


def test_only_long_clips_are_calibrated_on():
    long, short = moving_clip(frames=SHORTEST_CLIP), moving_clip(frames=SHORTEST_CLIP - 1)
    assert long_enough([long, short]) == [long]
    with pytest.raises(SubjectError, match="long enough"):
        long_enough([short])
