from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.geometry.landmarks import INNER_LIP_RING, OUTER_LIP_RING
from stages.metrics.mouth_area import mouth_area_overlap

RINGS = {"inner": INNER_LIP_RING, "outer": OUTER_LIP_RING}


def faces(opening: float, *, shift: float = 0.0, frames: int = 2) -> np.ndarray:
    """Faces whose inner lips are a box of 40 px by `opening`, the ring running as on a true face."""
    mesh_TN3 = np.zeros((frames, 478, 3))
    left, right = 100.0 + shift, 140.0 + shift
    across = np.linspace(left, right, 10)
    mesh_TN3[:, INNER_LIP_RING[:10], 0], mesh_TN3[:, INNER_LIP_RING[10:], 0] = across, across[::-1]
    mesh_TN3[:, INNER_LIP_RING[:10], 1], mesh_TN3[:, INNER_LIP_RING[10:], 1] = 200 + opening, 200
    return mesh_TN3


@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS)
def test_a_mouth_agrees_fully_with_itself_and_not_at_all_with_one_elsewhere(ring: np.ndarray):
    with np.load(str(files("stages.geometry") / "data" / "canonical_mesh.npz")) as stored:
        mesh_TN3 = np.tile(stored["mesh_N3"], (3, 1, 1))
    assert mouth_area_overlap(mesh_TN3, mesh_TN3, ring=ring) == 1
    assert mouth_area_overlap(mesh_TN3, mesh_TN3 + np.array([200, 0, 0]), ring=ring) == 0


@given(st.floats(4, 40), st.floats(4, 40))
def test_of_two_boxes_the_overlap_is_the_smaller_over_the_larger(first: float, second: float):
    found = mouth_area_overlap(faces(first), faces(second), ring=INNER_LIP_RING)
    assert found == pytest.approx(min(first, second) / max(first, second), abs=0.25)
    assert 0 < found <= 1


def test_half_a_mouth_aside_overlaps_by_a_third():
    found = mouth_area_overlap(faces(20), faces(20, shift=20), ring=INNER_LIP_RING)
    assert found == pytest.approx(1 / 3, abs=0.03)


def test_two_shut_mouths_agree_and_a_shut_one_does_not_agree_with_an_open_one():
    assert mouth_area_overlap(faces(0), faces(0, shift=3), ring=INNER_LIP_RING) == 1
    assert mouth_area_overlap(faces(0), faces(20), ring=INNER_LIP_RING) == 0


def test_lips_that_passed_each_other_are_shut():
    assert mouth_area_overlap(faces(-5), faces(0), ring=INNER_LIP_RING) == 1


def test_depth_does_not_count():
    deep_TN3 = faces(20) + np.array([0, 0, 50])
    assert mouth_area_overlap(faces(20), deep_TN3, ring=INNER_LIP_RING) == 1
