"""A picture that stands still while time goes on is nothing to learn from."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stages.subject.frozen import find_frozen
from stages.subject.looks import look_over
from stages.subject.prepare import prepare_clip
from stages.subject.quality import Level, Verdict, judge_looks
from stages.video.unfit import Unfit

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from nodding_actor import actor_frames, write_video

COUNT = 75


@pytest.fixture(scope="module")
def moving() -> list[np.ndarray]:
    return actor_frames("actor-a", count=COUNT, size=320)


def frozen_in(path: Path) -> tuple[list[range], Verdict]:
    looks = look_over(path)
    assert all(span.reason == Unfit.FROZEN for span in looks.unfit)
    verdict = next(each for each in judge_looks(looks) if each.code == "frozen")
    return [range(span.start, span.stop) for span in looks.unfit], verdict


def held(frames: list[np.ndarray], first: int, last: int) -> list[np.ndarray]:
    """The picture `first` stays up to `last`."""
    return [frames[first] if first <= index <= last else frame for index, frame in enumerate(frames)]


@pytest.mark.parametrize(("first", "last"), [(20, 45), (0, 12), (60, COUNT - 1)])
@pytest.mark.parametrize("crf", [4, 20])
def test_a_picture_that_stands_still_is_found_wherever_it_does(
    tmp_path: Path, moving, first: int, last: int, crf: int
):
    spans, verdict = frozen_in(write_video(tmp_path / "a.mp4", held(moving, first, last), crf=crf))
    assert sum(len(span) for span in spans) == pytest.approx(last - first, abs=3)
    assert spans[0].start == pytest.approx(first + 1, abs=3)
    assert spans[-1].stop == last + 1
    assert verdict.level is Level.WARNING
    assert "stands still for" in verdict.measured


def test_several_spans_are_all_found(tmp_path: Path, moving):
    spans, verdict = frozen_in(write_video(tmp_path / "a.mp4", held(held(moving, 10, 22), 40, 55)))
    assert spans == [range(11, 23), range(41, 56)]
    assert "at 2 places" in verdict.measured


def test_a_clip_that_mostly_stands_still_is_refused(tmp_path: Path, moving):
    _, verdict = frozen_in(write_video(tmp_path / "a.mp4", held(moving, 5, 60)))
    assert verdict.level is Level.REFUSED


@pytest.mark.parametrize("rate", [5, 8, 12, 15, 24, 30])
def test_frames_repeated_by_another_frame_rate_are_not_frozen(tmp_path: Path, moving, rate: int):
    """Brought to 25 fps before it was handed in, and by us."""
    repeated = [moving[index * rate // 25] for index in range(COUNT) if index * rate // 25 < COUNT]
    assert frozen_in(write_video(tmp_path / "a.mp4", repeated))[0] == []
    slow = write_video(tmp_path / "b.mp4", moving[: 2 * rate], fps=Fraction(rate))
    assert frozen_in(slow)[0] == []


def test_somebody_who_hardly_moves_is_not_frozen(tmp_path: Path):
    calm = actor_frames("actor-b", count=COUNT, size=320, nod=0.15)
    assert frozen_in(write_video(tmp_path / "a.mp4", calm))[0] == []


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_a_clip_of_hardly_a_frame_is_not_frozen(frames: int):
    assert find_frozen([np.zeros((4, 4, 3), np.uint8)] * frames, np.zeros(frames)) == ()


def test_frozen_frames_are_kept_from_training(tmp_path: Path, moving):
    tracks = prepare_clip(write_video(tmp_path / "a.mkv", held(moving, 20, 45), sound=True), speaker="actor")
    assert set(range(COUNT)) - set(tracks.learnable()) == set(range(21, 46))
