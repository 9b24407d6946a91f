"""Limits are fitted so that good segments pass, and what is worse by more than the margin fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recipes.inspection.calibrate import fitted_limits, table
from stages.inspection.checks import Limits, SegmentFigures, judge

GOOD = SegmentFigures(
    faces=1.0,
    mouth_error_px=1.2,
    opening_response=0.9,
    face_error_px=1.4,
    colour_difference=4.0,
    sharpness=0.7,
    picture_response=2.4,
    frozen_frames=0,
    black_frames=0,
    not_finite_frames=0,
)


def failed(figures: SegmentFigures, limits: Limits) -> list[str]:
    return [judgement.check for judgement in judge(figures, limits) if not judgement.passed]


def test_a_good_segment_passes_the_limits_fitted_to_it() -> None:
    assert failed(GOOD, fitted_limits([GOOD])) == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"faces": 0.5}, "faces"),
        ({"mouth_error_px": 3.0}, "mouth_error_px"),
        ({"opening_response": 0.1}, "opening_response"),
        ({"face_error_px": 5.0}, "face_error_px"),
        ({"colour_difference": 30.0}, "colour_difference"),
        ({"sharpness": 0.2}, "sharpness"),
        ({"sharpness": 2.0}, "sharpness"),
        ({"picture_response": 0.5}, "picture_response"),
        ({"frozen_frames": 1}, "frozen_frames"),
        ({"black_frames": 1}, "black_frames"),
        ({"not_finite_frames": 1}, "not_finite_frames"),
    ],
)
def test_each_figure_out_of_its_limits_fails_its_own_check(change: dict[str, float], check: str) -> None:
    assert failed(replace(GOOD, **change), fitted_limits([GOOD])) == [check]


def test_the_worst_of_the_good_segments_decides_and_counts_are_not_fitted() -> None:
    limits = fitted_limits([GOOD, replace(GOOD, mouth_error_px=2.0, opening_response=None)])
    assert limits.mouth_error_px.at_most is not None
    assert limits.mouth_error_px.at_most > 2.0
    assert limits.opening_response == fitted_limits([GOOD]).opening_response
    assert limits.frozen_frames == Limits().frozen_frames
    assert "mouth_error_px" in table([GOOD], limits)
