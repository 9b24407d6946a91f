from __future__ import annotations

import cv2
import numpy as np
import pytest
from prepared_clip import clip_tracks

from stages.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from stages.subject.reference import face_sharpness, reference_candidates, reference_frame

FRAMES = 40


def textured(count: int, *, blurred: set[int]) -> np.ndarray:
    sharp_HW3 = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    soft_HW3 = cv2.GaussianBlur(sharp_HW3, (0, 0), 3)
    return np.stack([soft_HW3 if index in blurred else sharp_HW3 for index in range(count)])


def test_of_equal_poses_the_sharp_one_is_chosen():
    tracks = clip_tracks(FRAMES)
    tracks.head_T7[:, 1] = 0
    frames_THW3 = textured(FRAMES, blurred=set(range(FRAMES)) - {11})
    assert reference_frame(tracks, frames_THW3, stop=FRAMES) == 11


def test_blinks_and_open_mouths_are_no_candidates():
    tracks = clip_tracks(FRAMES)
    for eye in (LEFT_EYE, RIGHT_EYE):
        middle = tracks.canonical_TN3[0, eye, 1].mean()
        tracks.canonical_TN3[:10, eye, 1] = middle
    tracks.canonical_TN3[10:15, 14, 1] += 25
    candidates_K, _ = reference_candidates(tracks, stop=FRAMES)
    assert candidates_K.min() >= 15


def test_a_head_that_turns_away_is_no_candidate():
    tracks = clip_tracks(FRAMES)
    tracks.head_T7[:15, 0] = 40
    candidates_K, _ = reference_candidates(tracks, stop=FRAMES)
    assert candidates_K.min() >= 15


def test_the_held_out_end_is_never_shown():
    tracks = clip_tracks(FRAMES)
    frames_THW3 = textured(FRAMES, blurred=set(range(30)))
    assert reference_frame(tracks, frames_THW3, stop=30) < 30


@pytest.mark.parametrize(("recorded", "stop", "kept"), [(7, 30, True), (35, 30, False)])
def test_the_frame_chosen_in_preparation_stays(recorded: int, stop: int, kept: bool):
    tracks = clip_tracks(FRAMES, reference_frame=recorded)
    chosen = reference_frame(tracks, textured(FRAMES, blurred=set(range(FRAMES)) - {3}), stop=stop)
    assert (chosen == recorded) is kept


def test_sharpness_falls_with_blur_and_hardly_with_the_size_of_the_picture():
    tracks = clip_tracks(1)
    noise_HW3 = np.random.default_rng(1).normal(scale=400, size=(512, 512, 3))
    sharp_HW3 = np.clip(128 + cv2.GaussianBlur(noise_HW3, (0, 0), 4), 0, 255).astype(np.uint8)
    small_HW3 = cv2.resize(sharp_HW3, (256, 256), interpolation=cv2.INTER_AREA)
    soft_HW3 = cv2.GaussianBlur(sharp_HW3, (0, 0), 6)
    sharp, small, soft = (face_sharpness(tracks, 0, frame) for frame in (sharp_HW3, small_HW3, soft_HW3))
    assert soft < 0.3 * sharp
    assert small == pytest.approx(sharp, rel=0.3)
