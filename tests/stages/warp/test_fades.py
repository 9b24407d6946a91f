"""Where a reference changes, the frames around the change are made of both: a function of a fixed context."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_library import made_references, talking, with_mouth
from posed_actor import PosedActor

from stages.geometry.canonical import pose, straightened
from stages.geometry.landmarks import OUTER_LIP_RING
from stages.payloads import PosedFace
from stages.warp.candidates import CandidateMaker
from stages.warp.library import ReferenceLibrary
from stages.warp.reach import CONTEXT_FRAMES
from stages.warp.references import FrameReferences, Mixture, choose_references, faded

FRAMES = 60


def test_a_change_is_spread_over_the_frames_around_it():
    chosen_T = np.array([4, 4, 4, 4, 1, 1, 1, 1])
    old, new = Mixture.only(4), Mixture.only(1)
    assert faded(chosen_T, reach=1) == [
        old,
        old,
        old,
        Mixture((1, 4), (1, 2)),
        Mixture((1, 4), (2, 1)),
        new,
        new,
        new,
    ]
    assert faded(chosen_T, reach=0) == [Mixture.only(number) for number in chosen_T.tolist()]
    assert faded(chosen_T[:0], reach=2) == []


@given(chosen=st.lists(st.integers(0, 3), min_size=1, max_size=40), reach=st.integers(0, 3))
def test_no_share_changes_faster_than_the_fade(chosen: list[int], reach: int):
    shares_TR = np.zeros((len(chosen), 4))
    for frame, mixture in enumerate(faded(np.array(chosen), reach=reach)):
        assert list(mixture.references) == sorted(set(mixture.references))
        shares_TR[frame, list(mixture.references)] = np.array(mixture.parts) / sum(mixture.parts)
    assert np.allclose(shares_TR.sum(axis=1), 1)
    inner = slice(reach, len(chosen) - reach)
    if len(chosen) > 2 * reach + 1:
        assert np.abs(np.diff(shares_TR[inner], axis=0)).max() <= 1 / (2 * reach + 1) + 1e-9


@pytest.fixture(scope="module")
def library(actor: PosedActor) -> ReferenceLibrary:
    return made_references(actor).opened()


@pytest.fixture(scope="module")
def face(actor: PosedActor) -> PosedFace:
    return talking(actor, FRAMES)


def chosen(library: ReferenceLibrary, face: PosedFace, actor: PosedActor) -> list[FrameReferences]:
    canonical_TN3, head_T7 = straightened(face.mesh_TN3, template_N3=actor.canonical_N3)
    return choose_references(library, canonical_TN3=canonical_TN3, head_T7=head_T7)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, FRAMES - 1), max_size=6, unique=True))
def test_a_take_is_made_of_the_same_references_however_it_is_cut(
    library: ReferenceLibrary, face: PosedFace, actor: PosedActor, cuts: list[int]
):
    pieces: list[FrameReferences] = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), FRAMES]):
        low, high = max(0, start - CONTEXT_FRAMES), min(FRAMES, stop + CONTEXT_FRAMES)
        pieces += chosen(library, face.slice(low, high), actor)[start - low : stop - low]
    whole = chosen(library, face, actor)
    assert pieces == whole
    assert len({each.mouth.references for each in whole}) > 2, "the mouth changes"


def test_the_picture_steps_no_farther_where_references_change_than_where_the_face_moves(actor: PosedActor):
    """References that differ in their light, as a clip's do, would flash at every change."""
    plain_SS3 = actor.reference_HW3.astype(np.int16)
    lit = [np.clip(plain_SS3 + light, 0, 255).astype(np.uint8) for light in (0, 8, 0, 8)]
    library = replace(made_references(actor), pictures_RSS3=np.stack(lit)).opened()
    maker = CandidateMaker(library=library, control=actor.control)
    opening_T = np.linspace(0, 24, FRAMES)
    face = PosedFace(
        mesh_TN3=pose(
            np.stack([with_mouth(actor.canonical_N3, each) for each in opening_T]), actor.heads(FRAMES)
        ),
        torso_TN3=np.repeat(actor.torso_18x3[None], FRAMES, axis=0).astype(np.float32),
    )
    _, head_T7 = straightened(face.mesh_TN3, template_N3=actor.canonical_N3)

    def lips(t: int, references: FrameReferences) -> np.ndarray:
        made = maker.make(
            mesh_N3=face.mesh_TN3[t], head_7=head_T7[t], torso_18x3=face.torso_TN3[t], references=references
        )
        low_2, high_2 = (edge(face.mesh_TN3[:, OUTER_LIP_RING, :2], axis=(0, 1)) for edge in (np.min, np.max))
        (left, top), (right, bottom) = low_2.astype(int), high_2.astype(int)
        return made.head_SS3[top:bottom, left:right].astype(np.int16)

    def steps(references_T: list[FrameReferences]) -> dict[bool, float]:
        """The largest mean step to a frame whose references are not those before it (True), and of all others."""
        pictures = [lips(t, references) for t, references in enumerate(references_T)]
        found = {True: 0.0, False: 0.0}
        for (before, old), (after, new) in itertools.pairwise(zip(pictures, references_T, strict=True)):
            found[old != new] = max(found[old != new], float(np.abs(after - before).mean()))
        return found

    def nearest(mixture: Mixture) -> Mixture:
        return Mixture.only(mixture.references[int(np.argmax(mixture.parts))])

    fading = chosen(library, face, actor)
    at_once = [
        FrameReferences(head=nearest(each.head), mouth=nearest(each.mouth), eyes=nearest(each.eyes))
        for each in fading
    ]
    faded_steps, sudden_steps = steps(fading), steps(at_once)
    assert faded_steps[True] <= faded_steps[False]
    assert sudden_steps[True] > sudden_steps[False], "a change at once shows"
