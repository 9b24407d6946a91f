"""Verdicts on what else is in view: a background that moves, hands, and a subject that leaves its square.

Legend: K looks, 3 = (frame, a hand in view, before the face).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.subject.camera_motion import CameraMotion
from stages.subject.measures import TrackMeasures
from stages.subject.quality import Level, Verdict, graded
from stages.video.unfit import UnfitFrames, fit_frames
from stages.warp.plate import RESTLESS_SHARE, BackgroundPlate

_MOST_MOVED_PX: Final = 3.0
"""Of a camera on a stand 0.0 to 1.2 were measured, of one that follows its subject from 4.5 on."""
_LEAST_TOLD: Final = 0.5
"""Share of the looks in which a background has to be followed before it is called still."""
_LEAST_MOVING: Final = 0.2
"""Likewise before it is called moving."""
_MOST_HANDS: Final = 0.05
_MOST_COVERED: Final = 0.5
_MOST_FACE_CUT, _MOST_HEAD_CUT, _MOST_SHOULDERS_GONE = 0.01, 0.05, 0.1


def judge_camera(camera: CameraMotion) -> Verdict:
    """Whether the background moves. Never refused: face and body are learnt all the same."""
    code, threshold = "moving_camera", f"better {_MOST_MOVED_PX:.0f} px or less on the square of 512"
    if camera.moved_px > _MOST_MOVED_PX and camera.told_share > _LEAST_MOVING:
        return Verdict(
            code=code,
            level=Level.WARNING,
            measured=f"the background {camera.kind} by up to {camera.moved_px:.0f} px from its usual place, "
            f"seen in {camera.told_share:.0%} of the looks",
            threshold=threshold,
            advice="the renderer draws the one background it has learnt, which gets soft where it moved; "
            "put the camera on a stand, and switch stabilisation and automatic framing off",
        )
    if camera.told_share < _LEAST_TOLD:
        return Verdict(
            code=code,
            level=Level.OK,
            measured="cannot be told: the background is blank, or moves by itself",
            threshold=threshold,
        )
    return Verdict(
        code=code,
        level=Level.OK,
        measured=f"the background stays within {camera.moved_px:.1f} px of its place",
        threshold=threshold,
    )


def judge_hands(
    hands_K3: NDArray[np.int32], *, covered: tuple[UnfitFrames, ...], frame_count: int
) -> Verdict:
    """Whether hands are in view, and for how much of the clip one is before the face."""
    in_view = float(np.mean(hands_K3[:, 1] > 0)) if len(hands_K3) else 0.0
    share = 1 - len(fit_frames(covered, start=0, stop=frame_count)) / max(1, frame_count)
    return graded(
        "hands",
        refused=share > _MOST_COVERED,
        warned=share > 0 or in_view > _MOST_HANDS,
        measured=f"in view in {in_view:.0%} of the looks; before the face in up to {share:.1%} of the frames",
        threshold=f"before the face at most {_MOST_COVERED:.0%}, better never; in view better "
        f"{_MOST_HANDS:.0%} or less",
        advice="nothing is learnt where a hand is before the face; a hand before the body is learnt as clothing, "
        "so keep hands down",
    )


def judge_background(plate: BackgroundPlate) -> Verdict:
    """What the background is worth. Never refused: one that moves stays in each reference."""
    seen = f"{plate.unseen:.0%} of it was never seen"
    return graded(
        "background",
        warned=not plate.is_still,
        measured=f"stands still; {seen}"
        if plate.is_still
        else f"moves in {plate.restless:.0%} of its places; {seen}",
        threshold=f"better still in {1 - RESTLESS_SHARE:.0%} of its places or more",
        advice="the subject is not cut out of it: it is drawn as it was behind each reference and moves with the head; "
        "keep what is behind the person still, and the camera on a stand",
    )


def judge_square(measures: TrackMeasures) -> Verdict:
    """Whether the subject stays in its square."""
    return graded(
        "leaves_square",
        refused=measures.face_cut_share > 0.5,
        warned=measures.face_cut_share > _MOST_FACE_CUT
        or measures.head_cut_share > _MOST_HEAD_CUT
        or measures.shoulders_gone_share > _MOST_SHOULDERS_GONE,
        measured=f"cut off by the border: the face in {measures.face_cut_share:.1%} of the frames, more of the head "
        f"than usual in {measures.head_cut_share:.1%}, the shoulders in {measures.shoulders_gone_share:.1%}",
        threshold=f"the face at most 50 %, better {_MOST_FACE_CUT:.0%} or less; the head {_MOST_HEAD_CUT:.0%}, "
        f"the shoulders {_MOST_SHOULDERS_GONE:.0%}",
        advice="stay in the middle of the picture, and leave room around the head: one square is cut out for the "
        "whole clip, around where the face usually is",
    )
