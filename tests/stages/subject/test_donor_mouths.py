"""The mouth of a photo opens as a donor's does, and inside of it is the donor's; nothing else of the donor is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_library import MOUTH_COLOURS, OPENINGS, made_references, with_mouth, write_package
from posed_actor import PosedActor

from stages.geometry.landmarks import INNER_LIP_RING, LIPS
from stages.subject.donor import Donor, PhotoPose, choose_donor
from stages.subject.donor_mouths import with_donor_mouths
from stages.subject.library_file import StoredReferences
from stages.subject.library_making import control_of
from stages.subject.package import SubjectPackage
from stages.warp.keys import openings


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Donor:
    return Donor.of(SubjectPackage.load(write_package(tmp_path_factory.mktemp("donors") / "ada")))


def photo_of(name: str) -> tuple[PhotoPose, StoredReferences]:
    actor = PosedActor.of(name)
    face = PhotoPose(canonical_N3=actor.canonical_N3, head_7=actor.head_7, torso_18x3=actor.torso_18x3)
    made = made_references(actor)
    of_one = {
        field: getattr(made, field)[:1]
        for field in (
            "pictures_RSS3",
            "masks_RMM",
            "frames_R",
            "points_RP2",
            "heads_RK",
            "mouths_RK",
            "eyes_RK",
        )
    }
    return face, replace(made, **of_one)


@pytest.fixture(scope="module")
def opened(donor: Donor) -> StoredReferences:
    face, photo = photo_of("actor-a")
    template = face.as_template(donor)
    return with_donor_mouths(photo, donor, face=face, template=template, control=control_of(template))


def test_what_moved_in_a_donor_is_told_from_its_pictures(donor: Donor) -> None:
    actor = PosedActor.of()
    for opening, moved_N3 in zip(OPENINGS, donor.moved_RN3, strict=True):
        true_N2 = (with_mouth(actor.canonical_N3, opening) - actor.canonical_N3)[LIPS, :2]
        assert np.abs(moved_N3[LIPS, :2] - true_N2).max() < 0.7


def test_the_donors_mouth_most_like_a_photos_opens_as_far(donor: Donor) -> None:
    actor = PosedActor.of("actor-a")
    closed, opened = (donor.most_like(with_mouth(actor.canonical_N3, opening)) for opening in (0.0, 22.0))
    assert closed == 0
    assert opened == len(OPENINGS) - 1


def test_a_template_speaks_from_the_donors_mean_mouth(donor: Donor) -> None:
    face, _ = photo_of("actor-a")
    assert np.abs(face.as_template(None).mesh_N3 - face.canonical_N3).max() == 0
    moved_N3 = face.as_template(donor).mesh_N3 - face.canonical_N3
    np.testing.assert_allclose(
        moved_N3[LIPS], -donor.moved_RN3[donor.most_like(face.canonical_N3)][LIPS], atol=1e-3
    )
    above = face.canonical_N3[:, 1] < face.canonical_N3[2, 1]
    assert np.abs(moved_N3[above]).max() == 0


def test_the_photo_is_the_first_reference_and_mouths_open_wider_and_wider(opened: StoredReferences) -> None:
    _, photo = photo_of("actor-a")
    assert (opened.pictures_RSS3[0] == photo.pictures_RSS3[0]).all()
    assert len(opened.pictures_RSS3) == len(OPENINGS)
    assert (np.diff(openings(opened.mouths_RK)) > 4).all()
    # One head: the photo's own picture is drawn wherever nothing but the mouth moves.
    np.testing.assert_allclose(
        opened.heads_RK, np.repeat(opened.heads_RK[:1], len(OPENINGS), axis=0), atol=0.05
    )


def test_inside_is_the_donors_and_all_else_the_photos(opened: StoredReferences) -> None:
    photo_SS3 = opened.pictures_RSS3[0].astype(int)
    for picture_SS3, points_P2, colour in zip(
        opened.pictures_RSS3[1:], opened.points_RP2[1:], MOUTH_COLOURS[1:], strict=True
    ):
        x, y = np.rint(points_P2[INNER_LIP_RING].mean(axis=0)).astype(int)
        told = picture_SS3[y, x].astype(int)
        assert told.argmax() == int(np.argmax(colour))
        assert told.max() > 2 * np.sort(told)[-2]
        # The bridge of the nose and the skin beside the mouth are the photo's.
        middle = int(points_P2[168, 0])
        for rows, columns in (
            (slice(int(points_P2[168, 1]), int(points_P2[4, 1])), slice(middle - 12, middle + 12)),
            (slice(y - 4, y + 4), slice(int(points_P2[61, 0]) - 18, int(points_P2[61, 0]) - 12)),
        ):
            apart_3 = (picture_SS3[rows, columns].astype(int) - photo_SS3[rows, columns]).mean(axis=(0, 1))
            assert np.abs(apart_3).max() < 12


def test_the_inside_is_brought_nearer_to_the_photos_light(donor: Donor) -> None:
    face, photo = photo_of("actor-a")
    dark = replace(photo, pictures_RSS3=photo.pictures_RSS3 // 3)
    template = face.as_template(donor)
    control = control_of(template)
    levels = []
    for each in (photo, dark):
        made = with_donor_mouths(each, donor, face=face, template=template, control=control)
        x, y = np.rint(made.points_RP2[-1][INNER_LIP_RING].mean(axis=0)).astype(int)
        levels.append(int(made.pictures_RSS3[-1][y, x].max()))
    assert levels[1] < 0.8 * levels[0]


def test_the_donor_of_the_nearest_colours_is_chosen(donor: Donor) -> None:
    face, photo = photo_of("actor-a")
    other = replace(
        donor,
        name="other",
        references=replace(donor.references, pictures_RSS3=donor.references.pictures_RSS3 // 4),
    )
    chosen = choose_donor([other, donor], face=face, picture_SS3=photo.pictures_RSS3[0])
    assert chosen is donor
    assert choose_donor([other, donor], face=face, picture_SS3=photo.pictures_RSS3[0] // 4) is other
    assert choose_donor([], face=face, picture_SS3=photo.pictures_RSS3[0]) is None


def test_a_donor_without_a_library_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "ada")
    data = bytearray((folder / "references.safetensors").read_bytes())
    data[len(data) // 2] ^= 255
    (folder / "references.safetensors").write_bytes(data)
    with pytest.raises(Exception, match="subject_damaged"):
        Donor.of(SubjectPackage.load(folder))


def test_a_donors_mouth_that_opens_less_lends_no_more_than_there_is(donor: Donor) -> None:
    face, photo = photo_of("actor-a")
    shut = replace(donor, moved_RN3=np.zeros_like(donor.moved_RN3))
    template = face.as_template(shut)
    made = with_donor_mouths(photo, shut, face=face, template=template, control=control_of(template))
    assert len(made.pictures_RSS3) == 1


def test_between_lips_that_close_none_of_the_photos_teeth_stay(donor: Donor) -> None:
    actor = PosedActor.of("actor-a")
    wide_N3 = with_mouth(actor.canonical_N3, 24.0)
    face = PhotoPose(canonical_N3=wide_N3, head_7=actor.head_7, torso_18x3=actor.torso_18x3)
    made = made_references(actor)
    shown = {
        field: getattr(made, field)[-1:]
        for field in ("masks_RMM", "frames_R", "points_RP2", "heads_RK", "mouths_RK", "eyes_RK")
    }
    # Teeth of a blue that is nowhere else, down to the border of the lips and a little beyond.
    teeth = made.pictures_RSS3[-1:].copy()
    ring_2 = np.rint(made.points_RP2[-1, INNER_LIP_RING]).astype(np.int32)
    cv2.polylines(teeth[0], [ring_2], True, MOUTH_COLOURS[-1], 3)
    photo = replace(made, pictures_RSS3=teeth, **shown)
    template = face.as_template(donor)
    opened = with_donor_mouths(photo, donor, face=face, template=template, control=control_of(template))
    closed = 1 + int(openings(opened.mouths_RK[1:]).argmin())
    assert openings(opened.mouths_RK[closed : closed + 1])[0] < 9
    mouth_2 = opened.points_RP2[closed, LIPS]
    (left, top), (right, bottom) = mouth_2.min(axis=0).astype(int), mouth_2.max(axis=0).astype(int)
    lips = opened.pictures_RSS3[closed, top:bottom, left:right].astype(int)
    assert not (lips[..., 2] > lips[..., 0] + 40).any()


def with_teeth(references: StoredReferences, colour: tuple[int, int, int]) -> StoredReferences:
    """The same with all of the inside of every mouth of one colour."""
    pictures = references.pictures_RSS3.copy()
    for picture_SS3, points_P2 in zip(pictures, references.points_RP2, strict=True):
        cv2.fillPoly(picture_SS3, [np.rint(points_P2[INNER_LIP_RING]).astype(np.int32)], colour)
    return replace(references, pictures_RSS3=pictures)


def test_teeth_that_are_lent_are_as_bright_as_those_that_the_photo_shows(donor: Donor) -> None:
    actor = PosedActor.of("actor-a")
    face = PhotoPose(
        canonical_N3=with_mouth(actor.canonical_N3, 24.0),
        head_7=actor.head_7,
        torso_18x3=actor.torso_18x3,
    )
    made = made_references(actor)
    shown = {
        field: getattr(made, field)[-1:]
        for field in (
            *("pictures_RSS3", "masks_RMM", "frames_R", "points_RP2"),
            *("heads_RK", "mouths_RK", "eyes_RK"),
        )
    }
    lender = replace(donor, references=with_teeth(donor.references, (190, 180, 170)))
    template = face.as_template(lender)
    for own in ((140, 132, 124), (178, 170, 160)):
        photo = with_teeth(replace(made, **shown), own)
        opened = with_donor_mouths(photo, lender, face=face, template=template, control=control_of(template))
        widest = 1 + int(openings(opened.mouths_RK[1:]).argmax())
        x, y = np.rint(opened.points_RP2[widest, INNER_LIP_RING].mean(axis=0)).astype(int)
        assert np.abs(opened.pictures_RSS3[widest, y, x].astype(int) - own).max() < 12
