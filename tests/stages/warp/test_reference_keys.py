from __future__ import annotations

import numpy as np
import pytest
from made_library import with_lids, with_mouth
from posed_actor import PosedActor

from stages.warp.keys import (
    EYES_KEY_SIZE,
    MOUTH_KEY_SIZE,
    eye_keys,
    farthest_points,
    head_keys,
    mouth_keys,
    openings,
)


def head(**turned: float) -> np.ndarray:
    return np.array([[turned.get("yaw", 0), turned.get("pitch", 0), 0, 256, 232, 0, 1]], np.float32)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(((one - other) ** 2).sum())


def test_keys_have_the_sizes_that_are_stored(actor: PosedActor):
    face_1N3 = actor.canonical_N3[None]
    assert mouth_keys(face_1N3, head()).shape == (1, MOUTH_KEY_SIZE)
    assert eye_keys(face_1N3, head()).shape == (1, EYES_KEY_SIZE)
    assert head_keys(head(yaw=3, pitch=-2)).tolist() == [[3, -2, 0]]


@pytest.mark.parametrize("opening", [0.0, 5.0, 20.0])
def test_an_opening_is_read_from_the_key(actor: PosedActor, opening: float):
    face_1N3 = with_mouth(actor.canonical_N3, opening)[None]
    top_2, bottom_2 = face_1N3[0, 13, :2], face_1N3[0, 14, :2]
    (found,) = openings(mouth_keys(face_1N3, head()))
    assert found == pytest.approx(np.linalg.norm(top_2 - bottom_2), abs=1e-3)


def test_mouths_differ_by_lips_and_by_view_and_not_by_eyes(actor: PosedActor):
    shut = mouth_keys(actor.canonical_N3[None], head())
    assert apart(shut, mouth_keys(with_mouth(actor.canonical_N3, 6)[None], head())) > 100
    assert apart(shut, mouth_keys(actor.canonical_N3[None], head(yaw=10))) > 100
    assert apart(shut, mouth_keys(with_lids(actor.canonical_N3, 6)[None], head())) == 0
    # A face that moves as a whole is the same mouth.
    moved = mouth_keys(actor.canonical_N3[None] + np.float32(7), head())
    assert apart(shut, moved) < 1e-4


def test_eyes_differ_by_lids_and_not_by_lips(actor: PosedActor):
    wide = eye_keys(actor.canonical_N3[None], head())
    assert apart(wide, eye_keys(with_lids(actor.canonical_N3, 4)[None], head())) > 100
    assert apart(wide, eye_keys(with_mouth(actor.canonical_N3, 20)[None], head())) == 0


def test_few_rows_stand_for_all_rows():
    random = np.random.default_rng(5)
    key_TK = random.normal(size=(300, 4)).astype(np.float32)
    taken = farthest_points(key_TK, count=40, first=17)
    assert taken[0] == 17
    assert len(set(taken)) == 40

    def farthest(rows: list[int]) -> float:
        return float(np.linalg.norm(key_TK[:, None] - key_TK[rows], axis=-1).min(axis=1).max())

    at_random = [farthest(random.permutation(300)[:40].tolist()) for _ in range(20)]
    assert farthest(taken) < min(at_random)


def test_a_row_is_not_taken_twice():
    key_TK = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    assert sorted(farthest_points(key_TK, count=9, first=4)) == [4, 5, 10]
