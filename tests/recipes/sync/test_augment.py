from __future__ import annotations

import numpy as np
from talking_clips import talking_tracks

from recipes.sync.augment import Augmentation, augmented, mirrored
from stages.sync.inputs import lip_input


def test_a_mirrored_mouth_opens_as_far_and_its_corners_change_places():
    mesh_TN3 = talking_tracks(2).canonical_TN3.copy()
    mesh_TN3[10:, 61, 0] -= 5
    lips_TN2 = lip_input(mesh_TN3).reshape(-1, 40, 2)
    turned_TN2 = mirrored(lips_TN2)
    np.testing.assert_array_equal(mirrored(turned_TN2), lips_TN2)
    vertices = sorted(
        {61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185}
        | {78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191}
    )
    right, left, lower = (vertices.index(vertex) for vertex in (61, 291, 14))
    np.testing.assert_array_equal(turned_TN2[:, left, 0], -lips_TN2[:, right, 0])
    np.testing.assert_array_equal(turned_TN2[:, lower, 1], lips_TN2[:, lower, 1])


def test_augmented_lips_still_move_as_they_did():
    lips_TK = lip_input(talking_tracks(3).canonical_TN3)
    random = np.random.default_rng(0)
    for _ in range(20):
        changed_TK = augmented(lips_TK, random, Augmentation())
        assert changed_TK.shape == lips_TK.shape
        assert not np.array_equal(changed_TK, lips_TK)
        heights = [lips.reshape(-1, 40, 2)[..., 1].mean(axis=1) for lips in (lips_TK, changed_TK)]
        assert np.corrcoef(*heights)[0, 1] > 0.8
