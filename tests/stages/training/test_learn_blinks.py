from __future__ import annotations

import numpy as np
import pytest
from average_actor import average_template

from stages.errors import WeightsError
from stages.geometry.landmarks import EYES
from stages.moda.blinks import BLINK_BEFORE, BLINK_FRAMES, lid_opening
from stages.moda.smoothing import EYES_SIGMA, smooth
from stages.training.learn_blinks import learn_blinks
from stages.training.motion_data import MotionClip

FRAMES = 400
BLINKS = (60, 150, 300)
PAIRS = ((386, 374), (159, 145))


def a_clip(blinks: tuple[int, ...] = BLINKS, *, shut_from: int = FRAMES) -> MotionClip:
    """Lids that close for a few frames around each blink, or for good."""
    template = average_template()
    closed_T = np.zeros(FRAMES)
    for frame in blinks:
        closed_T = np.maximum(closed_T, np.exp(-0.5 * ((np.arange(FRAMES) - frame) / 1.2) ** 2))
    closed_T[shut_from:] = 0.9
    mesh_TN3 = np.zeros((FRAMES, 478, 3), dtype=np.float32)
    for upper, lower in PAIRS:
        gap_3 = template.mesh_N3[lower] - template.mesh_N3[upper]
        mesh_TN3[:, upper] = closed_T[:, None] * gap_3
    return MotionClip(
        speaker="someone",
        features_TD=np.zeros((FRAMES, 4), dtype=np.float32),
        rows_TC=np.zeros((FRAMES, 361), dtype=np.float32),
        mesh_TN3=mesh_TN3,
        template=template,
        torso_moves=False,
    )


def test_every_blink_is_seen_and_the_rate_is_theirs():
    found = learn_blinks([a_clip(), a_clip(blinks=(200,))])
    assert found.seen == 4
    assert found.rate == pytest.approx(4 / (2 * FRAMES))


def test_a_learned_blink_begins_and_ends_at_rest_and_closes_the_lids_through_the_smoothing():
    found = learn_blinks([a_clip()])
    assert found.profile_KC.shape == (BLINK_FRAMES, 180)
    np.testing.assert_allclose(found.profile_KC[[0, -1]], 0, atol=1e-6)
    mesh_N3 = average_template().mesh_N3
    opening = float(lid_opening(mesh_N3[None, EYES])[0])
    track_TC = np.zeros((60, 180), dtype=np.float32)
    track_TC[20 : 20 + BLINK_FRAMES] = opening * found.profile_KC
    shown_T = lid_opening(smooth(track_TC, EYES_SIGMA).reshape(60, 60, 3) + mesh_N3[EYES])
    assert shown_T[20 + BLINK_BEFORE] == shown_T.min()
    assert shown_T.min() < 0.2 * opening


def test_eyes_that_close_for_good_are_no_blink():
    assert learn_blinks([a_clip(blinks=(60,), shut_from=350)]).seen == 1


def test_a_corpus_without_a_blink_is_refused():
    with pytest.raises(WeightsError) as caught:
        learn_blinks([a_clip(blinks=())])
    assert caught.value.code == "training_no_blinks"
