"""The eyes of a photo, closed: its lids brought down over its eyes, and a digital actor's lashes where they meet.

Moved down as a mesh, a lid would squeeze the eye behind it; a real one covers it.
Legend: F references of the donor that face the camera, N mesh points (478), P control points, S side of a picture
(512 px), H/W a part of it, 2/3 = (x, y[, z]), 3 = RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import pose
from stages.geometry.landmarks import EYES
from stages.moda.blinks import lid_opening
from stages.subject.donor import Donor, PhotoPose, below_nose, lid_colour
from stages.subject.library_file import StoredReferences
from stages.subject.made_references import MadeReferences
from stages.subject.template import Template
from stages.warp.candidates import CandidateMaker, SoftPart
from stages.warp.control_mesh import LEFT_EYE_RING, RIGHT_EYE_RING, ControlMesh
from stages.warp.plate import Picture
from stages.warp.references import FrameReferences

Floats = NDArray[np.float32]

_LOWERED: Final = ((0.3, 0.3), (0.5, 0.5), (1.0, 0.7))
"""How far lids are down, of all the way, in each picture, and how far they are said to be: motion that is commanded
leaves a fifth of the opening at the most closed of few frames, as trackers do. The last one is shut."""

_SHUT_SHARE: Final = 0.35
"""Of its usual opening: a donor whose eyes never close farther lends nothing."""

_EYE_GROWTH: Final = 1
_EYE_BLUR: Final = 0.7
_LASH_GROWTH: Final = 9
_LASH_BLUR: Final = 1.5
_MOST_COLOUR: Final = 4.0
_BRIGHTEST_LID: Final = 1.1
"""Of the skin about the eyes: what is brighter is no lid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShutEyes:
    """A donor's eyes where they are shut.

    Attributes:
        picture_SS3: the donor's, in the colours of the skin about the photo's eyes.
        points_P2: its control points.
        down_N3: what brings the photo's lids down all the way, px in canonical space.
    """

    picture_SS3: Picture
    points_P2: Floats
    down_N3: Floats

    @classmethod
    def of(cls, donor: Donor, *, photo: StoredReferences, canonical_N3: Floats) -> Self | None:
        """For a photo and its canonical mesh; None where the donor's eyes never are open and shut."""
        frontal = list(donor.frontal)
        shapes_FN3 = donor.template.mesh_N3 + donor.moved_RN3[frontal]
        opening_F = lid_opening(shapes_FN3[:, EYES])
        usual, own = float(np.median(opening_F)), float(lid_opening(canonical_N3[None, EYES])[0])
        shut, opened = int(opening_F.argmin()), int(np.abs(opening_F - usual).argmin())
        if usual <= 0 or opening_F[shut] > _SHUT_SHARE * usual:
            return None
        down_N3 = (shapes_FN3[shut] - shapes_FN3[opened]) * np.float32(own / usual)
        down_N3 *= 1.0 - below_nose(canonical_N3)
        # Irises are left among what moves: behind lids that close, trackers take them down, though eyes stay.
        lent_SS3 = donor.references.pictures_RSS3[frontal[shut]]
        points_P2 = donor.references.points_RP2[frontal[shut]]
        skin_3, lent_3 = (
            lid_colour(photo.pictures_RSS3[0], photo.points_RP2[0]),
            lid_colour(lent_SS3, points_P2),
        )
        gain_3 = np.clip(skin_3 / lent_3, 1 / _MOST_COLOUR, _MOST_COLOUR)
        # White of an eye that lids do not cover wholly: between lashes of a shut eye is skin.
        own_SS3 = np.minimum(np.rint(lent_SS3 * gain_3), _BRIGHTEST_LID * skin_3)
        return cls(
            picture_SS3=np.minimum(own_SS3, 255).astype(np.uint8),
            points_P2=points_P2,
            down_N3=down_N3.astype(np.float32),
        )


def with_donor_lids(
    library: StoredReferences, donor: Donor, *, face: PhotoPose, template: Template, control: ControlMesh
) -> StoredReferences:
    """The library of a photo, its first reference, with eyes that close behind it.

    Args:
        library: the library so far.
        donor: who lends the lashes of eyes that are shut.
        face: where the photo's face is.
        template: of the subject.
        control: of the subject.
    """
    shut = _ShutEyes.of(donor, photo=library, canonical_N3=face.canonical_N3)
    if shut is None:
        return library
    photo_SS3 = library.pictures_RSS3[0]
    maker = CandidateMaker(library=library.opened(), control=control)
    made = MadeReferences(face=face, template=template, control=control)
    for lowered, said in _LOWERED:
        shapes_2N3 = (
            face.canonical_N3 + np.array([lowered, said], dtype=np.float32)[:, None, None] * shut.down_N3
        )
        mesh_N3, said_N3 = pose(shapes_2N3, np.repeat(face.head_7[None], 2, axis=0))
        candidates = maker.make(
            mesh_N3=mesh_N3,
            head_7=face.head_7,
            torso_18x3=face.torso_18x3,
            references=FrameReferences.only(head=0, mouth=0, eyes=0),
        )
        for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
            if lowered < 1:
                _uncover(photo_SS3, mesh_N3[ring], onto_SS3=candidates.head_SS3)
            else:
                _lend_lashes(shut, ring, mesh_N3=mesh_N3, made=made, onto_SS3=candidates.head_SS3)
        made.add(candidates, mesh_N3=said_N3)
    return made.eyes_behind(library)


def _uncover(photo_SS3: Picture, ring_N3: Floats, *, onto_SS3: Picture) -> None:
    """Between lids that were lowered the eye is where it was."""
    eye = SoftPart.of(ring_N3, growth=_EYE_GROWTH, blur=_EYE_BLUR)
    if eye is not None:
        eye.paste(photo_SS3[eye.box], onto_SS3=onto_SS3)


def _lend_lashes(
    shut: _ShutEyes, ring: NDArray[np.integer], *, mesh_N3: Floats, made: MadeReferences, onto_SS3: Picture
) -> None:
    """Put a donor's lashes where lids meet."""
    lashes = SoftPart.of(mesh_N3[ring], growth=_LASH_GROWTH, blur=_LASH_BLUR)
    if lashes is None:
        return
    points_P2 = made.points(mesh_N3)
    from_P2 = points_P2.copy()
    from_P2[: len(mesh_N3)] = shut.points_P2[: len(mesh_N3)]
    raster = made.control.raster(points_P2, depth_N=mesh_N3[:, 2]).within(*lashes.cells)
    lashes.paste(raster.field_from(from_P2).move(shut.picture_SS3), onto_SS3=onto_SS3)
