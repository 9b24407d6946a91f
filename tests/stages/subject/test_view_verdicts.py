from __future__ import annotations

import numpy as np
import pytest

from stages.subject.camera_motion import CameraMotion
from stages.subject.measures import TrackMeasures
from stages.subject.quality import Level
from stages.subject.view_verdicts import judge_background, judge_camera, judge_hands, judge_square
from stages.video.unfit import Unfit, UnfitFrames
from stages.warp.plate import BackgroundPlate


@pytest.mark.parametrize(
    ("camera", "level", "told"),
    [
        (CameraMotion(told_share=1, moved_px=0.4), Level.OK, "within 0.4 px"),
        (CameraMotion(told_share=1, moved_px=30, pan_px=60), Level.WARNING, "pans by up to 30 px"),
        (CameraMotion(told_share=1, moved_px=9, zoom_px=20, pan_px=3), Level.WARNING, "zooms"),
        (CameraMotion(told_share=0.9, moved_px=9, shake_px=5, pan_px=9), Level.WARNING, "shakes"),
        (CameraMotion(), Level.OK, "cannot be told"),
        (CameraMotion(told_share=0.3, moved_px=0.2), Level.OK, "cannot be told"),
        (CameraMotion(told_share=0.1, moved_px=9), Level.OK, "cannot be told"),
    ],
)
def test_a_moving_background_is_judged(camera: CameraMotion, level: Level, told: str):
    verdict = judge_camera(camera)
    assert verdict.level is level
    assert told in verdict.measured
    assert bool(verdict.advice) is (level is not Level.OK)


@pytest.mark.parametrize(
    ("in_view", "covered", "level"),
    [
        (0, 0, Level.OK),
        (1, 0, Level.OK),
        (4, 0, Level.WARNING),
        (1, 30, Level.WARNING),
        (9, 160, Level.REFUSED),
    ],
)
def test_hands_are_judged(in_view: int, covered: int, level: Level):
    looks_K3 = np.array([[12 * k, k < in_view, 0] for k in range(25)], dtype=np.int32)
    spans = (UnfitFrames(start=0, stop=covered, reason=Unfit.COVERED),) if covered else ()
    verdict = judge_hands(looks_K3, covered=spans, frame_count=300)
    assert verdict.level is level
    assert f"in view in {in_view / 25:.0%}" in verdict.measured


@pytest.mark.parametrize(
    ("face", "head", "shoulders", "level"),
    [
        (0, 0, 0, Level.OK),
        (0.02, 0.02, 0, Level.WARNING),
        (0, 0.1, 0, Level.WARNING),
        (0, 0, 0.2, Level.WARNING),
        (0.6, 0.6, 0.6, Level.REFUSED),
    ],
)
def test_a_subject_that_leaves_its_square_is_judged(face: float, head: float, shoulders: float, level: Level):
    measures = TrackMeasures(
        jitter_px=0.2,
        profile_share=0,
        disturbed_share=0,
        voiced_share=1,
        shoulders_visible=True,
        face_cut_share=face,
        head_cut_share=head,
        shoulders_gone_share=shoulders,
    )
    assert judge_square(measures).level is level


@pytest.mark.parametrize(("restless", "level"), [(0.0, Level.OK), (0.1, Level.OK), (0.2, Level.WARNING)])
def test_a_background_is_told_and_one_that_moves_is_warned_of(restless: float, level: Level):
    plate = BackgroundPlate(picture_SS3=np.zeros((8, 8, 3), np.uint8), unseen=0.375, restless=restless)
    verdict = judge_background(plate)
    assert verdict.level is level
    assert "38% of it was never seen" in verdict.measured
    assert ("stands still" in verdict.measured) == (level is Level.OK)
    assert bool(verdict.advice) == (level is Level.WARNING)
