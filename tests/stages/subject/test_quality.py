from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from stages.errors import SubjectError
from stages.subject.audio_offset import AudioOffset
from stages.subject.looks import Look, Looks
from stages.subject.measures import TrackMeasures
from stages.subject.quality import (
    Level,
    Verdict,
    judge_file,
    judge_looks,
    judge_offset,
    judge_overlap,
    judge_tracks,
    refuse,
)
from stages.video.decoding import VideoFacts
from stages.video.pixels import Orientation, Rendering


def level_of(verdicts: list[Verdict], code: str) -> Level:
    return next(verdict.level for verdict in verdicts if verdict.code == code)


def looks(*, heights: tuple[float, ...] = (250,), seconds: float = 40, cuts=(), jumps=()) -> Looks:
    faces = tuple(
        np.stack([np.full(478, 100.0 * n), np.linspace(0, h, 478)], axis=1) for n, h in enumerate(heights)
    )
    frames = int(25 * seconds)
    seen = tuple(Look(frame=frame, faces_N2=faces) for frame in range(12, frames, 25))
    return Looks(width=640, height=360, frame_count=frames, looks=seen, cuts=cuts, jumps=jumps)


@pytest.mark.parametrize(
    ("seen", "code", "level"),
    [
        pytest.param(looks(), "too_short", Level.OK, id="long enough"),
        pytest.param(looks(seconds=10), "too_short", Level.WARNING, id="short"),
        pytest.param(looks(seconds=1.8), "too_short", Level.REFUSED, id="too short"),
        pytest.param(
            looks(seconds=4, cuts=(40, 70)), "too_short", Level.REFUSED, id="no shot of two seconds"
        ),
        pytest.param(looks(heights=()), "no_face", Level.REFUSED, id="no face"),
        pytest.param(looks(heights=(250,)), "several_faces", Level.OK, id="one face"),
        pytest.param(looks(heights=(250, 60)), "several_faces", Level.WARNING, id="somebody behind"),
        pytest.param(looks(heights=(250, 200)), "several_faces", Level.REFUSED, id="two people"),
        pytest.param(looks(heights=(220,)), "low_resolution", Level.OK, id="sharp enough"),
        pytest.param(looks(heights=(120,)), "low_resolution", Level.WARNING, id="small"),
        pytest.param(looks(heights=(50,)), "low_resolution", Level.REFUSED, id="tiny"),
        pytest.param(looks(), "cuts", Level.OK, id="one shot"),
        pytest.param(looks(cuts=(300,)), "cuts", Level.WARNING, id="two shots"),
        pytest.param(looks(jumps=(300,)), "cuts", Level.WARNING, id="an edit"),
    ],
)
def test_the_first_look_is_judged(seen: Looks, code: str, level: Level):
    assert level_of(judge_looks(seen), code) is level


GOOD = {
    "jitter_px": 0.3,
    "profile_share": 0.0,
    "disturbed_share": 0.0,
    "voiced_share": 0.8,
    "shoulders_visible": True,
    "face_cut_share": 0.0,
    "head_cut_share": 0.0,
    "shoulders_gone_share": 0.0,
}


@pytest.mark.parametrize(
    ("changed", "code", "level"),
    [
        ({"profile_share": 0.2}, "profile", Level.WARNING),
        ({"profile_share": 0.6}, "profile", Level.REFUSED),
        ({"disturbed_share": 0.05}, "occlusion", Level.WARNING),
        ({"jitter_px": 1.5}, "shaky", Level.WARNING),
        ({"shoulders_visible": False}, "shoulders", Level.WARNING),
        ({"voiced_share": 0.2}, "silence", Level.WARNING),
        ({"voiced_share": 0.0}, "silence", Level.REFUSED),
    ],
)
def test_tracks_are_judged(changed: dict[str, float], code: str, level: Level):
    good = judge_tracks(TrackMeasures(**GOOD), detected=1.0)
    assert {verdict.level for verdict in good} == {Level.OK}
    assert not any(verdict.advice for verdict in good)
    worse = judge_tracks(TrackMeasures(**{**GOOD, **changed}), detected=1.0)
    assert level_of(worse, code) is level
    assert all(verdict.advice for verdict in worse if verdict.level is not Level.OK)


@pytest.mark.parametrize(
    ("detected", "level"), [(0.5, Level.REFUSED), (0.95, Level.WARNING), (1.0, Level.OK)]
)
def test_lost_faces_are_judged(detected: float, level: Level):
    assert level_of(judge_tracks(TrackMeasures(**GOOD), detected=detected), "face_lost") is level


def offset(lag: float, *, correlation: float = 0.8) -> AudioOffset:
    return AudioOffset(lag=lag, correlation=correlation, margin=correlation - 0.1, by_lag=())


def test_an_offset_is_told_whether_corrected_unclear_or_as_told():
    assert judge_offset(offset(0), corrected=0, told=False).level is Level.OK
    corrected = judge_offset(offset(4), corrected=4, told=False)
    assert corrected.level is Level.WARNING
    assert "4 corrected" in corrected.measured
    unclear = judge_offset(offset(4, correlation=0.2), corrected=0, told=False)
    assert unclear.level is Level.WARNING
    assert "not clear" in unclear.measured
    assert "as told" in judge_offset(offset(4), corrected=-2, told=True).measured


def test_an_offset_is_told_in_parts_of_a_frame():
    late = judge_offset(offset(2.63, correlation=0.74), corrected=2.63, told=False)
    assert "the sound lags the lips by 2.6 frames (agreement 0.74); 2.63 corrected" in late.measured
    assert "0.3 frames or more are corrected" in late.threshold
    assert "lags the lips by -0.7 frames" in judge_offset(offset(-0.72), corrected=-0.72, told=False).measured
    assert "0.0 frames" in judge_offset(offset(-0.01), corrected=0, told=False).measured
    assert "-0.0" not in judge_offset(offset(-0.01), corrected=0, told=False).measured


@pytest.mark.parametrize(("frames", "level"), [(49, Level.REFUSED), (50, Level.OK)])
def test_picture_and_sound_must_overlap(frames: int, level: Level):
    assert judge_overlap(frames).level is level


def test_a_clip_without_sound_is_refused_by_name():
    facts = VideoFacts(
        width=1,
        height=1,
        fps=Fraction(25),
        duration=Fraction(9),
        has_sound=False,
        rendering=Rendering(orientation=Orientation.turned(90)),
        rate_varies=True,
    )
    verdicts = judge_file(facts)
    with pytest.raises(SubjectError) as caught:
        refuse(verdicts, where="a.mp4")
    assert (caught.value.code, caught.value.where) == ("clip_no_sound", "a.mp4")
    assert caught.value.hint
    told = {verdict.code: verdict.measured for verdict in verdicts}
    assert "varying" in told["picture_rate"]
    assert told["orientation"] == "turned by 90 degrees clockwise"
