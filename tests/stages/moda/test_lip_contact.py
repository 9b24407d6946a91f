"""Lips touch, and never lie across each other: in a prediction, and in what is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from stages.builtin import builtin_subject
from stages.geometry.landmarks import LIPS
from stages.moda.lip_contact import resting_on_each_other
from stages.moda.smoothing import smooth_motion
from stages.payloads import MOTION_CHANNELS, Motion
from stages.subject.package import SubjectPackage

PAIRS = ((13, 14), (82, 87), (312, 317), (80, 88), (310, 318), (191, 95), (415, 324))
FRAMES = 60


@pytest.fixture(scope="module", params=["actor-a", "actor-b", "actor-c"])
def template_N3(request: pytest.FixtureRequest) -> np.ndarray:
    return SubjectPackage.load(builtin_subject(request.param)).template.mesh_N3


def lip(vertex: int) -> int:
    return int(np.searchsorted(LIPS, vertex))


def gaps(mouth_TN3: np.ndarray, template_N3: np.ndarray) -> np.ndarray:
    """(T, pairs): how far the lower lip lies below the upper one."""
    return np.stack(
        [
            template_N3[low, 1] + mouth_TN3[:, lip(low), 1] - template_N3[up, 1] - mouth_TN3[:, lip(up), 1]
            for up, low in PAIRS
        ],
        axis=1,
    )


def wild_lips(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 8, (FRAMES, 40, 3)).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_no_lip_lies_across_the_other_and_they_meet_half_way(template_N3: np.ndarray, seed: int):
    wild_TN3 = wild_lips(seed)
    calm_TN3 = resting_on_each_other(wild_TN3, template_N3=template_N3)
    before_TP, after_TP = (gaps(lips_TN3, template_N3) for lips_TN3 in (wild_TN3, calm_TN3))
    assert (before_TP < 0).any()
    np.testing.assert_allclose(after_TP, np.maximum(before_TP, 0), atol=1e-4)
    up, low = lip(13), lip(14)
    across = before_TP[:, 0] < 0
    np.testing.assert_allclose(
        (calm_TN3 - wild_TN3)[across][:, up, 1], -(calm_TN3 - wild_TN3)[across][:, low, 1], atol=1e-4
    )


def test_lips_that_do_not_meet_keep_their_bytes(template_N3: np.ndarray):
    open_TN3 = np.zeros((FRAMES, 40, 3), dtype=np.float32)
    for _, low in PAIRS:
        open_TN3[:, lip(low), 1] += 20
    np.testing.assert_array_equal(resting_on_each_other(open_TN3, template_N3=template_N3), open_TN3)


def test_smoothing_does_not_push_them_across_again(template_N3: np.ndarray):
    rows_TC = np.zeros((FRAMES, MOTION_CHANNELS), dtype=np.float32)
    rows_TC[:, :120] = resting_on_each_other(wild_lips(9), template_N3=template_N3).reshape(FRAMES, -1)
    smoothed = smooth_motion(Motion.from_rows(rows_TC))
    assert gaps(smoothed.mouth_TN3, template_N3).min() > -1e-3
