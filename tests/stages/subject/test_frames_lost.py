"""Frames that a recorder dropped: left out of the clock, or stood in for by the one before."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.subject.frozen import find_repeated
from stages.subject.looks import Looks, look_over
from stages.subject.quality import Level, Verdict, judge_looks
from stages.video.decoding import read_facts

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from nodding_actor import actor_frames, write_video

COUNT = 75


@pytest.fixture(scope="module")
def moving() -> list[np.ndarray]:
    return actor_frames("actor-a", count=COUNT, size=256)


def frames_lost(path: Path) -> tuple[Looks, Verdict]:
    looks = look_over(path)
    return looks, next(each for each in judge_looks(looks) if each.code == "frames_lost")


@pytest.mark.parametrize("crf", [4, 23])
def test_every_tenth_frame_a_repeated_one_is_told(tmp_path: Path, moving, crf: int):
    held = [moving[index - 1 if index % 10 == 9 else index] for index in range(COUNT)]
    looks, verdict = frames_lost(write_video(tmp_path / "a.mp4", held, crf=crf))
    assert looks.account.repeated.count == 7
    assert looks.account.repeated.first[0] == (Fraction(9, 25), Fraction(1, 25))
    assert verdict.level is Level.WARNING
    assert "at least 7" in verdict.measured
    assert verdict.advice


def test_a_film_of_24_frames_stored_at_30_repeats_every_fifth(tmp_path: Path, moving):
    film = [moving[index * 24 // 30] for index in range(COUNT)]
    looks, verdict = frames_lost(write_video(tmp_path / "a.mp4", film, fps=Fraction(30)))
    assert looks.account.repeated.count >= 8
    assert verdict.level is Level.WARNING


@pytest.mark.parametrize("rate", [24, 25, 30, 50])
def test_what_the_time_grid_repeats_is_not_lost(tmp_path: Path, moving, rate: int):
    looks, verdict = frames_lost(write_video(tmp_path / "a.mp4", moving, fps=Fraction(rate)))
    assert looks.account.repeated.count == 0
    assert (verdict.level, verdict.measured) == (Level.OK, "none")


def test_somebody_who_holds_still_repeats_no_frame(tmp_path: Path):
    calm = actor_frames("actor-b", count=COUNT, size=256, nod=0.1)
    assert frames_lost(write_video(tmp_path / "a.mp4", calm))[1].level is Level.OK


def dropped(path: Path, frames: list[np.ndarray], *, lost: set[int], b_frames: int = 0) -> Path:
    """Frames at the times of their numbers, some of which were never written."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "10", "bf": str(b_frames)})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for index, pixels in enumerate(frames):
            if index not in lost:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_frames_that_the_clock_leaves_out_are_counted_and_placed(
    tmp_path: Path, moving, container: str, b_frames: int
):
    looks, verdict = frames_lost(
        dropped(tmp_path / f"a.{container}", moving, lost={20, 40, 41}, b_frames=b_frames)
    )
    lost = looks.account.lost
    assert (lost.count, looks.account.lost_pictures) == (2, 3)
    assert [float(start) for start, _ in lost.first] == pytest.approx([0.8, 1.6], abs=0.002)
    assert float(lost.seconds) == pytest.approx(0.12, abs=0.003)
    assert verdict.level is Level.WARNING
    assert "3 by the clock, at 2 places (0:00.8, 0:01.6)" in verdict.measured


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_frames_stored_out_of_order_leave_nothing_out(tmp_path: Path, moving, container: str, b_frames: int):
    path = dropped(tmp_path / f"a.{container}", moving, lost=set(), b_frames=b_frames)
    looks, verdict = frames_lost(path)
    assert looks.account.lost_pictures == 0
    assert verdict.measured == "none"
    assert not read_facts(path).rate_varies


def test_one_lost_frame_in_a_long_clip_is_told_and_no_warning(tmp_path: Path, moving):
    _, verdict = frames_lost(dropped(tmp_path / "a.mkv", [*moving, *moving], lost={30}))
    assert verdict.level is Level.OK
    assert "1 by the clock" in verdict.measured


@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_hardly_a_picture_nothing_is_repeated(count: int):
    assert len(find_repeated(np.zeros(count))) == 0
