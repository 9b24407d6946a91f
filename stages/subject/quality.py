"""Verdicts on a clip: what was measured, where the limit lies, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Final

from stages.errors import SubjectError
from stages.payloads import FRAMES_PER_SECOND
from stages.subject.audio_offset import CLEAR_CORRELATION, CORRECTED_FROM, AudioOffset
from stages.subject.looks import Look, Looks
from stages.subject.measures import TrackMeasures
from stages.video.decoding import VideoFacts as VideoFacts
from stages.video.pixels import Rendering
from stages.video.unfit import Unfit, fit_frames

_SHORTEST_SECONDS: Final = 2
_MOST_DAMAGED: Final = 0.5
_MOST_LOST: Final = 0.01
"""Of the pictures: encoders repeat one in 200 that shows next to no motion."""


class Level(StrEnum):
    """How a verdict ends."""

    OK = "ok"
    WARNING = "warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that was looked at.

    Attributes:
        code: stable name; errors carry it behind ``clip.``.
        level: how it ends.
        measured: the value, with its unit.
        threshold: the limit it is held against.
        advice: what to do about it; empty when it is well.
    """

    code: str
    level: Level
    measured: str
    threshold: str
    advice: str = ""


def refuse(verdicts: Sequence[Verdict], *, where: str, family: str = "clip") -> None:
    """Raise SubjectError for the first verdict that refuses a clip or a photo; `family` and its own make the code."""
    for verdict in verdicts:
        if verdict.level is Level.REFUSED:
            raise SubjectError(
                code=f"{family}_{verdict.code}",
                where=where,
                what=f"{verdict.measured}; {verdict.threshold}",
                hint=verdict.advice,
            )


def refused_by(error: SubjectError) -> Verdict:
    """The verdict that a step's own refusal comes to."""
    return Verdict(
        code=error.code.removeprefix("clip_"),
        level=Level.REFUSED,
        measured=error.what,
        threshold="a subject is drawn from pictures of the clip",
        advice=error.hint,
    )


def judge_file(facts: VideoFacts) -> list[Verdict]:
    """What can be said without reading the pictures."""
    return [
        graded(
            "no_sound",
            refused=not facts.has_sound,
            measured="sound" if facts.has_sound else "no sound",
            threshold="a clip needs the speech of its speaker",
            advice="record picture and sound together",
        ),
        Verdict(
            code="picture_rate",
            level=Level.OK,
            measured=f"{float(facts.fps):.2f} fps{', varying' if facts.rate_varies else ''}",
            threshold=f"put on {FRAMES_PER_SECOND} fps by its timestamps",
        ),
        graded(
            "orientation",
            warned=facts.rendering.orientation.is_odd,
            measured=facts.rendering.orientation.sentence() or "stored upright",
            threshold="shown as the metadata says, to a quarter turn",
            advice="turn the clip upright before it is handed in",
        ),
        _colours(facts.rendering),
        Verdict(
            code="interlaced",
            level=Level.OK,
            measured="two fields a frame" if facts.rendering.interlaced else "whole frames",
            threshold="fields are made into whole frames",
        ),
    ]


def judge_looks(looks: Looks) -> list[Verdict]:
    """What the first look tells: length, cuts, faces and their size, over the longest shot."""
    start, stop = looks.longest_shot
    chosen = looks.within(start, stop)
    heights = sorted(look.heights[0] for look in chosen if look.heights)
    seconds = (stop - start) / FRAMES_PER_SECOND
    verdicts = [
        *judge_faces(chosen),
        _combing(chosen),
        _frozen(looks),
        _damage(looks),
        _frames_lost(looks),
        graded(
            "too_short",
            refused=seconds < _SHORTEST_SECONDS,
            warned=seconds < 30,
            measured=f"{seconds:.1f} s{' in the longest shot' if looks.cuts else ''}",
            threshold="at least 2 s, better 30 s or more",
            advice="record a minute or two: what a renderer has not seen it cannot draw",
        ),
        _cuts(looks),
    ]
    if not heights:
        # First: whatever else is wrong with it, it is no clip of a person.
        return [
            graded(
                "no_face",
                refused=True,
                measured="no face in any of the looks",
                threshold="one face is needed",
                advice="use a clip with one face, seen from the front and well lit",
            ),
            *verdicts,
        ]
    height = heights[len(heights) // 2]
    return [
        *verdicts,
        graded(
            "low_resolution",
            refused=height < 64,
            warned=height < 200,
            measured=f"face {height:.0f} px high",
            threshold="at least 64 px, better 200 px or more",
            advice="move the camera closer, or hand in the recording before it was scaled down",
        ),
    ]


def judge_faces(looks: Sequence[Look]) -> list[Verdict]:
    """Whether looks show one face, upright."""
    return [_way_up(looks), _several_faces(looks)]


def judge_tracks(measures: TrackMeasures, *, detected: float) -> list[Verdict]:
    """What the tracks tell."""
    return [
        graded(
            "face_lost",
            refused=detected < 0.9,
            warned=detected < 0.99,
            measured=f"a face in {detected:.1%} of the frames",
            threshold="at least 90 %, better 99 % or more",
            advice="use a clip in which one face stays in view",
        ),
        graded(
            "profile",
            refused=measures.profile_share > 0.5,
            warned=measures.profile_share > 0.05,
            measured=f"turned by more than 35 degrees in {measures.profile_share:.0%} of the frames",
            threshold="at most 50 %, better 5 % or less",
            advice="record from the front: a mesh seen from the side is half guessed",
        ),
        graded(
            "occlusion",
            warned=measures.disturbed_share > 0.01,
            measured=f"face out of shape or jumping in {measures.disturbed_share:.1%} of the frames",
            threshold="better 1 % or less",
            advice="keep hands, microphones and hair out of the face; look at the pictures below",
        ),
        graded(
            "shaky",
            warned=measures.jitter_px > 1.0,
            measured=f"jitter of the points {measures.jitter_px:.2f} px at 120 px between the eyes",
            threshold="better 1 px or less",
            advice="more light, less compression, a camera on a stand",
        ),
        graded(
            "shoulders",
            warned=not measures.shoulders_visible,
            measured="visible" if measures.shoulders_visible else "not visible",
            threshold="better visible",
            advice="the subject will be rendered without shoulder motion; frame wider to have it",
        ),
        graded(
            "silence",
            refused=measures.voiced_share < 0.1,
            warned=measures.voiced_share < 0.4,
            measured=f"sound in {measures.voiced_share:.0%} of the frames",
            threshold="at least 10 %, better 40 % or more",
            advice="use a clip in which the subject speaks most of the time, and check the level of the sound",
        ),
    ]


def judge_offset(offset: AudioOffset, *, corrected: float, told: bool) -> Verdict:
    """How sound and lips fit. `corrected` frames were taken out, which the user was asked for where `told`."""
    # Without a minus before nothing.
    lag = round(offset.lag, 1) + 0.0
    found = f"the sound lags the lips by {lag:.1f} frames (agreement {offset.correlation:.2f})"
    unclear = not offset.is_clear
    if unclear:
        found = f"not clear, best at {lag:.1f} frames (agreement {offset.correlation:.2f})"
    if corrected:
        found += f"; {corrected:g} corrected{', as told' if told else ''}"
    advice = "if that is wrong, prepare again with --audio-lag"
    if unclear:
        advice = "check that the one in view is the one heard; give --audio-lag if you know it"
    return graded(
        "sound_offset",
        warned=unclear or corrected != 0,
        measured=found,
        threshold=f"clear from an agreement of {CLEAR_CORRELATION:g} on; "
        f"{CORRECTED_FROM:g} frames or more are corrected",
        advice=advice,
    )


def judge_overlap(frame_count: int) -> Verdict:
    """Whether enough is left where picture and sound overlap."""
    seconds = frame_count / FRAMES_PER_SECOND
    return graded(
        "overlap",
        refused=seconds < _SHORTEST_SECONDS,
        measured=f"picture and sound together {seconds:.1f} s",
        threshold=f"at least {_SHORTEST_SECONDS} s",
        advice="check that the sound belongs to the picture, and --audio-lag",
    )


def _cuts(looks: Looks) -> Verdict:
    start, stop = looks.longest_shot
    if looks.cuts:
        times = ", ".join(f"{frame / FRAMES_PER_SECOND:.2f} s" for frame in looks.cuts[:5])
        return graded(
            "cuts",
            warned=True,
            measured=f"{len(looks.cuts)} cuts, at {times}{' ...' if len(looks.cuts) > 5 else ''}",
            threshold="one shot",
            advice="only the longest shot is used, "
            f"from {start / FRAMES_PER_SECOND:.2f} to {stop / FRAMES_PER_SECOND:.2f} s",
        )
    times = ", ".join(f"{frame / FRAMES_PER_SECOND:.2f} s" for frame in looks.jumps[:5])
    return graded(
        "cuts",
        warned=bool(looks.jumps),
        measured=f"no cut, but a jump at {times}" if looks.jumps else "no cut",
        threshold="one shot",
        advice="parts were cut out of the clip; a take without edits trains better",
    )


def _colours(rendering: Rendering) -> Verdict:
    told = "BT.709" if rendering.tone_map is None else rendering.tone_map.sentence()
    return graded(
        "colours",
        warned=rendering.has_alpha,
        measured=f"{told}; with a channel of opacity" if rendering.has_alpha else told,
        threshold="brought to BT.709; opacity is left out",
        advice="export the clip over its background: what is to be seen through shows whatever lies behind",
    )


def _combing(looks: Sequence[Look]) -> Verdict:
    combing = median([look.combing for look in looks] or [0.0])
    return graded(
        "combing",
        warned=combing > 3e-4,
        measured=f"lines of two moments in {combing:.3%} of the picture",
        threshold="better 0.03 % or less",
        advice="the clip was recorded in fields and does not say so: deinterlace it, ffmpeg -i IN -vf bwdif OUT",
    )


def _damage(looks: Looks) -> Verdict:
    start, stop = looks.longest_shot
    spans = [span for span in looks.unfit if span.reason in (Unfit.LOST, Unfit.DAMAGED)]
    share = 1 - len(fit_frames(spans, start=start, stop=stop)) / max(1, stop - start)
    return graded(
        "damaged",
        refused=share > _MOST_DAMAGED,
        warned=share > 0,
        measured=f"{share:.1%} of the pictures are missing or hang on damaged data",
        threshold=f"at most {_MOST_DAMAGED:.0%}, better none",
        advice="nothing is learnt from these; hand in the recording itself, or copy it again",
    )


def _frames_lost(looks: Looks) -> Verdict:
    """Never refused: where much is lost at once, the picture is damaged or frozen."""
    account = looks.account
    lost, repeated = account.lost, account.repeated
    share = float((lost.seconds + repeated.seconds) / account.read) if account.read else 0.0
    found = []
    if lost:
        found.append(f"{account.lost_pictures} by the clock, {lost.places()}")
    if repeated:
        found.append(f"at least {repeated.count} of which the one before is shown again, {repeated.places()}")
    return graded(
        "frames_lost",
        warned=share > _MOST_LOST,
        measured=f"{share:.1%}: {'; '.join(found)}" if found else "none",
        threshold=f"better {_MOST_LOST:.0%} or less",
        advice="lips stand still there while the speech goes on: hand in the recording at its own frame rate; "
        "more light and a faster disk keep a camera from dropping frames",
    )


def _frozen(looks: Looks) -> Verdict:
    start, stop = looks.longest_shot
    spans = [span for span in looks.unfit if span.reason == Unfit.FROZEN]
    frozen = stop - start - len(fit_frames(spans, start=start, stop=stop))
    still = looks.account.frozen
    return graded(
        "frozen",
        refused=2 * frozen > stop - start,
        warned=frozen > 0,
        measured=f"the picture stands still for {float(still.seconds):.1f} s, {still.places()}"
        if still
        else "nowhere",
        threshold="at most half of the clip; nothing is learnt where it stands still",
        advice="cut out where the picture stands still, or record again",
    )


def _way_up(looks: Sequence[Look]) -> Verdict:
    lean = median([abs(look.lean) for look in looks if look.lean is not None] or [0.0])
    return graded(
        "upside_down",
        refused=lean > 75,
        warned=lean > 45,
        measured=f"the face leans by {lean:.0f} degrees",
        threshold="at most 75 degrees, better 45 or less",
        advice="turn the clip upright and hand it in again, or record it with the camera upright",
    )


def _several_faces(looks: Sequence[Look]) -> Verdict:
    second = [look.heights[1] / look.heights[0] if len(look.heights) > 1 else 0.0 for look in looks]
    rivals = sum(share >= 0.5 for share in second) / max(1, len(second))
    any_other = sum(share > 0.0 for share in second) / max(1, len(second))
    return graded(
        "several_faces",
        refused=rivals > 0.5,
        warned=any_other > 0,
        measured=f"a second face in {any_other:.0%} of the looks, of comparable size in {rivals:.0%}",
        threshold="one face; refused when another of half its height is in most looks",
        advice="crop the clip to one person",
    )


def graded(
    code: str, *, measured: str, threshold: str, advice: str = "", refused: bool = False, warned: bool = False
) -> Verdict:
    """A verdict of the worst level that holds, with its advice where it is not well."""
    level = Level.REFUSED if refused else Level.WARNING if warned else Level.OK
    return Verdict(
        code=code,
        level=level,
        measured=measured,
        threshold=threshold,
        advice="" if level is Level.OK else advice,
    )
