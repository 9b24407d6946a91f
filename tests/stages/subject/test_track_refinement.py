from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from posed_actor import PosedActor
from prepared_clip import clip_tracks

from stages.errors import SubjectError
from stages.subject.refinement import refine_tracks
from stages.subject.tracks import ClipTracks

FRAMES = 8


@pytest.fixture(scope="module")
def actor() -> PosedActor:
    return PosedActor.of("actor-c")


def tracks_of(actor: PosedActor) -> ClipTracks:
    head_T7 = actor.heads(FRAMES)
    head_T7[1:, 3:5] += 1.5
    return replace(
        clip_tracks(FRAMES),
        canonical_TN3=np.repeat(actor.canonical_N3[None], FRAMES, axis=0),
        head_T7=head_T7,
        torso_TN3=np.repeat(actor.torso_18x3[None], FRAMES, axis=0),
    )


def test_head_and_torso_are_refined_and_the_rest_is_as_it_was(actor: PosedActor):
    tracks = tracks_of(actor)
    frames = [actor.frame(head_7) for head_7 in actor.heads(FRAMES)]
    refined = refine_tracks(tracks, iter(frames), reference=0, reference_HW3=actor.reference_HW3)
    off_TK = np.abs(refined.tracks.head_T7 - actor.heads(FRAMES))[2:-2, 3:5]
    assert np.median(off_TK) < 0.6
    assert refined.head.refined > FRAMES // 2
    assert refined.torso.frames == refined.head.frames == FRAMES
    assert refined.tracks.facts == replace(tracks.facts, torso_moves=refined.tracks.facts.torso_moves)
    assert refined.tracks.speech_S is tracks.speech_S
    assert np.allclose(refined.tracks.canonical_TN3, tracks.canonical_TN3, atol=1e-3)


def test_a_face_that_sways_in_its_canonical_space_is_refined_on_a_rigid_bone(actor: PosedActor):
    tracks = tracks_of(actor)
    sway_TN3 = tracks.canonical_TN3.copy()
    sway_TN3[1::2] += np.float32([0.0, 1.0, 0.0])
    frames = [actor.frame(head_7) for head_7 in actor.heads(FRAMES)]
    refined = refine_tracks(
        replace(tracks, canonical_TN3=sway_TN3), frames, reference=0, reference_HW3=actor.reference_HW3
    ).tracks
    assert np.ptp(refined.canonical_TN3, axis=0).max() < 0.01
    # The sway is not left in the poses either: they are what they are without it.
    still = refine_tracks(tracks, frames, reference=0, reference_HW3=actor.reference_HW3).tracks
    assert np.abs(np.diff(refined.head_T7[2:-2, 4] - still.head_T7[2:-2, 4])).max() < 0.15


def test_fewer_pictures_than_tracks_are_refused(actor: PosedActor):
    with pytest.raises(SubjectError) as caught:
        refine_tracks(
            tracks_of(actor), [actor.reference_HW3] * 3, reference=0, reference_HW3=actor.reference_HW3
        )
    assert caught.value.code == "clip_frames_missing"
    assert "3 pictures to 8 frames" in caught.value.what
