from __future__ import annotations

import numpy as np
import pytest
from motion_clips import moving_clip

from stages.faco.paste import paste_parts
from stages.geometry.canonical import pose
from stages.metrics.landmarks import mouth_opening
from stages.payloads import Motion, PosedFace
from stages.training.motion_scores import (
    MotionScores,
    average_scores,
    canonical_mesh,
    nod_spread,
    score,
    score_diversity,
)

FRAMES = 60
CLIP = moving_clip(frames=FRAMES)
TEMPLATE = CLIP.template
SHUT = float((mouth_opening(canonical_mesh(TEMPLATE, Motion.from_rows(CLIP.rows_TC))) < 1.5).mean())


def moved(*, mouth: float = 1.0, head: float = 1.0) -> Motion:
    rows_TC = CLIP.rows_TC.copy()
    rows_TC[:, :120] *= mouth
    rows_TC[:, 300:306] *= head
    return Motion.from_rows(rows_TC)


def face_of(motion: Motion) -> PosedFace:
    mesh_TN3 = paste_parts(
        TEMPLATE.mesh_N3,
        mouth_TN3=motion.mouth_TN3,
        eyes_TN3=motion.eyes_TN3,
    )
    return PosedFace(mesh_TN3=pose(mesh_TN3, motion.head_TC + TEMPLATE.head_7), torso_TN3=motion.torso_TN3)


def test_the_truth_scores_as_the_truth():
    assert score(CLIP, moved(), smoothed=False) == MotionScores(
        lmd=0,
        lmd_v=0,
        mouth_area=1,
        outer_mouth_area=1,
        opening=pytest.approx(1),
        mouth_amplitude=1,
        head_amplitude=1,
        head_speed=1,
        shut=pytest.approx(SHUT),
        nods=pytest.approx(nod_spread(CLIP.rows_TC[:, 300:303])),
    )


def test_a_still_face_has_the_distance_of_the_mean_and_no_amplitude():
    still = score(CLIP, moved(mouth=0, head=0))
    truth_TN2 = CLIP.rows_TC[:, :120].reshape(FRAMES, 40, 3)[..., :2]
    assert still.lmd == pytest.approx(np.linalg.norm(truth_TN2, axis=-1).mean(), rel=1e-5)
    assert (still.opening, still.mouth_amplitude, still.head_amplitude, still.head_speed) == (0, 0, 0, 0)
    assert still.mouth_area < 1


def test_half_the_head_motion_is_half_the_amplitude_and_half_the_speed_and_nothing_to_the_lips():
    half, whole = score(CLIP, moved(head=0.5)), score(CLIP, moved())
    assert half.head_amplitude == pytest.approx(0.5 * whole.head_amplitude)
    assert half.head_speed == pytest.approx(0.5)
    assert half.lmd == whole.lmd


def test_motion_is_judged_as_it_is_drawn_unless_asked_otherwise():
    assert score(CLIP, moved()).lmd > 0
    assert score(CLIP, moved(), smoothed=False).lmd == 0


def test_a_clip_that_hardly_moves_does_not_carry_the_shares_away():
    scores = [score(CLIP, moved(head=share)) for share in (0.4, 0.5, 50)]
    assert average_scores(scores).head_speed == pytest.approx(0.5)
    assert average_scores(scores).lmd == pytest.approx(scores[0].lmd)


def test_takes_that_differ_in_the_head_alone_are_diverse_in_head_and_face_alone():
    takes = [moved(head=share) for share in (0.5, 1, 1.5)]
    found = score_diversity(TEMPLATE, takes, [face_of(take) for take in takes])
    assert (found.lips, found.eyes) == (0, 0)
    assert found.head > 0
    assert found.face == pytest.approx(found.head, rel=0.2)


def test_takes_that_differ_in_the_lips_alone_have_a_still_head():
    takes = [moved(mouth=share, head=0) for share in (0.5, 1.5)]
    found = score_diversity(TEMPLATE, takes, [face_of(take) for take in takes])
    assert (found.head, found.eyes) == (0, 0)
    spread_TN2 = np.stack([take.mouth_TN3[..., :2] for take in takes]).var(axis=0)
    assert found.lips == pytest.approx(spread_TN2.mean(), rel=1e-5)


def test_nods_are_told_from_sway_and_from_trembling():
    frames_T = np.arange(200) / 25
    for hertz, kept in ((0.3, 0.0), (2.4, 1.0), (8.0, 0.0)):
        track_TC = np.repeat(2 * np.sin(2 * np.pi * hertz * frames_T)[:, None], 3, axis=1).astype(np.float32)
        assert nod_spread(track_TC) == pytest.approx(kept * np.sqrt(2), abs=0.15)


def test_a_clip_shorter_than_a_nod_has_a_figure_too():
    assert np.isfinite(nod_spread(np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)))
