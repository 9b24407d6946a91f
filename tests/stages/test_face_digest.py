"""The digest of posed faces: equal where a renderer would draw the same, and nowhere else."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.payloads import MESH_POINTS, TORSO_POINTS, PosedFace


def a_face(frames: int = 3) -> PosedFace:
    random = np.random.default_rng(7)
    return PosedFace(
        mesh_TN3=random.normal(size=(frames, MESH_POINTS, 3)).astype(np.float32),
        torso_TN3=random.normal(size=(frames, TORSO_POINTS, 3)).astype(np.float32),
    )


@given(place=st.integers(0, 3 * TORSO_POINTS * 3 - 1), bit=st.integers(0, 31), data=st.data())
@settings(deadline=None)
def test_any_bit_of_any_number_changes_it(place: int, bit: int, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([each.name for each in fields(PosedFace)]))
    face = a_face()
    array = getattr(face, name).copy()
    array.reshape(-1).view(np.uint32)[place] ^= np.uint32(1 << bit)
    assert replace(face, **{name: array}).sha256 != face.sha256


def test_it_does_not_depend_on_how_the_numbers_lie_in_memory() -> None:
    face = a_face()
    mesh_TN3 = np.asfortranarray(face.mesh_TN3)
    assert not mesh_TN3.flags["C_CONTIGUOUS"]
    assert replace(face, mesh_TN3=mesh_TN3).sha256 == face.sha256 == a_face().sha256


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_another_number_of_frames_is_another_face(frames: int) -> None:
    face = a_face()
    shorter = PosedFace(mesh_TN3=face.mesh_TN3[:frames], torso_TN3=face.torso_TN3[:frames])
    assert shorter.sha256 != face.sha256
