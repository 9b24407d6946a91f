from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.warp.choice import cheapest, choose_eyes, choose_heads, choose_mouths
from stages.warp.keys import EYES_KEY_SIZE, HEAD_KEY_SIZE, MOUTH_KEY_SIZE, openings
from stages.warp.reach import CHOICE_CONTEXT_FRAMES

FRAMES = 90
CHOICES = pytest.mark.parametrize(
    ("choose", "size"),
    [(choose_heads, HEAD_KEY_SIZE), (choose_mouths, MOUTH_KEY_SIZE), (choose_eyes, EYES_KEY_SIZE)],
)


def spoken(frames: int, size: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys of a face that moves, and those of references, of which several serve for every frame."""
    random = np.random.default_rng(seed)
    wanted_TK = np.cumsum(random.normal(0, 0.4, (frames, size)), axis=0)
    keys_RK = wanted_TK[random.integers(frames, size=23)] + random.normal(0, 0.3, (23, size))
    return wanted_TK.astype(np.float32), keys_RK.astype(np.float32)


def in_pieces(choose, wanted_TK: np.ndarray, keys_RK: np.ndarray, cuts: list[int]) -> np.ndarray:
    """As segments would be chosen, each with the context around it."""
    frames = len(wanted_TK)
    pieces = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), frames]):
        low, high = max(0, start - CHOICE_CONTEXT_FRAMES), min(frames, stop + CHOICE_CONTEXT_FRAMES)
        pieces.append(choose(wanted_TK[low:high], keys_RK)[start - low : stop - low])
    return np.concatenate(pieces)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, FRAMES), max_size=8))
@CHOICES
def test_a_take_gets_the_same_references_however_it_is_cut(choose, size: int, seed: int, cuts: list[int]):
    wanted_TK, keys_RK = spoken(FRAMES, size, seed=seed)
    whole_T = choose(wanted_TK, keys_RK)
    assert np.array_equal(in_pieces(choose, wanted_TK, keys_RK, cuts), whole_T)


def test_less_context_would_not_do():
    wanted_TK, keys_RK = spoken(FRAMES, MOUTH_KEY_SIZE, seed=1)
    whole_T = choose_mouths(wanted_TK, keys_RK)
    alone = [choose_mouths(wanted_TK[start : start + 9], keys_RK) for start in range(0, FRAMES, 9)]
    assert not np.array_equal(np.concatenate(alone), whole_T)


def way_cost(cost_TR: np.ndarray, way_T: tuple[int, ...], change: int) -> int:
    own = sum(int(cost_TR[t, reference]) for t, reference in enumerate(way_T))
    return own + change * sum(one != other for one, other in itertools.pairwise(way_T))


@pytest.mark.parametrize("seed", range(8))
def test_with_all_frames_in_sight_the_way_is_the_cheapest_of_all(seed: int):
    cost_TR = np.random.default_rng(seed).integers(0, 100, (6, 3)).astype(np.int64)
    best = min(way_cost(cost_TR, way, 35) for way in itertools.product(range(3), repeat=6))
    found = cheapest(cost_TR, change=35, context=6)
    assert way_cost(cost_TR, tuple(found.tolist()), 35) == best


@pytest.mark.parametrize("context", [0, 1, 3])
def test_what_is_beyond_the_context_does_not_count(context: int):
    random = np.random.default_rng(3)
    cost_TR = random.integers(0, 100, (20, 4)).astype(np.int64)
    other_TR = cost_TR.copy()
    other_TR[: 10 - context] = random.integers(0, 100, (10 - context, 4))
    other_TR[10 + context + 1 :] = 0
    for change in (5, 60):
        found = [cheapest(each, change=change, context=context)[10] for each in (cost_TR, other_TR)]
        assert found[0] == found[1]


def test_a_reference_is_kept_while_it_serves():
    wanted_TK, keys_RK = spoken(FRAMES, MOUTH_KEY_SIZE, seed=4)
    nearest_T = ((wanted_TK[:, None] - keys_RK) ** 2).sum(-1).argmin(axis=1)
    chosen_T = choose_mouths(wanted_TK, keys_RK)
    assert (np.diff(chosen_T) != 0).sum() < (np.diff(nearest_T) != 0).sum()


def test_an_open_mouth_is_not_taken_from_one_that_is_shut():
    keys_RK = np.zeros((2, MOUTH_KEY_SIZE), np.float32)
    # Upper and lower lip 6 px apart in the second, which is otherwise farther from what is wanted.
    keys_RK[1, 31], keys_RK[1, 11] = -3, 3
    keys_RK[1, 40:60] = 2.5
    wanted_TK = np.zeros((30, MOUTH_KEY_SIZE), np.float32)
    wanted_TK[:, 31], wanted_TK[:, 11] = -3, 3
    assert np.allclose(openings(keys_RK), (0, 6))
    assert ((wanted_TK[0] - keys_RK) ** 2).sum(axis=1).argmin() == 0
    assert (choose_mouths(wanted_TK, keys_RK) == 1).all()


@CHOICES
def test_who_is_barred_does_not_serve(choose, size: int):
    wanted_TK, keys_RK = spoken(FRAMES, size, seed=2)
    free_T = choose(wanted_TK, keys_RK)
    barred_TR = np.zeros((FRAMES, len(keys_RK)), bool)
    barred_TR[np.arange(FRAMES), free_T] = True
    barred_TR[70:] = True
    chosen_T = choose(wanted_TK, keys_RK, barred_TR=barred_TR)
    assert (chosen_T[:70] != free_T[:70]).all()
    assert (chosen_T[80:] == free_T[80:]).mean() > 0.5


@CHOICES
def test_no_frames_need_no_references(choose, size: int):
    assert len(choose(np.zeros((0, size), np.float32), np.zeros((3, size), np.float32))) == 0
