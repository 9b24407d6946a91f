"""Whose mouth and lids a photo borrows: a digital actor, and how much of it is brought to the photo's colours.

Legend: R references of the donor, F of those that face the camera, N mesh points (478), P control points, S side of a
picture (512 px), 2/3 = (x, y[, z]), 3 = RGB, 7 = head vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import FACE_CENTRE, head_rotation, pose
from stages.geometry.landmarks import EYES, INNER_LIP_RING, LIPS, OUTER_LIP_RING, RIGID
from stages.subject.library_file import StoredReferences, read_library
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.warp.control_mesh import LEFT_EYE_RING, RIGHT_EYE_RING
from stages.warp.keys import mouth_keys, openings
from stages.warp.plate import Picture

Floats = NDArray[np.float32]
Colour = NDArray[np.float64]

_MOST_TURNED: Final = 12.0
"""Degrees by which a donor's head may be turned from its template's: teeth seen from the side fit no frontal face."""

_NOSE_BASE: Final = 2
_UPPER_LIP: Final = 0
_OPENING_WEIGHT: Final = 4.0
"""Of a px of opening beside a px of a lip's point, where a donor's mouth is sought that is shaped as the photo's."""

_AROUND_PX: Final = 41
"""Side of the brush by which the mouth is grown to where colours of skin and lips are compared."""

_LID_PX: Final = 25
_LASH_PX: Final = 9
"""Likewise the eyes, and by which they are grown to what is left out: lashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """A digital actor whose mouth and lids are lent.

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
        return mouth_colour(self.references.pictures_RSS3[reference], self.references.points_RP2[reference])


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
            mesh_N3 = mesh_N3 - below_nose(mesh_N3) * donor.moved_RN3[donor.most_like(mesh_N3)]
        return Template(mesh_N3=mesh_N3.astype(np.float32), head_7=self.head_7, torso_N3=self.torso_18x3)


def below_nose(canonical_N3: Floats) -> Floats:
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
    own_3 = mouth_colour(picture_SS3, mesh_N3)
    chosen, least = None, np.inf
    for donor in donors:
        lent_3 = donor.colour(donor.most_like(face.canonical_N3))
        apart = float(np.abs(np.log(lent_3 / own_3)).sum())
        if apart < least:
            chosen, least = donor, apart
    return chosen


def mouth_colour(picture_SS3: Picture, points_N2: Floats) -> Colour:
    """Mean colour (3,) of lips and skin about the mouth whose points (N, 2 or 3) are given."""
    outside_SS, inside_SS = (
        _filled_rings(picture_SS3, points_N2, [ring]) for ring in (OUTER_LIP_RING, INNER_LIP_RING)
    )
    return _mean_colour(picture_SS3, (_grown(outside_SS, _AROUND_PX) > 0) & (inside_SS == 0))


def lid_colour(picture_SS3: Picture, points_N2: Floats) -> Colour:
    """Likewise of the skin about both eyes, without lashes."""
    eyes_SS = _filled_rings(picture_SS3, points_N2, [RIGHT_EYE_RING, LEFT_EYE_RING])
    return _mean_colour(picture_SS3, (_grown(eyes_SS, _LID_PX) > 0) & (_grown(eyes_SS, _LASH_PX) == 0))


def _filled_rings(picture_SS3: Picture, points_N2: Floats, rings: Sequence[NDArray[np.integer]]) -> Picture:
    corners = [np.rint(points_N2[ring, :2]).astype(np.int32) for ring in rings]
    return np.asarray(
        cv2.fillPoly(np.zeros(picture_SS3.shape[:2], dtype=np.uint8), corners, 1), dtype=np.uint8
    )


def _grown(mask_SS: Picture, side: int) -> Picture:
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask_SS, brush), dtype=np.uint8)


def _mean_colour(picture_SS3: Picture, where_SS: NDArray[np.bool_]) -> Colour:
    if not where_SS.any():
        return np.ones(3)
    return np.maximum(picture_SS3[where_SS].mean(axis=0, dtype=np.float64), 1.0)
