"""Whoever is judged is the one person whom both videos show, upright and at about the same size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from nodding_actor import actor_frames, write_video

from stages.errors import SubjectError
from stages.evaluation.options import EvaluationOptions
from stages.evaluation.pair import evaluate_pair

FACES_ONLY = EvaluationOptions(parts=frozenset())
COUNT = 30


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("alone") / "alone.mp4", actor_frames("actor-a", count=COUNT))


def beside(ours: str, other: str, *, share: float = 1.0) -> list[np.ndarray]:
    """One actor beside another, who is smaller by `share`."""
    frames = []
    for left_HW3, right_HW3 in zip(
        actor_frames(ours, count=COUNT), actor_frames(other, count=COUNT), strict=True
    ):
        side = round(256 * share) // 2 * 2
        small = np.full((256, side, 3), 90, np.uint8)
        small[256 - side :] = cv2.resize(right_HW3, (side, side), interpolation=cv2.INTER_AREA)
        frames.append(np.hstack([left_HW3, small]))
    return frames


def refusal(generated: Path, truth: Path, *, of: Path) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        evaluate_pair(generated, truth, options=FACES_ONLY)
    assert caught.value.where == str(of)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("other", ["actor-b", "actor-c"])
def test_two_people_are_not_judged_by_one_of_them(tmp_path: Path, alone: Path, other: str):
    two = write_video(tmp_path / "two.mp4", beside("actor-a", other))
    assert refusal(two, alone, of=two).code == "clip_several_faces"
    assert refusal(alone, two, of=two).code == "clip_several_faces"


def test_one_above_the_other_are_two_as_well(tmp_path: Path, alone: Path):
    both = zip(actor_frames("actor-c", count=COUNT), actor_frames("actor-a", count=COUNT), strict=True)
    two = write_video(tmp_path / "two.mp4", [np.vstack(pair) for pair in both])
    assert refusal(two, alone, of=two).code == "clip_several_faces"


def test_a_small_face_in_the_background_does_not_matter(tmp_path: Path, alone: Path):
    crowd = write_video(tmp_path / "crowd.mp4", beside("actor-a", "actor-b", share=0.35))
    assert evaluate_pair(crowd, alone, options=FACES_ONLY).pair.lmd < 3


def test_a_face_much_smaller_than_the_true_one_is_refused(tmp_path: Path, alone: Path):
    frames = []
    for face_HW3 in actor_frames("actor-b", count=COUNT, size=200):
        picture = np.full((512, 512, 3), 90, np.uint8)
        picture[156:356, 156:356] = face_HW3
        frames.append(picture)
    far = write_video(tmp_path / "far.mp4", frames)
    error = refusal(far, alone, of=far)
    assert error.code == "clip_face_size"
    assert "%" in error.what


def test_a_smaller_video_of_the_same_framing_is_judged(tmp_path: Path, alone: Path):
    small = write_video(tmp_path / "small.mp4", actor_frames("actor-a", count=COUNT, size=128))
    assert evaluate_pair(small, alone, options=FACES_ONLY).pair.lmd < 3


def test_a_video_that_stands_on_its_head_is_refused(tmp_path: Path, alone: Path):
    turned = [np.ascontiguousarray(frame[::-1, ::-1]) for frame in actor_frames("actor-b", count=COUNT)]
    path = write_video(tmp_path / "turned.mp4", turned)
    assert refusal(path, alone, of=path).code == "clip_upside_down"


def test_a_video_without_anybody_is_refused_by_name(tmp_path: Path, alone: Path):
    nobody = write_video(tmp_path / "nobody.mp4", [np.full((256, 256, 3), 90, np.uint8)] * COUNT)
    assert refusal(nobody, alone, of=nobody).code == "clip_no_face"


def test_what_was_found_in_a_file_is_among_the_notes(tmp_path: Path, alone: Path):
    frames = actor_frames("actor-a", count=COUNT)
    still = write_video(tmp_path / "still.mp4", [*frames[:10], *[frames[10]] * 12, *frames[22:]])
    notes = evaluate_pair(still, alone, options=FACES_ONLY).notes
    assert any(note.startswith("generated: the picture stands still for 0.4") for note in notes)
    assert not any(note.startswith("truth:") for note in notes)
