from __future__ import annotations

import numpy as np
import pytest

from stages.geometry import landmarks

PUBLISHED_LIPS = (
    "0 13 14 17 37 39 40 61 78 80 81 82 84 87 88 91 95 146 178 181 185 191 267 269 270 291 308 310 311 312 314 "
    "317 318 321 324 375 402 405 409 415"
)
PUBLISHED_EYES = (
    "474 475 476 477 "
    "249 263 362 373 374 380 381 382 384 385 386 387 388 390 398 466 "
    "276 282 283 285 293 295 296 300 334 336 "
    "469 470 471 472 "
    "7 33 133 144 145 153 154 155 157 158 159 160 161 163 173 246 "
    "46 52 53 55 63 65 66 70 105 107"
)


@pytest.mark.parametrize(("name", "published"), [("LIPS", PUBLISHED_LIPS), ("EYES", PUBLISHED_EYES)])
def test_the_network_vectors_have_the_published_order(name: str, published: str):
    assert getattr(landmarks, name).tolist() == [int(vertex) for vertex in published.split()]


def test_there_are_40_lip_and_60_eye_vertices_and_none_is_both():
    assert len(set(landmarks.LIPS.tolist())) == 40
    assert len(set(landmarks.EYES.tolist())) == 60
    assert not set(landmarks.LIPS.tolist()) & set(landmarks.EYES.tolist())


def test_lips_eyes_and_the_rest_are_all_478_vertices():
    every = np.concatenate([landmarks.LIPS, landmarks.EYES, landmarks.REST])
    assert sorted(every.tolist()) == list(range(478))


def test_the_lip_rings_are_disjoint_halves_of_the_lips():
    rings = [set(landmarks.OUTER_LIP_RING.tolist()), set(landmarks.INNER_LIP_RING.tolist())]
    assert [len(ring) for ring in rings] == [20, 20]
    assert rings[0] | rings[1] == set(landmarks.LIPS.tolist())


def test_eye_rings_pair_left_with_right():
    assert len(landmarks.LEFT_EYE) == len(landmarks.RIGHT_EYE) == 16
    for ring in (landmarks.LEFT_EYE, landmarks.RIGHT_EYE):
        assert ring.tolist() == sorted(ring.tolist())
        assert set(ring.tolist()) < set(landmarks.EYES.tolist())


def test_the_pose_is_fitted_on_vertices_that_speech_does_not_move():
    assert not set(landmarks.RIGID.tolist()) & set(landmarks.LIPS.tolist())
    assert set(landmarks.POSE_ANCHOR.tolist()) == {50, 280, 168}
