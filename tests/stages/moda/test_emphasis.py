from __future__ import annotations

import numpy as np
import pytest

from stages.moda.emphasis import QUICK_REACH, emphasis, quick_part

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("hertz", "least", "most"), [(0.3, 0.0, 0.1), (2.4, 0.85, 1.0)])
def test_nods_are_quick_and_sway_is_not(hertz: float, least: float, most: float):
    track_TC = np.sin(2 * np.pi * hertz * np.arange(500) / 25)[:, None].astype(np.float32)
    inside = slice(50, -50)
    assert least <= quick_part(track_TC)[inside].std() / track_TC[inside].std() <= most


def test_the_quick_part_of_a_frame_depends_on_what_is_near():
    track_TC = RANDOM.normal(size=(200, 3)).astype(np.float32)
    other_TC = track_TC.copy()
    other_TC[100 + QUICK_REACH + 1 :] += 9.0
    np.testing.assert_array_equal(quick_part(other_TC)[:101], quick_part(track_TC)[:101])


def test_speech_that_says_nothing_leaves_the_head_as_it_is():
    features_TD = RANDOM.normal(size=(30, 8)).astype(np.float32)
    np.testing.assert_array_equal(emphasis(features_TD, np.zeros(8, dtype=np.float32), 0.0), np.ones(30))


def test_a_head_is_never_made_wild():
    features_TD = np.full((30, 8), 1e4, dtype=np.float32)
    weights_D = np.ones(8, dtype=np.float32)
    assert emphasis(features_TD, weights_D, 0.0).max() < 2.2
    assert emphasis(features_TD, -weights_D, 0.0).min() > 0.45
