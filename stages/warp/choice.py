"""Which reference lends a frame its head, mouth or eyes: one that looks alike, and the same for as long as it does.

Legend: T frames, R references, K numbers of a key.

A choice depends on the frames around it alone, the same number on either side, and on nothing in the order in which
they are computed: however a take is cut, every frame gets the reference that it would get in one piece.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.warp.keys import openings
from stages.warp.reach import CHOICE_CONTEXT_FRAMES

Floats = NDArray[np.float32]
Costs = NDArray[np.int64]
Flags = NDArray[np.bool_]

_HEAD_CHANGE: Final = 20.0
_MOUTH_CHANGE: Final = 120.0
_EYES_CHANGE: Final = 80.0
"""What it costs to go over to another reference: as much as so many square px, or square degrees, of difference."""

_CLOSED_COST: Final = 40.0
_OPEN_SHARE: Final = 0.7
"""An opening of less than this share of the wanted one shows stretched lips for teeth."""

_UNITS: Final = 16.0
"""Costs are whole numbers of this part of a square px or degree: equal ones are equal on every machine."""

_LARGEST: Final = 1 << 40
_BARRED: Final = 1 << 50


def choose_heads(wanted_TK: Floats, heads_RK: Floats, *, barred_TR: Flags | None = None) -> NDArray[np.int64]:
    """The head (T,) for each frame, from the keys (T, 3) of a run of frames and those (R, 3) of the references.

    Frames nearer to an end of the run than `CHOICE_CONTEXT_FRAMES` are chosen with less around them.

    Args:
        wanted_TK: keys of the frames.
        heads_RK: keys of the references.
        barred_TR: which reference must not serve for which frame; where all are barred, any may.
    """
    cost_TR = squared_distances(wanted_TK, heads_RK)
    return _chosen(cost_TR, change=_HEAD_CHANGE, barred_TR=barred_TR)


def choose_mouths(
    wanted_TK: Floats, mouths_RK: Floats, *, barred_TR: Flags | None = None
) -> NDArray[np.int64]:
    """The mouth (T,) for each frame, likewise, from keys (T, 82) and (R, 82)."""
    missing_TR = np.maximum(_OPEN_SHARE * openings(wanted_TK)[:, None] - openings(mouths_RK), 0.0)
    cost_TR = squared_distances(wanted_TK, mouths_RK) + _CLOSED_COST * missing_TR**2
    return _chosen(cost_TR, change=_MOUTH_CHANGE, barred_TR=barred_TR)


def choose_eyes(wanted_TK: Floats, eyes_RK: Floats, *, barred_TR: Flags | None = None) -> NDArray[np.int64]:
    """The eyes (T,) for each frame, likewise, from keys (T, 86) and (R, 86)."""
    cost_TR = squared_distances(wanted_TK, eyes_RK)
    return _chosen(cost_TR, change=_EYES_CHANGE, barred_TR=barred_TR)


def squared_distances(wanted_TK: Floats, keys_RK: Floats) -> NDArray[np.float64]:
    """(T, R) squared distances of keys."""
    keys_RK = keys_RK.astype(np.float64)
    # One frame after the other: a product of matrices adds up in an order that depends on how many there are.
    return np.array([((keys_RK - wanted_K) ** 2).sum(axis=1) for wanted_K in wanted_TK]).reshape(
        len(wanted_TK), len(keys_RK)
    )


def cheapest(cost_TR: Costs, *, change: int, context: int = CHOICE_CONTEXT_FRAMES) -> NDArray[np.int64]:
    """For each frame the reference (T,) on the cheapest way through the frames around it.

    Args:
        cost_TR: what each reference costs at each frame.
        change: what it costs to go over to another one.
        context: frames either side that count.
    """
    before_TR = _cheapest_ways(cost_TR, change=change, steps=context)
    after_TR = _cheapest_ways(cost_TR[::-1], change=change, steps=context)[::-1]
    # The frame's own cost is part of both.
    return np.asarray((before_TR + after_TR - cost_TR).argmin(axis=1), dtype=np.int64)


def _cheapest_ways(cost_TR: Costs, *, change: int, steps: int) -> Costs:
    """What the cheapest way costs (T, R) that begins `steps` frames before and ends at each frame and reference."""
    ways_TR = cost_TR
    for _ in range(steps):
        longer_TR = cost_TR.copy()
        came_TR = ways_TR[:-1]
        longer_TR[1:] += np.minimum(came_TR, came_TR.min(axis=1, keepdims=True) + change)
        ways_TR = longer_TR
    return ways_TR


def _chosen(cost_TR: NDArray[np.floating], *, change: float, barred_TR: Flags | None) -> NDArray[np.int64]:
    whole_TR = np.rint(np.minimum(cost_TR * _UNITS, _LARGEST)).astype(np.int64)
    if barred_TR is not None:
        # More than any way costs that goes around it.
        whole_TR[barred_TR] += _BARRED
    return cheapest(whole_TR, change=round(change * _UNITS))
