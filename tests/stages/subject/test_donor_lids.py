"""The eyes of a photo close: lids come down over them, lashes of a donor lie where they meet, and all else stays."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_library import made_references
from posed_actor import PosedActor

from stages.builtin import builtin_subject
from stages.geometry.canonical import pose, straightened
from stages.subject.donor import Donor, PhotoPose, lid_colour
from stages.subject.donor_lids import with_donor_lids
from stages.subject.library_file import StoredReferences
from stages.subject.library_making import control_of
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.warp.control_mesh import LEFT_EYE_RING, RIGHT_EYE_RING
from stages.warp.references import choose_references

PHOTO = "actor-b"
LIDS = ((159, 145), (386, 374))
ALONE = ("pictures_RSS3", "masks_RMM", "frames_R", "points_RP2", "heads_RK", "mouths_RK", "eyes_RK")


@pytest.fixture(scope="module")
def donor() -> Donor:
    return Donor.of(SubjectPackage.load(builtin_subject("actor-a")))


@pytest.fixture(scope="module")
def photo() -> StoredReferences:
    """The picture of another actor whose pose is known."""
    made = made_references(PosedActor.of(PHOTO))
    return replace(made, **{name: getattr(made, name)[:1] for name in ALONE})


@pytest.fixture(scope="module")
def face() -> PhotoPose:
    actor = PosedActor.of(PHOTO)
    return PhotoPose(canonical_N3=actor.canonical_N3, head_7=actor.head_7, torso_18x3=actor.torso_18x3)


@pytest.fixture(scope="module")
def closed(donor: Donor, photo: StoredReferences, face: PhotoPose) -> StoredReferences:
    template = template_of()
    return with_donor_lids(photo, donor, face=face, template=template, control=control_of(template))


def template_of() -> Template:
    return SubjectPackage.load(builtin_subject(PHOTO)).template


def gaps(points_RP2: np.ndarray) -> np.ndarray:
    return np.mean([points_RP2[:, lower, 1] - points_RP2[:, upper, 1] for upper, lower in LIDS], axis=0)


def eye_of(picture_SS3: np.ndarray, points_P2: np.ndarray, ring: np.ndarray) -> np.ndarray:
    (left, top), (right, bottom) = (
        np.rint(edge).astype(int) for edge in (points_P2[ring].min(axis=0), points_P2[ring].max(axis=0))
    )
    return picture_SS3[top - 2 : bottom + 3, left:right]


def test_the_photo_stays_first_and_lids_come_down_step_by_step(
    photo: StoredReferences, closed: StoredReferences
) -> None:
    assert len(closed.pictures_RSS3) == 4
    assert (closed.pictures_RSS3[0] == photo.pictures_RSS3[0]).all()
    assert (np.diff(gaps(closed.points_RP2)[1:]) < -2).all()
    # Nothing but the eyes is drawn from them: all else is as near as the photo, which comes first.
    for keys_RK in (closed.heads_RK, closed.mouths_RK):
        assert (keys_RK == keys_RK[0]).all()


def test_where_lids_meet_no_eye_is_seen(photo: StoredReferences, closed: StoredReferences) -> None:
    for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
        opened = eye_of(photo.pictures_RSS3[0], photo.points_RP2[0], ring).astype(int)
        shut = eye_of(closed.pictures_RSS3[-1], closed.points_RP2[-1], ring).astype(int)
        # White of the eye has hardly a hue, skin and lashes of this actor are red or dark.
        white = [
            int(((eye.min(axis=-1) > 120) & (np.ptp(eye, axis=-1) < 40)).sum()) for eye in (opened, shut)
        ]
        assert white[0] > 60
        assert white[1] < 0.1 * white[0]


def test_a_lid_covers_an_eye_and_does_not_squeeze_it(
    photo: StoredReferences, closed: StoredReferences
) -> None:
    """Halfway down, the lower half of the eye is what it was."""
    own_SS3, half_SS3 = photo.pictures_RSS3[0].astype(int), closed.pictures_RSS3[1].astype(int)
    for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
        x, y = np.rint(closed.points_RP2[1, ring].mean(axis=0)).astype(int)
        apart = np.abs(half_SS3 - own_SS3)[y : y + 2, x - 6 : x + 7]
        assert apart.mean() < 4


def test_far_from_the_eyes_pictures_are_the_photo(photo: StoredReferences, closed: StoredReferences) -> None:
    mouth = slice(300, 400), slice(180, 330)
    for picture_SS3 in closed.pictures_RSS3[1:]:
        assert np.abs(picture_SS3[mouth].astype(int) - photo.pictures_RSS3[0][mouth]).mean() < 3


def test_a_blink_that_is_commanded_shuts_the_eyes(closed: StoredReferences) -> None:
    template = template_of()
    moved_N3 = closed.points_RP2[-1, :478] - closed.points_RP2[0, :478]
    mesh_N3 = pose(template.mesh_N3[None], template.head_7[None])[0]
    frames = 15
    mesh_TN3 = np.repeat(mesh_N3[None], frames, axis=0)
    # Down in three frames, shut for three, and up again.
    for frame, share in enumerate((0.3, 0.7, 1.0, 1.1, 1.0, 0.7, 0.3), start=4):
        mesh_TN3[frame, :, :2] += np.float32(share) * moved_N3
    canonical_TN3, head_T7 = straightened(mesh_TN3, template_N3=template.mesh_N3)
    chosen = choose_references(closed.opened(), canonical_TN3=canonical_TN3, head_T7=head_T7)
    assert chosen[7].eyes.references == (3,)
    assert chosen[0].eyes.references == chosen[14].eyes.references == (0,)
    assert {
        reference for each in chosen for reference in (*each.head.references, *each.mouth.references)
    } == {0}


def test_a_donor_whose_eyes_never_close_lends_nothing(
    donor: Donor, photo: StoredReferences, face: PhotoPose
) -> None:
    awake = replace(donor, moved_RN3=np.zeros_like(donor.moved_RN3))
    template = template_of()
    made = with_donor_lids(photo, awake, face=face, template=template, control=control_of(template))
    assert len(made.pictures_RSS3) == 1


def test_between_lashes_is_the_skin_of_the_photo(
    donor: Donor, photo: StoredReferences, face: PhotoPose
) -> None:
    """However white a donor's eye is between lids that do not meet wholly, and however dark the photo is."""
    white = donor.references.pictures_RSS3.copy()
    for picture_SS3, points_P2 in zip(white, donor.references.points_RP2, strict=True):
        for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
            cv2.fillPoly(picture_SS3, [np.rint(points_P2[ring]).astype(np.int32)], (255, 255, 255))
            cv2.polylines(picture_SS3, [np.rint(points_P2[ring]).astype(np.int32)], True, (255, 255, 255), 2)
    lender = replace(donor, references=replace(donor.references, pictures_RSS3=white))
    dark = replace(photo, pictures_RSS3=photo.pictures_RSS3 // 2)
    template = template_of()
    made = with_donor_lids(dark, lender, face=face, template=template, control=control_of(template))
    skin_3 = lid_colour(dark.pictures_RSS3[0], dark.points_RP2[0])
    for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
        shut = eye_of(made.pictures_RSS3[-1], made.points_RP2[-1], ring)
        # In the corners lie those of the photo.
        assert (np.quantile(shut.reshape(-1, 3), 0.9, axis=0) < 1.3 * skin_3 + 10).all()
