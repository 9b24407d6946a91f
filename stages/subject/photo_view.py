"""What is seen in a photo: the face, framed as in a clip, shoulders, hands, and what is darker than skin.

Legend: H/W pixels, S side of the framed picture (512 px), N mesh points, 2/3 = (x, y[, z]), 3 = RGB, 7 = head vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import OUTER_LIP_RING
from stages.subject.donor import PhotoPose
from stages.subject.face_framing import framing_of
from stages.subject.face_tracker import FaceTracker, PersonSegmenter
from stages.subject.framing import Frame, Framing, resized
from stages.subject.hands import HandFinder, covered_share
from stages.subject.looks import MOST_FACES, Look, Looks, look_at
from stages.subject.observation import ShoulderPlan
from stages.subject.prepare import canonicalised
from stages.subject.torso import shoulder_heights, torso_track
from stages.warp.control_mesh import FACE_OVAL, LEFT_EYE_RING, RIGHT_EYE_RING

Floats = NDArray[np.float32]

_LOOKED_AT_PX: Final = 2048
"""Longer side of the copy in which faces are sought: the finder itself sees 192 px."""

_CHEEKS: Final = (50, 280)
"""Middles of the cheeks, seen in every pose that is not refused."""

_CHEEK_SHARE: Final = 0.06
"""Side of the patch of a cheek, in heights of the face."""
_SKIN_MARGIN: Final = 0.025
"""Likewise, the brush by which borders of the face, lips and eyes are left out of its skin."""

_FOREIGN_HUE: Final = 14.0
"""Distance in a and b of CIELAB from the median of a face, beyond which a colour is not of its skin."""
_EYE_GROWTH: Final = 0.06
"""Likewise, the brush by which eyes are grown to what glasses cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFaces:
    """Faces at first look.

    Attributes:
        look: of the whole photo, points in its px.
        width, height: of the photo.
    """

    look: Look
    width: int
    height: int

    @classmethod
    def of(cls, picture_HW3: Frame) -> Self:
        """Look for faces."""
        height, width = picture_HW3.shape[:2]
        scale = min(1.0, _LOOKED_AT_PX / max(height, width))
        small_HW3 = picture_HW3
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small_HW3 = np.asarray(
                cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA), dtype=np.uint8
            )
        with FaceTracker(faces=MOST_FACES) as tracker:
            found = look_at(tracker, small_HW3, frame=0, which_way_up=True)
        back_2 = np.array([width, height], dtype=np.float32) / np.array(
            small_HW3.shape[1::-1], dtype=np.float32
        )
        faces = tuple(np.asarray(points_N2 * back_2, dtype=np.float32) for points_N2 in found.faces_N2)
        return cls(look=Look(frame=0, faces_N2=faces, lean=found.lean), width=width, height=height)

    def framing(self, *, where: str) -> Framing:
        """The square about the tallest face. Raises SubjectError (``clip_no_face``) where there is none."""
        seen = Looks(
            width=self.width, height=self.height, frame_count=1, looks=(self.look,), cuts=(), jumps=()
        )
        return framing_of(seen, [self.look], where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoView:
    """A framed photo and what is seen in it.

    Attributes:
        picture_SS3: the framed photo.
        mesh_N3: (478, 3) points of the face.
        face: its canonical mesh, head vector and shoulders.
        person_SS: confidence in [0, 1] that a pixel is the person's.
        heights_18: heights of the shoulders, px on the canvas.
        hand_share: share of the face behind the hand that covers most of it.
        foreign_share: share of the skin of the face whose hue is not the skin's: a mask, a microphone.
        eyes_to_cheeks: brightness about an eye beside that of the cheek below it, of the side where it is brighter.
    """

    picture_SS3: Frame
    mesh_N3: Floats
    face: PhotoPose
    person_SS: Floats
    heights_18: Floats
    hand_share: float
    foreign_share: float
    eyes_to_cheeks: float

    @classmethod
    def of(cls, picture_HW3: Frame, *, faces: PhotoFaces, framing: Framing) -> Self | None:
        """Frame a photo and look at it; None where no face is found in the square."""
        side = (
            slice(framing.top, framing.top + framing.side),
            slice(framing.left, framing.left + framing.side),
        )
        picture_SS3 = np.ascontiguousarray(resized(picture_HW3[side], CANVAS))
        with FaceTracker() as tracker:
            track = tracker.track(picture_SS3)
        if track is None:
            return None
        plan = ShoulderPlan.of([faces.look], framing)
        with PersonSegmenter() as segmenter:
            person_SS = segmenter.mask(picture_SS3)
        heights_18 = shoulder_heights(person_SS, plan.columns_18, highest=plan.highest)
        with HandFinder() as finder:
            hands = finder.find(picture_SS3)
        canonical_1N3, head_17 = canonicalised(track.mesh_N3[None])
        torso_1x18x3 = torso_track(heights_18[None], plan.columns_18, track.mesh_N3[None])
        return cls(
            picture_SS3=picture_SS3,
            mesh_N3=track.mesh_N3,
            face=PhotoPose(canonical_N3=canonical_1N3[0], head_7=head_17[0], torso_18x3=torso_1x18x3[0]),
            person_SS=person_SS,
            heights_18=heights_18,
            hand_share=max(
                (covered_share(hand_212, track.mesh_N3[:, :2]) for hand_212 in hands), default=0.0
            ),
            foreign_share=_foreign_share(picture_SS3, track.mesh_N3),
            eyes_to_cheeks=_eyes_to_cheeks(picture_SS3, track.mesh_N3),
        )

    @property
    def cut_share(self) -> float:
        """Share of the border of the face that lies beyond that of the picture."""
        oval_O2 = self.mesh_N3[FACE_OVAL, :2]
        return float(((oval_O2 < 0) | (oval_O2 > CANVAS)).any(axis=1).mean())


def _foreign_share(picture_SS3: Frame, mesh_N3: Floats) -> float:
    """Beards and shadows are darker than skin, and of nearly its hue."""
    tall = float(np.ptp(mesh_N3[:, 1]))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(_SKIN_MARGIN * tall) + 1,) * 2)
    oval_SS, parts_SS = (
        cv2.fillPoly(
            np.zeros(picture_SS3.shape[:2], dtype=np.uint8),
            [np.rint(mesh_N3[ring, :2]).astype(np.int32) for ring in rings],
            1,
        )
        for rings in ([FACE_OVAL], [OUTER_LIP_RING, RIGHT_EYE_RING, LEFT_EYE_RING])
    )
    skin_SS = (cv2.erode(oval_SS, brush) > 0) & (cv2.dilate(parts_SS, brush) == 0)
    if not skin_SS.any():
        return 0.0
    lab_SS3 = cv2.cvtColor(picture_SS3.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    hues_K2 = lab_SS3[skin_SS][:, 1:]
    apart_K = np.linalg.norm(hues_K2 - np.median(hues_K2, axis=0), axis=1)
    return float((apart_K > _FOREIGN_HUE).mean())


def _eyes_to_cheeks(picture_SS3: Frame, mesh_N3: Floats) -> float:
    grey_SS = np.asarray(cv2.cvtColor(picture_SS3, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    tall = float(np.ptp(mesh_N3[:, 1]))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(_EYE_GROWTH * tall) + 1,) * 2)
    eyes = []
    for ring in (RIGHT_EYE_RING, LEFT_EYE_RING):
        eye_SS = np.zeros(grey_SS.shape, dtype=np.uint8)
        cv2.fillPoly(eye_SS, [np.rint(mesh_N3[ring, :2]).astype(np.int32)], 1)
        eyes.append(_middle(grey_SS[cv2.dilate(eye_SS, brush) > 0]))
    reach = max(1, round(_CHEEK_SHARE * tall))
    cheeks = []
    for x, y in np.clip(np.rint(mesh_N3[list(_CHEEKS), :2]).astype(int), 0, CANVAS - 1).tolist():
        cheeks.append(_middle(grey_SS[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach]))
    # Lenses darken both eyes, light from a side one half of the face.
    return max(eye / max(1.0, cheek) for eye, cheek in zip(eyes, cheeks, strict=True))


def _middle(levels: NDArray[np.uint8]) -> float:
    return float(np.median(levels)) if levels.size else 0.0
