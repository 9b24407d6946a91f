"""The mouth of a photo, opened: lips of the photo moved as a digital actor's move, with the actor's mouth inside.

A photo shows one mouth, mostly closed. What is behind its lips nobody knows; a donor lends it.
Legend: F references of the donor that face the camera, K mouths made, N mesh points (478), P control points, S side of
a picture (512 px), 2/3 = (x, y[, z]), 3 = RGB, 7 = head vector.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import pose
from stages.geometry.landmarks import INNER_LIP_RING
from stages.subject.donor import Donor, PhotoPose, below_nose, mouth_colour
from stages.subject.library_file import StoredReferences
from stages.subject.made_references import MadeReferences
from stages.subject.template import Template
from stages.warp.candidates import CandidateMaker, SoftPart
from stages.warp.control_mesh import ControlMesh
from stages.warp.keys import farthest_points, mouth_keys, openings
from stages.warp.plate import Picture
from stages.warp.references import FrameReferences

Floats = NDArray[np.float32]

MOUTHS: Final = 40
"""How many are made: with twice as many no mouth comes nearer that anybody would see, and a render loads longer."""

_LEAST_OPENING_PX: Final = 2.0
"""Below it lips touch, and the photo's own line between them is the better one."""

_INSIDE_GROWTH: Final = 3
_INSIDE_BLUR: Final = 1.0

_TEETH_GROWTH: Final = 7
_LIP_REACH: Final = 4.0
"""Side of the brush by which the inside of a mouth is grown to what lips are continued over, and from how far (px)."""

_COLOUR_POWER: Final = 0.5
"""Half of a difference in colour is the light's, half the skin's: teeth of dark faces are as white as others."""
_MOST_COLOUR: Final = 1.6

_TEETH_SHARE: Final = 0.3
_FEWEST_TEETH: Final = 40
_TOOTH_LEVEL: Final = 70.0
_TOOTH_HUE: Final = 0.35
"""Teeth are the brightest of what is between the lips, of at least so many pixels, and hardly of a hue."""


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
    shapes_FN3 = template.mesh_N3 + below_nose(template.mesh_N3) * donor.moved_RN3[list(donor.frontal)]
    head_F7 = np.repeat(face.head_7[None], len(shapes_FN3), axis=0)
    keys_FK = mouth_keys(shapes_FN3, head_F7)
    first = donor.frontal.index(donor.most_like(face.canonical_N3))
    # The first is the photo's own mouth, which is there already.
    picked = sorted(farthest_points(keys_FK, count=MOUTHS + 1, first=first)[1:])
    mesh_KN3 = pose(shapes_FN3[picked], head_F7[picked])
    is_open = bool(openings(photo.mouths_RK)[0] >= _LEAST_OPENING_PX)
    # Teeth that the photo shows must not stay between lips that close.
    shut = replace(photo, pictures_RSS3=_without_teeth(photo)[None]) if is_open else photo
    maker = CandidateMaker(library=shut.opened(), control=control)
    gain_3 = _gain(photo, donor, donor.frontal[first])
    made = MadeReferences(face=face, template=template, control=control)
    for place, mesh_N3 in zip(picked, mesh_KN3, strict=True):
        candidates = maker.make(
            mesh_N3=mesh_N3,
            head_7=face.head_7,
            torso_18x3=face.torso_18x3,
            references=FrameReferences.only(head=0, mouth=0, eyes=0),
        )
        points_P2 = made.points(mesh_N3)
        if is_open or openings(keys_FK[place : place + 1])[0] >= _LEAST_OPENING_PX:
            _lend(
                donor,
                donor.frontal[place],
                onto_SS3=candidates.head_SS3,
                mesh_N3=mesh_N3,
                points_P2=points_P2,
                control=control,
                gain_3=gain_3,
            )
        made.add(candidates, mesh_N3=mesh_N3)
    return made.mouths_behind(photo)


def _without_teeth(photo: StoredReferences) -> Picture:
    """The photo with its lips continued over what is between them."""
    picture_SS3 = photo.pictures_RSS3[0]
    inside_SS = np.zeros(picture_SS3.shape[:2], dtype=np.uint8)
    cv2.fillPoly(inside_SS, [np.rint(photo.points_RP2[0, INNER_LIP_RING]).astype(np.int32)], 255)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_TEETH_GROWTH, _TEETH_GROWTH))
    continued_SS3 = cv2.inpaint(picture_SS3, cv2.dilate(inside_SS, brush), _LIP_REACH, cv2.INPAINT_TELEA)
    return np.asarray(continued_SS3, dtype=np.uint8)


def _gain(photo: StoredReferences, donor: Donor, reference: int) -> NDArray[np.float64]:
    """By what the inside of the donor's mouth is multiplied."""
    own_SS3, own_P2 = photo.pictures_RSS3[0], photo.points_RP2[0]
    gain_3 = (mouth_colour(own_SS3, own_P2) / donor.colour(reference)) ** _COLOUR_POWER
    own, lent = (
        _teeth(picture_SS3, points_P2)
        for picture_SS3, points_P2 in (
            (own_SS3, own_P2),
            (donor.references.pictures_RSS3[reference], donor.references.points_RP2[reference]),
        )
    )
    # Where both show teeth, those of one mouth must be like those of the next.
    if own is not None and lent is not None:
        gain_3 = own / lent
    return np.clip(gain_3, 1 / _MOST_COLOUR, _MOST_COLOUR)


def _teeth(picture_SS3: Picture, points_P2: Floats) -> NDArray[np.float64] | None:
    """Mean colour (3,) of the teeth between lips; None where none are seen."""
    inside_SS = np.zeros(picture_SS3.shape[:2], dtype=np.uint8)
    cv2.fillPoly(inside_SS, [np.rint(points_P2[INNER_LIP_RING]).astype(np.int32)], 1)
    inside_K3 = picture_SS3[cv2.erode(inside_SS, np.ones((3, 3), dtype=np.uint8)) > 0].astype(np.float64)
    level_K = inside_K3.min(axis=1)
    if len(inside_K3) < _FEWEST_TEETH:
        return None
    teeth_K3 = inside_K3[level_K >= np.quantile(level_K, 1 - _TEETH_SHARE)]
    colour_3 = teeth_K3.mean(axis=0)
    return (
        colour_3 if colour_3.min() > _TOOTH_LEVEL and np.ptp(colour_3) < _TOOTH_HUE * colour_3.max() else None
    )


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
