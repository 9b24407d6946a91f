from __future__ import annotations

import cv2
import numpy as np
import pytest
from posed_actor import PosedActor

from stages.subject.warp_residual import (
    FACE_POINTS,
    RefinementAccount,
    ResidualMeter,
    follow_neighbours,
    frames_looked_at,
    grey,
)


@pytest.mark.parametrize("actor", ["actor-a", "actor-b", "actor-c"])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, 0.0), (-1.5, 0.8), (2.5, 2.0)])
def test_a_shift_is_measured_in_parts_of_a_px(actor: str, shift: tuple[float, float]):
    posed = PosedActor.of(actor)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    frame_HW = cv2.warpAffine(grey(posed.reference_HW3), matrix, (512, 512), flags=cv2.INTER_CUBIC)
    mesh_N2 = posed.mesh()[:, :2]
    measured = ResidualMeter().shift(
        grey(posed.reference_HW3), frame_HW, at_I2=mesh_N2[FACE_POINTS], around_J2=mesh_N2
    )
    assert measured == pytest.approx(np.hypot(*shift), abs=0.12)


def test_a_face_outside_of_the_picture_has_no_shift():
    picture_HW = np.zeros((512, 512), np.uint8)
    away_I2 = np.array([[700.0, 100.0], [760.0, 180.0]])
    assert ResidualMeter().shift(picture_HW, picture_HW, at_I2=away_I2, around_J2=away_I2) is None


def test_a_median_that_is_worse_refines_nothing():
    fits_T = np.array([True, True, False])
    account = RefinementAccount.of(fits_T=fits_T, before=[0.5, 0.6, None], after=[0.7, 0.9, 0.1])
    assert (account.refined, account.dropped) == (0, 3)
    assert account.shift_after_px == account.shift_before_px == pytest.approx(0.55)


def test_a_median_that_is_better_keeps_the_frames_that_fit():
    fits_T = np.array([True, True, False])
    account = RefinementAccount.of(fits_T=fits_T, before=[0.5, 0.6], after=[0.2, 0.1])
    assert (account.frames, account.refined, account.dropped) == (3, 2, 1)
    assert account.shift_after_px == pytest.approx(0.15)


def test_where_nothing_could_be_looked_at_nothing_is_claimed():
    account = RefinementAccount.of(fits_T=np.zeros(2, np.bool_), before=[None], after=[None])
    assert (account.refined, account.shift_before_px, account.shift_after_px) == (0, None, None)


def test_frames_that_do_not_fit_lie_between_their_neighbours():
    track_T1 = np.array([[9.0], [1.0], [50.0], [3.0], [-7.0]])
    fits_T = np.array([False, True, False, True, False])
    assert follow_neighbours(track_T1, fits_T)[:, 0].tolist() == [1, 1, 2, 3, 3]


@pytest.mark.parametrize("count", [1, 5, 24, 1000])
def test_frames_looked_at_are_spread_over_the_clip(count: int):
    looked_at = frames_looked_at(count)
    assert looked_at[0] == 0
    assert looked_at[-1] == count - 1
    assert len(set(looked_at.tolist())) == len(looked_at) <= 24
