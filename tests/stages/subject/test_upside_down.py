"""A person is not learnt upside down, nor lying on a side because a camera did."""

from __future__ import annotations

from importlib.resources import files

import cv2
import numpy as np
import pytest

from stages.subject.face_tracker import FaceTracker
from stages.subject.looks import Looks, look_at
from stages.subject.quality import Level, Verdict, judge_looks


def verdict(picture_HW3: np.ndarray, *, looks: int = 3) -> Verdict:
    height, width = picture_HW3.shape[:2]
    with FaceTracker(faces=3) as tracker:
        seen = [look_at(tracker, picture_HW3, frame=25 * k, which_way_up=True) for k in range(looks)]
    clip = Looks(width=width, height=height, frame_count=25 * looks, looks=tuple(seen), cuts=(), jumps=())
    return next(each for each in judge_looks(clip) if each.code == "upside_down")


def actor(name: str, *, turned: float = 0) -> np.ndarray:
    path = str(files("stages.builtin") / "subjects" / name / "reference.png")
    picture_HW3 = np.ascontiguousarray(cv2.imread(path)[..., ::-1])
    size = picture_HW3.shape[0]
    matrix_23 = cv2.getRotationMatrix2D((size / 2, size / 2), -turned, 1.0)
    return cv2.warpAffine(picture_HW3, matrix_23, (size, size), borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("name", ["actor-a", "actor-b", "actor-c"])
@pytest.mark.parametrize("turned", [165, 180, 200])
def test_a_face_on_its_head_is_refused_even_where_the_tracker_sees_it_upright(name: str, turned: float):
    found = verdict(actor(name, turned=turned))
    assert found.level is Level.REFUSED
    assert "upright" in found.advice


@pytest.mark.parametrize("name", ["actor-a", "actor-b"])
def test_a_picture_upside_down_in_a_mirror_is_refused_too(name: str):
    assert verdict(np.ascontiguousarray(actor(name)[::-1])).level is Level.REFUSED


@pytest.mark.parametrize("turned", [-90, 90])
def test_a_clip_recorded_on_its_side_is_refused(turned: float):
    assert verdict(actor("actor-b", turned=turned)).level is Level.REFUSED


@pytest.mark.parametrize("name", ["actor-a", "actor-b", "actor-c"])
@pytest.mark.parametrize("turned", [-25, 0, 25])
def test_a_head_that_leans_is_none(name: str, turned: float):
    found = verdict(actor(name, turned=turned))
    assert found.level is Level.OK
    assert abs(int(found.measured.split()[-2]) - abs(turned)) <= 8


def test_a_head_that_lies_on_a_shoulder_is_told():
    assert verdict(actor("actor-c", turned=60)).level is Level.WARNING


def test_a_picture_without_a_face_is_not_called_upside_down():
    grey = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    assert verdict(grey).level is Level.OK
