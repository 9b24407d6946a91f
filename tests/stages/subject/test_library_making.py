from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_library import template_of, with_lids, with_mouth
from posed_actor import PosedActor
from prepared_clip import clip_tracks, numbered_pictures

from stages.errors import SubjectError
from stages.geometry.canonical import pose
from stages.subject.library_making import LibraryPlan, control_of, make_references
from stages.subject.tracks import ClipTracks
from stages.video.unfit import UnfitFrames

FRAMES = 40
"""Of which training may see the first 34."""

UNFIT = UnfitFrames(start=8, stop=15, reason="frozen")


@pytest.fixture(scope="module")
def actor() -> PosedActor:
    return PosedActor.of()


@pytest.fixture(scope="module")
def tracks(actor: PosedActor) -> ClipTracks:
    """A talking, blinking head; its most open mouths are where nothing may be learnt from."""
    opening_T = 6 - 6 * np.cos(np.arange(FRAMES) * 0.6)
    opening_T[[9, 12, 36, 39]] = 40
    blank = clip_tracks(FRAMES, reference_frame=5, unfit=(UNFIT,))
    canonical_TN3 = [
        with_lids(with_mouth(actor.canonical_N3, opening), (t % 7) / 2) for t, opening in enumerate(opening_T)
    ]
    return replace(
        blank,
        canonical_TN3=np.stack(canonical_TN3),
        head_T7=actor.heads(FRAMES),
        torso_TN3=np.repeat(actor.torso_18x3[None], FRAMES, axis=0).astype(np.float32),
    )


@pytest.fixture(scope="module")
def plan(tracks: ClipTracks, actor: PosedActor) -> LibraryPlan:
    return LibraryPlan.of(tracks, template=template_of(actor))


class Seen:
    """A segmenter that knows where everybody stands, and counts what it was shown."""

    def __init__(self) -> None:
        self.pictures: list[int] = []

    def mask(self, frame_HW3: np.ndarray) -> np.ndarray:
        self.pictures.append(round((float(frame_HW3[0, 0, 0]) - 40) / 5))
        mask = np.zeros((512, 512), np.float32)
        mask[100:, 150:350] = 1
        return cv2.GaussianBlur(mask, (0, 0), 3)


def test_neither_the_held_out_end_nor_unfit_frames_enter(plan: LibraryPlan):
    assert set(plan.frames) <= {*range(8), *range(15, 34)}
    # All others do: there are fewer than a library has room for.
    assert len(plan.frames) == 27


def test_the_first_reference_is_that_of_the_package(plan: LibraryPlan):
    assert plan.frames[0] == 5
    assert list(plan.frames[1:]) == sorted(plan.frames[1:])


def test_few_references_show_all_heads_mouths_and_eyes(
    tracks: ClipTracks, actor: PosedActor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stages.subject.library_making.HEADS", 3)
    monkeypatch.setattr("stages.subject.library_making.MOUTHS", 6)
    monkeypatch.setattr("stages.subject.library_making.EYES", 4)
    few = LibraryPlan.of(tracks, template=template_of(actor))
    assert 6 <= len(few.frames) <= 13
    assert np.ptp(few.heads_RK[:, 0]) > 0.8 * np.ptp(tracks.head_T7[[*range(8), *range(15, 34)], 0])
    opening_R = np.ptp(few.mouths_RK.reshape(len(few.frames), -1), axis=0).max()
    assert opening_R > 10


def test_where_preparation_chose_a_frame_that_may_not_be_used_the_calmest_is_first(
    tracks: ClipTracks, actor: PosedActor
):
    for recorded in (None, 10, 38):
        other = replace(tracks, facts=replace(tracks.facts, reference_frame=recorded))
        first = LibraryPlan.of(other, template=template_of(actor)).frames[0]
        assert first in {*range(8), *range(15, 34)}


def test_points_are_those_of_the_frames(plan: LibraryPlan, tracks: ClipTracks, actor: PosedActor):
    for row, frame in enumerate(plan.frames):
        mesh_N3 = pose(tracks.canonical_TN3[frame][None], tracks.head_T7[frame][None])[0]
        assert np.allclose(plan.points_RP2[row, :478], mesh_N3[:, :2], atol=1e-3)
    assert plan.points_RP2.shape[1] == len(
        control_of(template_of(actor)).points(
            mesh_N3=actor.mesh(), head_7=actor.head_7, torso_18x3=actor.torso_18x3
        )
    )


def test_only_chosen_pictures_are_segmented_and_kept(plan: LibraryPlan):
    segmenter = Seen()
    stored = make_references(plan, numbered_pictures(FRAMES), segmenter=segmenter, where="clip")
    assert segmenter.pictures == list(plan.frames)
    kept = [round((float(picture[300, 250, 0]) - 40) / 5) for picture in stored.pictures_RSS3]
    assert kept == list(plan.frames)
    assert stored.masks_RMM[:, 150, 125].min() == 255
    assert stored.masks_RMM[:, 10].max() == 0


def test_far_from_a_person_who_is_cut_out_all_pictures_are_the_plate(plan: LibraryPlan):
    def same_wall():
        for picture in numbered_pictures(FRAMES):
            picture[:, 392:] = np.random.default_rng(0).integers(99, 101, (512, 120, 3), dtype=np.uint8)
            picture[:, :68] = 120
            picture[:98] = 90
            yield picture

    def segment(frame_HW3: np.ndarray) -> np.ndarray:
        mask = np.zeros((512, 512), np.float32)
        mask[100:, 70:390] = 1
        return mask

    segmenter = Seen()
    segmenter.mask = segment
    stored = make_references(plan, same_wall(), segmenter=segmenter, where="clip")
    assert stored.plate.is_still
    far = stored.pictures_RSS3[:, 300:, 420:]
    assert (far == stored.plate.picture_SS3[300:, 420:]).all()


def test_before_a_background_that_moves_pictures_are_kept_whole(plan: LibraryPlan):
    pictures = list(numbered_pictures(FRAMES))
    stored = make_references(plan, iter(pictures), segmenter=Seen(), where="clip")
    assert not stored.plate.is_still
    for picture, frame in zip(stored.pictures_RSS3, plan.frames, strict=True):
        assert np.array_equal(picture, pictures[frame])


def test_too_few_pictures_are_told(plan: LibraryPlan):
    with pytest.raises(SubjectError) as caught:
        make_references(plan, numbered_pictures(20), segmenter=Seen(), where="clip.mp4")
    assert (caught.value.code, caught.value.where) == ("clip_frames_missing", "clip.mp4")


def test_a_clip_of_which_nothing_may_be_learnt_makes_no_library(tracks: ClipTracks, actor: PosedActor):
    unfit = (UnfitFrames(start=0, stop=36, reason="damaged"),)
    spoilt = replace(tracks, facts=replace(tracks.facts, unfit=unfit))
    with pytest.raises(SubjectError) as caught:
        LibraryPlan.of(spoilt, template=template_of(actor))
    assert caught.value.code == "clip_unfit"
