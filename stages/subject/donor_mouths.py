"""The mouth of a photo, opened: lips of the photo moved as a digital actor's move, with the actor's mouth inside.

A photo shows one mouth, mostly closed. What is behind its lips nobody knows; a donor lends it.
Legend: R references of the donor, K mouths made, N mesh points (478), P control points, S side of a picture (512 px),
M side of a mask, 2/3 = (x, y[, z]), 3 = RGB, 7 = head vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import FACE_CENTRE, head_rotation, pose, straightened
from stages.geometry.landmarks import EYES, INNER_LIP_RING, LIPS, OUTER_LIP_RING, RIGID
from stages.subject.library_file import MASK_SIZE, StoredReferences, read_library
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.warp.candidates import CandidateMaker, SoftPart
from stages.warp.control_mesh import ControlMesh
from stages.warp.keys import eye_keys, farthest_points, head_keys, mouth_keys, openings
from stages.warp.plate import Picture
from stages.warp.references import FrameReferences

Floats = NDArray[np.float32]

MOUTHS: Final = 40
"""How many are made: with twice as many no mouth comes nearer that anybody would see, and a render loads longer."""

_MOST_TURNED: Final = 12.0
"""Degrees by which a donor's head may be turned from its template's: teeth seen from the side fit no frontal face."""

_NOSE_BASE: Final = 2
_UPPER_LIP: Final = 0
_OPENING_WEIGHT: Final = 4.0
"""Of a px of opening beside a px of a lip's point, where a donor's mouth is sought that is shaped as the photo's."""

_LEAST_OPENING_PX: Final = 2.0
"""Below it lips touch, and the photo's own line between them is the better one."""

_INSIDE_GROWTH: Final = 3
_INSIDE_BLUR: Final = 1.0

_AROUND_PX: Final = 41
"""Side of the brush by which the mouth is grown to where colours of skin and lips are compared."""

_COLOUR_POWER: Final = 0.5
"""Half of a difference in colour is the light's, half the skin's: teeth of dark faces are as white as others."""
_MOST_COLOUR: Final = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """A digital actor whose mouth is lent.

    Attributes:
        name: of the actor.
        sha256: of the actor's package.
        references: the actor's library.
        template: the actor's template.
        moved_RN3: how each reference differs from the template, px in canonical space, as far as a picture tells: the
            depth that it does not tell is taken to be the template's.
        frontal: references whose head is turned little, ascending.
    """

    name: str
    sha256: str
    references: StoredReferences
    template: Template
    moved_RN3: Floats
    frontal: tuple[int, ...]

    @classmethod
    def of(cls, subject: SubjectPackage) -> Self:
        """A donor from an actor's package, which has a library.

        Raises:
            SubjectError: its library is damaged, or of another subject.
        """
        assert subject.library is not None
        references = read_library(subject.library, template=subject.template)
        turned_R2 = np.abs(references.heads_RK[:, :2] - subject.template.head_7[:2])
        frontal = np.flatnonzero(turned_R2.max(axis=1) <= _MOST_TURNED)
        return cls(
            name=subject.name,
            sha256=subject.sha256,
            references=references,
            template=subject.template,
            moved_RN3=_moved(references, subject.template),
            # Of an actor who never faces the camera the least turned has to do.
            frontal=tuple(frontal.tolist()) or (int(turned_R2.max(axis=1).argmin()),),
        )

    def most_like(self, canonical_N3: Floats) -> int:
        """The reference whose mouth is shaped most like that of a canonical mesh (478, 3), its opening above all."""
        upright_17 = np.zeros((1, 7), dtype=np.float32)
        own_1K = mouth_keys(canonical_N3[None], upright_17)
        shapes_FN3 = self.template.mesh_N3 + self.moved_RN3[list(self.frontal)]
        keys_FK = mouth_keys(shapes_FN3, np.repeat(upright_17, len(shapes_FN3), axis=0))
        apart_F = ((keys_FK - own_1K) ** 2).sum(axis=1)
        apart_F += (_OPENING_WEIGHT * (openings(keys_FK) - openings(own_1K))) ** 2
        return self.frontal[int(apart_F.argmin())]

    def colour(self, reference: int) -> NDArray[np.float64]:
        """Mean colour (3,) of lips and skin about the mouth of a reference."""
        return _mouth_colour(self.references.pictures_RSS3[reference], self.references.points_RP2[reference])


def _moved(references: StoredReferences, template: Template) -> Floats:
    upright_N3 = template.mesh_N3.astype(np.float64) - FACE_CENTRE
    matrix_R33 = head_rotation(references.heads_RK).as_matrix()
    moved_RN3 = np.empty((len(matrix_R33), *upright_N3.shape), dtype=np.float32)
    for moved_N3, matrix_33, points_P2 in zip(moved_RN3, matrix_R33, references.points_RP2, strict=True):
        turned_N2 = (upright_N3 @ matrix_33)[:, :2]
        seen_N2 = points_P2[: len(turned_N2)].astype(np.float64)
        # Scale and place of the head, by its bone.
        bone_B2, there_B2 = turned_N2[RIGID], seen_N2[RIGID]
        from_2, to_2 = bone_B2.mean(axis=0), there_B2.mean(axis=0)
        scale = ((bone_B2 - from_2) * (there_B2 - to_2)).sum() / ((bone_B2 - from_2) ** 2).sum()
        apart_N2 = (seen_N2 - to_2) / scale - (turned_N2 - from_2)
        moved_N3[:] = np.pad(apart_N2, ((0, 0), (0, 1))) @ matrix_33.T
    return moved_RN3


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoPose:
    """Where a photo's face is: canonical mesh (478, 3), head vector (7,) and shoulders (18, 3)."""

    canonical_N3: Floats
    head_7: Floats
    torso_18x3: Floats

    def as_template(self, donor: Donor | None) -> Template:
        """The template of a subject of which only this is known.

        Motion is told from the mean mouth of one who speaks, which is not the mouth of a photo: it is moved by as much
        as the donor's mean differs from the donor's mouth that is most like it.
        """
        mesh_N3 = self.canonical_N3
        if donor is not None:
            mesh_N3 = mesh_N3 - _below_nose(mesh_N3) * donor.moved_RN3[donor.most_like(mesh_N3)]
        return Template(mesh_N3=mesh_N3.astype(np.float32), head_7=self.head_7, torso_N3=self.torso_18x3)


def _below_nose(canonical_N3: Floats) -> Floats:
    """How much of a motion of the mouth each point (478, 1) takes part in: none above the nose, all at the lips."""
    top, bottom = canonical_N3[_NOSE_BASE, 1], canonical_N3[_UPPER_LIP, 1]
    share_N = np.clip((canonical_N3[:, 1] - top) / max(float(bottom - top), 1.0), 0.0, 1.0)
    share_N[RIGID], share_N[EYES], share_N[LIPS] = 0.0, 0.0, 1.0
    return np.asarray(share_N[:, None], dtype=np.float32)


def choose_donor(donors: Iterable[Donor], *, face: PhotoPose, picture_SS3: Picture) -> Donor | None:
    """The donor whose lips and skin have to be changed least in colour; None of none.

    Args:
        donors: one after the other, since each holds all pictures of its library.
        face: where the photo's face is.
        picture_SS3: the framed photo.
    """
    mesh_N3 = pose(face.canonical_N3[None], face.head_7[None])[0]
    own_3 = _mouth_colour(picture_SS3, mesh_N3)
    chosen, least = None, np.inf
    for donor in donors:
        lent_3 = donor.colour(donor.most_like(face.canonical_N3))
        apart = float(np.abs(np.log(lent_3 / own_3)).sum())
        if apart < least:
            chosen, least = donor, apart
    return chosen


def _mouth_colour(picture_SS3: Picture, points_N2: Floats) -> NDArray[np.float64]:
    outside_SS, inside_SS = (
        cv2.fillPoly(
            np.zeros(picture_SS3.shape[:2], dtype=np.uint8),
            [np.rint(points_N2[ring, :2]).astype(np.int32)],
            1,
        )
        for ring in (OUTER_LIP_RING, INNER_LIP_RING)
    )
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_AROUND_PX, _AROUND_PX))
    around_SS = (cv2.dilate(outside_SS, brush) > 0) & (inside_SS == 0)
    if not around_SS.any():
        return np.ones(3)
    return np.maximum(picture_SS3[around_SS].mean(axis=0, dtype=np.float64), 1.0)


def with_donor_mouths(
    photo: StoredReferences, donor: Donor, *, face: PhotoPose, template: Template, control: ControlMesh
) -> StoredReferences:
    """The library of a photo, one reference, with mouths of a donor behind it.

    Args:
        photo: the library of the photo alone.
        donor: who lends the mouth's inside.
        face: where the photo's face is.
        template: of the subject, see `PhotoPose.as_template`.
        control: of the subject.
    """
    shapes_FN3 = template.mesh_N3 + _below_nose(template.mesh_N3) * donor.moved_RN3[list(donor.frontal)]
    head_F7 = np.repeat(face.head_7[None], len(shapes_FN3), axis=0)
    keys_FK = mouth_keys(shapes_FN3, head_F7)
    first = donor.frontal.index(donor.most_like(face.canonical_N3))
    # The first is the photo's own mouth, which is there already.
    picked = sorted(farthest_points(keys_FK, count=MOUTHS + 1, first=first)[1:])
    mesh_KN3 = pose(shapes_FN3[picked], head_F7[picked])
    maker = CandidateMaker(library=photo.opened(), control=control)
    gain_3 = _gain(photo, donor, donor.frontal[first])
    pictures, masks, points = [], [], []
    for place, mesh_N3 in zip(picked, mesh_KN3, strict=True):
        made = maker.make(
            mesh_N3=mesh_N3,
            head_7=face.head_7,
            torso_18x3=face.torso_18x3,
            references=FrameReferences.only(head=0, mouth=0, eyes=0),
        )
        points_P2 = control.points(mesh_N3=mesh_N3, head_7=face.head_7, torso_18x3=face.torso_18x3)
        if openings(keys_FK[place : place + 1])[0] >= _LEAST_OPENING_PX:
            _lend(
                donor,
                donor.frontal[place],
                onto_SS3=made.head_SS3,
                mesh_N3=mesh_N3,
                points_P2=points_P2,
                control=control,
                gain_3=gain_3,
            )
        pictures.append(made.head_SS3)
        half_MM = cv2.resize(made.mask_SS, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
        masks.append(np.asarray(half_MM, dtype=np.uint8))
        points.append(points_P2)
    return _joined(photo, template, pictures=pictures, masks=masks, points=points, mesh_KN3=mesh_KN3)


def _gain(photo: StoredReferences, donor: Donor, reference: int) -> NDArray[np.float64]:
    own_3 = _mouth_colour(photo.pictures_RSS3[0], photo.points_RP2[0])
    gain_3 = (own_3 / donor.colour(reference)) ** _COLOUR_POWER
    return np.clip(gain_3, 1 / _MOST_COLOUR, _MOST_COLOUR)


def _lend(
    donor: Donor,
    reference: int,
    *,
    onto_SS3: Picture,
    mesh_N3: Floats,
    points_P2: Floats,
    control: ControlMesh,
    gain_3: NDArray[np.float64],
) -> None:
    """Put the inside of a donor's mouth between the lips of a picture."""
    inside = SoftPart.of(mesh_N3[INNER_LIP_RING], growth=_INSIDE_GROWTH, blur=_INSIDE_BLUR)
    if inside is None:
        return
    raster = control.raster(points_P2, depth_N=mesh_N3[:, 2]).within(*inside.cells)
    from_P2 = points_P2.copy()
    from_P2[: len(mesh_N3)] = donor.references.points_RP2[reference, : len(mesh_N3)]
    moved_HW3 = raster.field_from(from_P2).move(donor.references.pictures_RSS3[reference])
    lent_HW3 = np.clip(np.rint(moved_HW3 * gain_3), 0, 255).astype(np.uint8)
    inside.paste(lent_HW3, onto_SS3=onto_SS3)


def _joined(
    photo: StoredReferences,
    template: Template,
    *,
    pictures: Sequence[Picture],
    masks: Sequence[Picture],
    points: Sequence[Floats],
    mesh_KN3: Floats,
) -> StoredReferences:
    if not pictures:
        return photo
    canonical_KN3, head_K7 = straightened(mesh_KN3, template_N3=template.mesh_N3)
    return StoredReferences(
        plate=photo.plate,
        pictures_RSS3=np.concatenate([photo.pictures_RSS3, np.stack(pictures)]),
        masks_RMM=np.concatenate([photo.masks_RMM, np.stack(masks)]),
        # All of them are made of the one picture.
        frames_R=np.zeros(1 + len(pictures), dtype=np.int32),
        points_RP2=np.concatenate([photo.points_RP2, np.stack(points)]),
        heads_RK=np.concatenate([photo.heads_RK, head_keys(head_K7)]),
        mouths_RK=np.concatenate([photo.mouths_RK, mouth_keys(canonical_KN3, head_K7)]),
        eyes_RK=np.concatenate([photo.eyes_RK, eye_keys(canonical_KN3, head_K7)]),
    )
