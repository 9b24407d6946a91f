from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.subject.face_framing import framing_of
from stages.subject.looks import Look, Looks, find_cuts


def changes(frames: int = 100, level: float = 2.0) -> np.ndarray:
    changes_T = np.full(frames, level)
    changes_T[0] = 0
    return changes_T


def face(x: float, y: float, height: float) -> np.ndarray:
    turn_N = np.linspace(0, 2 * np.pi, 478)
    return np.stack([x + 0.4 * height * np.cos(turn_N), y + 0.5 * height * np.sin(turn_N)], axis=1)


def looks(*, frames: int = 100, cuts: tuple[int, ...] = (), seen: tuple[Look, ...] = ()) -> Looks:
    return Looks(width=640, height=360, frame_count=frames, looks=seen, cuts=cuts, jumps=())


@given(frame=st.integers(1, 99), level=st.floats(30, 200))
def test_another_shot_is_a_cut_wherever_it_begins(frame: int, level: float):
    changes_T = changes()
    changes_T[frame] = level
    assert find_cuts(changes_T) == ((frame,), ())


def test_an_edit_within_a_shot_is_a_jump():
    changes_T = changes()
    changes_T[40] = 19
    assert find_cuts(changes_T) == ((), (40,))


def test_a_camera_that_pans_does_not_cut():
    changes_T = changes()
    changes_T[20:80] = 30
    assert find_cuts(changes_T) == ((), ())


def test_the_longest_shot_lies_between_cuts():
    assert looks().longest_shot == (0, 100)
    assert looks(cuts=(10, 75)).longest_shot == (10, 75)
    assert looks(cuts=(60,)).longest_shot == (0, 60)


def test_the_framing_is_that_of_the_median_face_of_the_shot():
    seen = tuple(Look(frame=25 * k + 12, faces_N2=(face(300, 150, 100),)) for k in range(3))
    stray = Look(frame=87, faces_N2=(face(40, 40, 300),))
    clip = looks(seen=(*seen, stray))
    framing = framing_of(clip, clip.looks, where="clip")
    assert framing.side == 259  # 2.6 face heights; an even number of points misses the ellipse's very end
    assert (framing.left + framing.side / 2, framing.top + framing.side / 2) == pytest.approx(
        (300, 150), abs=1
    )
    assert framing == framing_of(clip, clip.within(0, 75), where="clip")
