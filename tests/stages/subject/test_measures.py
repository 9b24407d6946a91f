from __future__ import annotations

import numpy as np
import pytest
from prepared_clip import clip_tracks

from stages.geometry.canonical import pose
from stages.subject.measures import TrackMeasures, jitter, voiced_share

FRAMES = 100


def measured(**changed: np.ndarray) -> TrackMeasures:
    tracks = clip_tracks(FRAMES)
    values = {
        "canonical_TN3": tracks.canonical_TN3,
        "head_T7": tracks.head_T7,
        "heights_T18": tracks.torso_TN3[..., 1],
        "speech_S": np.full(FRAMES * 640, 0.1, np.float32),
        **changed,
    }
    return TrackMeasures.of(mesh_TN3=pose(values["canonical_TN3"], values["head_T7"]), **values)


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_jitter_is_the_spread_of_the_noise(spread: float):
    still_TN3 = clip_tracks(400).canonical_TN3
    noise_TN3 = np.random.default_rng(0).normal(scale=spread, size=still_TN3.shape)
    assert jitter(still_TN3 + noise_TN3) == pytest.approx(spread, rel=0.05)


def test_slow_motion_is_no_jitter():
    moving_TN3 = clip_tracks(200).canonical_TN3 + 5 * np.sin(np.arange(200) / 15)[:, None, None]
    assert jitter(moving_TN3) < 0.02


def test_a_quiet_clip_has_nothing_disturbed():
    measures = measured()
    assert (measures.disturbed_share, measures.profile_share, measures.voiced_share) == (0, 0, 1)
    assert measures.shoulders_visible


def test_a_hand_that_bends_the_face_for_a_while_is_seen():
    canonical_TN3 = clip_tracks(FRAMES).canonical_TN3
    canonical_TN3[30:40] += np.random.default_rng(0).normal(scale=15, size=(478, 3)).astype(np.float32)
    assert measured(canonical_TN3=canonical_TN3).disturbed_share == pytest.approx(0.1, abs=0.01)


def test_a_face_that_jumps_across_the_picture_is_seen():
    head_T7 = clip_tracks(FRAMES).head_T7
    head_T7[50:, 3] += 150
    assert measured(head_T7=head_T7).disturbed_share == pytest.approx(1 / FRAMES)


def test_a_profile_is_counted_by_frames():
    head_T7 = clip_tracks(FRAMES).head_T7
    head_T7[:30, 0] = -50
    assert measured(head_T7=head_T7).profile_share == pytest.approx(0.3)


def test_without_a_body_no_shoulders_are_visible():
    assert not measured(heights_T18=np.full((FRAMES, 18), 512, np.float32)).shoulders_visible


def placed(x: np.ndarray) -> np.ndarray:
    """Head vectors of a head whose middle is at such places (T,) across the picture, px."""
    head_T7 = clip_tracks(FRAMES).head_T7
    mesh_TN3 = pose(clip_tracks(FRAMES).canonical_TN3, head_T7)
    head_T7[:, 3] += x - mesh_TN3[..., 0].mean(axis=1)
    return head_T7


def test_a_face_that_walks_out_of_its_square_is_counted_by_frames():
    inside = measured()
    assert (inside.face_cut_share, inside.head_cut_share, inside.shoulders_gone_share) == (0, 0, 0)
    x_T = np.full(FRAMES, 256.0)
    x_T[:20] = 500
    measures = measured(head_T7=placed(x_T))
    assert (measures.face_cut_share, measures.head_cut_share) == pytest.approx((0.2, 0.2))


def test_what_is_always_cut_off_is_framing_and_no_motion():
    measures = measured(head_T7=placed(np.full(FRAMES, 500.0)))
    assert (measures.face_cut_share, measures.head_cut_share) == (1, 0)


def test_a_body_that_leaves_is_counted_where_most_of_its_columns_are_bare():
    heights_T18 = np.full((FRAMES, 18), 400, np.float32)
    heights_T18[:30, 5:] = 512
    heights_T18[30:50, 12:] = 512
    assert measured(heights_T18=heights_T18).shoulders_gone_share == pytest.approx(0.3)


def test_only_frames_with_sound_count_as_voiced():
    speech_S = np.zeros(FRAMES * 640, np.float32)
    assert voiced_share(speech_S) == 0
    speech_S[: 40 * 640] = 0.2
    assert voiced_share(speech_S) == pytest.approx(0.4)
    assert voiced_share(1e-4 * np.random.default_rng(0).normal(size=6400).astype(np.float32)) == 0
