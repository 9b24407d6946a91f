"""A small reference library of a digital actor whose pose, mouth and eyes are known in every picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from posed_actor import PosedActor

from stages.geometry.canonical import pose, straightened
from stages.geometry.landmarks import INNER_LIP_RING
from stages.payloads import PosedFace
from stages.subject.library_file import MASK_SIZE, StoredReferences, write_library
from stages.subject.package import LIBRARY_FILE, SubjectPackage
from stages.subject.template import Template
from stages.warp.control_mesh import LEFT_EYE_RING, RIGHT_EYE_RING
from stages.warp.keys import eye_keys, head_keys, mouth_keys
from stages.warp.plate import BackgroundPlate

LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324, 146, 91, 181, 84, 17, 314, 405, 321, 375)
UPPER_LIDS = (246, 161, 160, 159, 158, 157, 173, 466, 388, 387, 386, 385, 384, 398)

OPENINGS = (0.0, 8.0, 16.0, 24.0)
MOUTH_COLOURS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
"""Of the mouth's inside in each reference but the first, whose mouth is closed."""

PLATE = (40, 90, 160)


def with_mouth(canonical_N3: np.ndarray, opening: float) -> np.ndarray:
    moved_N3 = canonical_N3.copy()
    moved_N3[list(LOWER_LIP), 1] += np.float32(opening)
    return moved_N3


def with_lids(canonical_N3: np.ndarray, down: float) -> np.ndarray:
    moved_N3 = canonical_N3.copy()
    moved_N3[list(UPPER_LIDS), 1] += np.float32(down)
    return moved_N3


def template_of(actor: PosedActor) -> Template:
    return Template(mesh_N3=actor.canonical_N3, head_7=actor.head_7, torso_N3=actor.torso_18x3)


def still_plate(colour: tuple[int, int, int] = PLATE) -> BackgroundPlate:
    return BackgroundPlate(picture_SS3=np.full((512, 512, 3), colour, np.uint8), unseen=0.25, restless=0.0)


def person_mask(mesh_N3: np.ndarray) -> np.ndarray:
    """Head and what is below it, with a soft edge."""
    mask = np.zeros((512, 512), np.uint8)
    hull = cv2.convexHull(np.round(mesh_N3[:, :2]).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255)
    cv2.rectangle(mask, (60, 400), (452, 511), 255, -1)
    return cv2.GaussianBlur(cv2.dilate(mask, np.ones((41, 41), np.uint8)), (0, 0), 3)


def made_references(actor: PosedActor, *, plate: BackgroundPlate | None = None) -> StoredReferences:
    """One closed mouth, and three that open wider and wider and are coloured inside; eyes close likewise."""
    meshes, pictures, masks, points = [], [], [], []
    for opening, colour in zip(OPENINGS, MOUTH_COLOURS, strict=True):
        canonical_N3 = with_lids(with_mouth(actor.canonical_N3, opening), opening / 3)
        mesh_N3 = pose(canonical_N3[None], actor.head_7[None])[0]
        picture = actor.reference_HW3.copy()
        if opening:
            cv2.fillPoly(picture, [np.round(mesh_N3[INNER_LIP_RING, :2] - 0.5).astype(np.int32)], colour)
            for ring in (LEFT_EYE_RING, RIGHT_EYE_RING):
                cv2.fillPoly(picture, [np.round(mesh_N3[ring, :2] - 0.5).astype(np.int32)], colour)
        meshes.append(mesh_N3)
        pictures.append(picture)
        masks.append(cv2.resize(person_mask(mesh_N3), (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA))
        points.append(actor.control.points(mesh_N3=mesh_N3, head_7=actor.head_7, torso_18x3=actor.torso_18x3))
    canonical_TN3, head_T7 = straightened(np.stack(meshes), template_N3=actor.canonical_N3)
    return StoredReferences(
        plate=plate or still_plate(),
        pictures_RSS3=np.stack(pictures),
        masks_RMM=np.stack(masks),
        frames_R=np.arange(len(OPENINGS), dtype=np.int32),
        points_RP2=np.stack(points),
        heads_RK=head_keys(head_T7),
        mouths_RK=mouth_keys(canonical_TN3, head_T7),
        eyes_RK=eye_keys(canonical_TN3, head_T7),
    )


def write_package(folder: Path) -> Path:
    """A subject that is drawn by the warp alone; its name is the folder's."""
    actor = PosedActor.of()
    facts = {
        "name": folder.name,
        "consent": "fictional",
        "provenance": "made",
        "licence": "none",
        "renderer": "",
    }
    template = template_of(actor)
    SubjectPackage.write(folder, facts=facts, template=template, reference_HW3=actor.reference_HW3)
    write_library(folder / LIBRARY_FILE, made_references(actor), template=template)
    return folder


def talking(actor: PosedActor, frames: int) -> PosedFace:
    """A head that looks around, and a mouth that opens and closes."""
    swing_T = 12 - 12 * np.cos(np.arange(frames) * 0.45)
    canonical_TN3 = np.stack([with_mouth(actor.canonical_N3, opening) for opening in swing_T])
    return PosedFace(
        mesh_TN3=pose(canonical_TN3, actor.heads(frames)),
        torso_TN3=np.repeat(actor.torso_18x3[None], frames, axis=0).astype(np.float32),
    )
