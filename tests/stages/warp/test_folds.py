from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from stages.warp.folds import signed_areas, unfold


def grid(side: int = 6) -> tuple[np.ndarray, np.ndarray, slice]:
    """Points of a square, the free ones last, and triangles that face the viewer."""
    x, y = (part.ravel() for part in np.meshgrid(np.arange(side), np.arange(side)))
    is_border = (x % (side - 1) == 0) | (y % (side - 1) == 0)
    order = np.argsort(~is_border, kind="stable")
    points_P2 = 20.0 * np.stack([x, y], axis=-1)[order]
    triangles_K3 = Delaunay(points_P2).simplices
    turned_K = signed_areas(points_P2, triangles_K3) > 0
    triangles_K3 = np.where(turned_K[:, None], triangles_K3[:, ::-1], triangles_K3)
    return points_P2, triangles_K3, slice(int(is_border.sum()), None)


@pytest.mark.parametrize("seed", range(12))
def test_no_triangle_is_left_turned_over(seed: int):
    points_P2, triangles_K3, free = grid()
    least_K = 0.05 * -signed_areas(points_P2, triangles_K3)
    thrown_P2 = points_P2.copy()
    thrown_P2[free] += np.random.default_rng(seed).normal(0, 25, thrown_P2[free].shape)
    assert (signed_areas(thrown_P2, triangles_K3) > 0).any()
    unfolded_P2 = unfold(thrown_P2, triangles_K3, least_area_K=least_K, free=free)
    assert (signed_areas(unfolded_P2, triangles_K3) <= -least_K + 1e-6).all()
    fixed = slice(0, free.start)
    assert np.array_equal(unfolded_P2[fixed], points_P2[fixed])


def test_a_mesh_without_folds_is_left_as_it_is():
    points_P2, triangles_K3, free = grid()
    least_K = 0.05 * -signed_areas(points_P2, triangles_K3)
    assert np.array_equal(unfold(points_P2, triangles_K3, least_area_K=least_K, free=free), points_P2)


def test_points_move_no_further_than_a_fold_asks_for():
    points_P2, triangles_K3, free = grid()
    least_K = 0.05 * -signed_areas(points_P2, triangles_K3)
    pulled_P2 = points_P2.copy()
    pulled_P2[free.start] += (24, 0)
    moved_P = np.linalg.norm(
        unfold(pulled_P2, triangles_K3, least_area_K=least_K, free=free) - pulled_P2, axis=1
    )
    assert moved_P.max() < 12
