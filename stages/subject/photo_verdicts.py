"""Verdicts on a photo: what a subject made from one picture needs, what was measured, and what to do about it."""

from __future__ import annotations

from typing import Final

import numpy as np

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import EYES
from stages.metrics.landmarks import mouth_opening
from stages.moda.blinks import lid_opening
from stages.subject.looks import Look
from stages.subject.photo_file import Photo
from stages.subject.photo_view import PhotoView
from stages.subject.quality import Level, Verdict, graded

_LEAST_FACE_PX: Final = 100
_GOOD_FACE_PX: Final = 200
_MOST_YAW, _GOOD_YAW = 25.0, 12.0
_MOST_PITCH, _GOOD_PITCH = 25.0, 15.0
_MOST_ROLL, _GOOD_ROLL = 30.0, 12.0
"""Degrees. What is turned away was not seen: turned back, a cheek is torn."""

_MOST_LEAN: Final = 75.0

_MOST_HAND: Final = 0.15
_SEEN_HAND: Final = 0.02
"""Of the face. The finder takes a chin for a hand now and then, which covers little."""

_MOST_FOREIGN, _SEEN_FOREIGN = 0.35, 0.2
"""Of the skin of the face. A mask from nose to chin makes 0.41; a frame of each of 24 clips had at most 0.28."""

_DARK_EYES: Final = 0.4
_SHADED_EYES: Final = 0.55
"""Brightness about both eyes beside the cheeks'. Lenses are below 0.3; bare eyes of the clips above 0.5."""

_CLOSED_PX: Final = 6.0
"""Between the lips, canonical: teeth that show are kept at rest and give way to the donor's in speech."""

_SHUT_PX, _NARROW_PX = 3.0, 7.0
"""Between the lids, canonical: wide open eyes have 16 to 22, narrow ones 6."""

_MOST_CUT: Final = 0.15
_SHOULDER_BOTTOM: Final = CANVAS - 4


def judge_photo(photo: Photo) -> Verdict:
    """What the file is like."""
    return graded(
        "transparent",
        warned=photo.transparent > 0,
        measured=f"{photo.transparent:.0%} of the picture lets something through",
        threshold="better none: grey is put behind it",
        advice="export the photo with its background",
    )


def judge_faces_of_photo(look: Look) -> list[Verdict]:
    """Whether there is one face, upright and large enough, at first look."""
    heights, lean = look.heights, abs(look.lean or 0.0)
    way_up = graded(
        "upside_down",
        refused=lean > _MOST_LEAN,
        measured=f"the face leans by {lean:.0f} degrees",
        threshold=f"at most {_MOST_LEAN:.0f} degrees",
        advice="turn the photo upright",
    )
    if not heights:
        none = graded(
            "no_face",
            refused=True,
            measured="no face was found",
            threshold="one face is needed",
            advice="use a photo of one face, seen from the front and well lit",
        )
        # A face that stands on its head is often found only when the picture is turned.
        return [way_up, none] if way_up.level is Level.REFUSED else [none]
    rival = heights[1] / heights[0] if len(heights) > 1 else 0.0
    return [
        way_up,
        graded(
            "several_faces",
            refused=rival >= 0.5,
            warned=rival > 0,
            measured=f"{len(heights)} faces, the second {rival:.0%} as high as the first"
            if rival
            else "one face",
            threshold="one face; refused when another is half as high",
            advice="crop the photo to one person",
        ),
        graded(
            "low_resolution",
            refused=heights[0] < _LEAST_FACE_PX,
            warned=heights[0] < _GOOD_FACE_PX,
            measured=f"face {heights[0]:.0f} px high",
            threshold=f"at least {_LEAST_FACE_PX} px, better {_GOOD_FACE_PX} px or more",
            advice="hand in the photo as it was taken, or one from nearer",
        ),
    ]


def judge_view(view: PhotoView | None) -> list[Verdict]:
    """What the framed photo shows; None where no face was found in it."""
    if view is None:
        return [
            graded(
                "face_lost",
                refused=True,
                measured="no face was found in the square about it",
                threshold="the face must be seen with some room around it",
                advice="use a photo of one face with room around it",
            )
        ]
    return [*_turned(view), *_covered(view), _eyes(view), _mouth(view), _shoulders(view)]


def _turned(view: PhotoView) -> list[Verdict]:
    yaw, pitch, roll = (abs(float(angle)) for angle in view.face.head_7[:3])
    advice = "take a photo from the front, at the height of the eyes: what is turned away cannot be drawn"
    return [
        graded(
            "profile",
            refused=yaw > _MOST_YAW,
            warned=yaw > _GOOD_YAW,
            measured=f"turned by {yaw:.0f} degrees to the side",
            threshold=f"at most {_MOST_YAW:.0f} degrees, better {_GOOD_YAW:.0f} or less",
            advice=advice,
        ),
        graded(
            "pitch",
            refused=pitch > _MOST_PITCH,
            warned=pitch > _GOOD_PITCH,
            measured=f"turned by {pitch:.0f} degrees up or down",
            threshold=f"at most {_MOST_PITCH:.0f} degrees, better {_GOOD_PITCH:.0f} or less",
            advice=advice,
        ),
        graded(
            "roll",
            refused=roll > _MOST_ROLL,
            warned=roll > _GOOD_ROLL,
            measured=f"leaning by {roll:.0f} degrees",
            threshold=f"at most {_MOST_ROLL:.0f} degrees, better {_GOOD_ROLL:.0f} or less",
            advice="hold the head upright, or turn the photo",
        ),
    ]


def _covered(view: PhotoView) -> list[Verdict]:
    return [
        graded(
            "hands",
            refused=view.hand_share > _MOST_HAND,
            warned=view.hand_share > _SEEN_HAND,
            measured=f"a hand before {view.hand_share:.0%} of the face" if view.hand_share else "none seen",
            threshold=f"before at most {_MOST_HAND:.0%} of the face, better nowhere",
            advice="use a photo without a hand at the face",
        ),
        graded(
            "covered",
            refused=view.foreign_share > _MOST_FOREIGN,
            warned=view.foreign_share > _SEEN_FOREIGN,
            measured=f"{view.foreign_share:.0%} of the face has not the hue of its skin",
            threshold=f"at most {_MOST_FOREIGN:.0%}, better {_SEEN_FOREIGN:.0%} or less",
            advice="use a photo with nothing before the face: no mask, microphone or scarf, and light of one colour",
        ),
        graded(
            "sunglasses",
            refused=view.eyes_to_cheeks < _DARK_EYES,
            warned=view.eyes_to_cheeks < _SHADED_EYES,
            measured=f"about the eyes {view.eyes_to_cheeks:.2f} of the brightness of the cheeks",
            threshold=f"at least {_DARK_EYES:.2f}, better {_SHADED_EYES:.2f} or more",
            advice="use a photo without sunglasses, and with light on the eyes",
        ),
        graded(
            "leaves_square",
            refused=view.cut_share > _MOST_CUT,
            warned=view.cut_share > 0,
            measured=f"{view.cut_share:.0%} of the outline of the face lies beyond the border",
            threshold=f"at most {_MOST_CUT:.0%}, better none",
            advice="use a photo with room around the head",
        ),
    ]


def _eyes(view: PhotoView) -> Verdict:
    opening = float(lid_opening(view.face.canonical_N3[None, EYES])[0])
    return graded(
        "eyes_closed",
        refused=opening < _SHUT_PX,
        warned=opening < _NARROW_PX,
        measured=f"lids {opening:.0f} px apart, at 120 px between the eyes",
        threshold=f"at least {_SHUT_PX:.0f} px, better {_NARROW_PX:.0f} px or more",
        advice="use a photo with open eyes: what is behind closed lids cannot be drawn",
    )


def _mouth(view: PhotoView) -> Verdict:
    opening = float(mouth_opening(view.face.canonical_N3[None])[0])
    return graded(
        "mouth_open",
        warned=opening > _CLOSED_PX,
        measured=f"lips {opening:.0f} px apart, at 120 px between the eyes",
        threshold=f"better {_CLOSED_PX:.0f} px or less",
        advice="close the mouth: teeth that show in the photo differ from those that show in speech",
    )


def _shoulders(view: PhotoView) -> Verdict:
    seen = bool(np.mean(view.heights_18 < _SHOULDER_BOTTOM) > 0.25)
    return graded(
        "shoulders",
        warned=not seen,
        measured="visible" if seen else "not visible",
        threshold="better visible",
        advice="the subject will be rendered without shoulder motion; use a photo with shoulders to have it",
    )


def judge_donor(name: str | None) -> Verdict:
    """Whose mouth is behind the lips, and whose lashes are seen where lids meet."""
    return graded(
        "donor",
        warned=name is None,
        measured=f"the inside of the mouth and lashes that meet are of {name}, a digital actor"
        if name
        else "nobody lends the inside of the mouth, or lashes",
        threshold="a photo shows one mouth: of any other the inside is borrowed",
        advice="no digital actor with a reference library is installed: lips will stretch, and shut eyes show a slit",
    )
