"""Fitting a subject's limits: its renderer draws parts of its own clip, and what it comes to there is good.

Legend: T frames, L cells of a look's side, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np

from stages.geometry.canonical import pose
from stages.inspection.checks import Limits, Range, SegmentFigures, judge
from stages.inspection.inspector import SegmentInspector
from stages.inspection.look import Look, look_of
from stages.inspection.norms import FittedOn, Norms, drawing_sha256, write_norms
from stages.payloads import PosedFace
from stages.render.renderer_loading import load_renderer
from stages.render.renderer_stage import RendererStage
from stages.render.warped_stage import WarpedStage
from stages.subject.frames import stored_frames
from stages.subject.package import SubjectPackage
from stages.subject.quality import Verdict, graded
from stages.subject.tracks import ClipTracks
from stages.training.split import training_frames

RUN_FRAMES: Final = 25
RUNS: Final = 2
"""What is drawn: enough to see how a renderer errs, in seconds."""

_LOOKED_AT: Final = 32
"""Frames of the clip whose mean is the subject's look."""

MARGIN: Final = 2.0
"""How far beyond the worst good segment a limit lies, as a factor: words and poses that were not tried come."""

ROUGH_MARGIN: Final = 3.0
"""The same for the response of the mouth's opening, a quotient of two small distances."""

_WIDEST: Final = 3.0
"""A limit for all is never widened beyond this factor: what would need it is no good picture."""

_COUNTED: Final = ("frozen_frames", "black_frames", "not_finite_frames")


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedNorms:
    """What was written into a package.

    Attributes:
        limits: The subject's own.
        fitted: What they were fitted on.
        beyond: What of the subject's own clip is not good all the same, in words; renders of it would be refused.
    """

    limits: Limits
    fitted: FittedOn
    beyond: tuple[str, ...]


def fit_norms(
    subject: SubjectPackage,
    *,
    folder: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FittedNorms:
    """Fit a subject's limits to what it is drawn with now, and write them into its package.

    What nothing was learnt from is drawn: the end of the clip, and what comes before it where that is too short.

    Args:
        subject: The package, as it is.
        folder: Where it lies, with its prepared clip.
        progress: Called with frames done and in all.

    Raises:
        SubjectError: There is no prepared clip beside the package, or its references are damaged.
        WeightsError: The weights are of another network, or of another subject.
    """
    tracks = ClipTracks.load(folder)
    mesh_TN3 = pose(tracks.canonical_TN3, tracks.head_T7)
    renderer = load_renderer(subject=subject, device="cpu")
    runs = fitted_runs(tracks)
    faces = [
        PosedFace(mesh_TN3=mesh_TN3[run.start : run.stop], torso_TN3=tracks.torso_TN3[run.start : run.stop])
        for run in runs
    ]
    return _fitted(
        subject,
        renderer,
        list(zip(runs, faces, strict=True)),
        folder=folder,
        look_LL3=_clip_look(folder, tracks, size=renderer.size),
        unseen=sum(frame >= _trained(tracks) for run in runs for frame in run),
        progress=progress,
    )


def fit_to_motion(
    subject: SubjectPackage,
    faces: Sequence[PosedFace],
    *,
    folder: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FittedNorms:
    """Likewise for a subject without a clip: faces that move as in its videos are drawn, and none of them was seen.

    Args:
        subject: The package, as it is.
        faces: Runs of neighbouring frames.
        folder: Where it lies.
        progress: Called with frames done and in all.

    Raises:
        SubjectError: Its references are damaged.
        WeightsError: The weights are of another network, or of another subject.
    """
    renderer = load_renderer(subject=subject, device="cpu")
    return _fitted(
        subject,
        renderer,
        [(range(face.frame_count), face) for face in faces],
        folder=folder,
        look_LL3=Norms.for_all(subject, size=renderer.size).look_LL3,
        unseen=sum(face.frame_count for face in faces),
        progress=progress,
    )


def _fitted(
    subject: SubjectPackage,
    renderer: RendererStage | WarpedStage,
    runs: Sequence[tuple[range, PosedFace]],
    *,
    folder: Path,
    look_LL3: Look,
    unseen: int,
    progress: Callable[[int, int], None],
) -> FittedNorms:
    """Draw runs of frames, and write limits that hold what comes of it."""
    norms = replace(Norms.for_all(subject, size=renderer.size), look_LL3=look_LL3)
    inspector = SegmentInspector.of(norms)
    total, done, figures = sum(len(frames) for frames, _ in runs), 0, list[SegmentFigures]()
    try:
        for frames, face in runs:
            inspection, before = inspector.begin(face), renderer.not_finite_frames
            for _ in inspection.watch(renderer.render(face, first_frame=frames.start)):
                done += 1
                progress(done, total)
            figures.append(inspection.figures(not_finite_frames=renderer.not_finite_frames - before))
    finally:
        inspector.close()
    limits = widened_limits(figures)
    beyond = _beyond(figures, limits)
    if beyond:
        # What is bad must not become normal.
        limits = Limits()
    fitted = FittedOn(frames=total, unseen=unseen, drawn_by=drawing_sha256(subject))
    write_norms(folder, limits=limits, look_LL3=look_LL3, fitted=fitted)
    return FittedNorms(limits=limits, fitted=fitted, beyond=beyond)


def fitted_runs(tracks: ClipTracks) -> list[range]:
    """Which frames are drawn: runs of neighbours that may be learnt from, of the unseen end first."""
    count = tracks.frame_count
    length = min(RUN_FRAMES, count)
    learnable = set(tracks.learnable())
    runs = [range(stop - length, stop) for stop in range(count, length - 1, -length)]
    # Where no run is fit throughout, the end of the clip has to do.
    whole = [run for run in runs if learnable.issuperset(run)] or runs[:1]
    unseen = [run for run in whole if run.start >= _trained(tracks)]
    picked = [unseen[0], unseen[-1]] if len(unseen) >= RUNS else whole[:RUNS]
    return sorted(picked, key=lambda run: run.start)


def widened_limits(segments: Sequence[SegmentFigures]) -> Limits:
    """The limits for all, wider where good segments come near them or lie beyond.

    Never tighter: the clip shows one kind of motion, and a render asks for others. Counts keep theirs.
    """
    usual = Limits()
    return Limits(
        **{
            field.name: _widened(field.name, getattr(usual, field.name), segments)
            for field in fields(Limits)
            if field.name not in _COUNTED
        }
    )


def _widened(name: str, usual: Range, segments: Sequence[SegmentFigures]) -> Range:
    values = [value for one in segments if (value := getattr(one, name)) is not None]
    if not values:
        return usual
    margin = ROUGH_MARGIN if name == "opening_response" else MARGIN
    least, most = usual.at_least, usual.at_most
    # A share has no room above one: it is wider only where it is not good.
    if least is not None and (name != "faces" or min(values) < least):
        least = max(min(least, round(min(values) / margin, 3)), least / _WIDEST)
    if most is not None:
        most = min(max(most, round(max(values) * margin, 3)), most * _WIDEST)
    return Range(at_least=least, at_most=most)


def judge_fit(found: FittedNorms) -> Verdict:
    """Whether what the subject is drawn with is good enough to be rendered."""
    fitted = found.fitted
    drawn = f"{fitted.frames} frames drawn, {fitted.unseen} of them never learnt from"
    return graded(
        "limits",
        warned=bool(found.beyond),
        measured=f"{drawn}: {'; '.join(found.beyond) or 'all good'}",
        threshold=f"within the limits of the inspection, which are widened up to {_WIDEST:g} times",
        advice="videos of the subject will be rejected unless spec.inspection.policy is warn; see what the other "
        "verdicts say of the clip",
    )


def _beyond(segments: Sequence[SegmentFigures], limits: Limits) -> tuple[str, ...]:
    """Each figure that is not good, as it was found last."""
    failed = {
        judgement.check: judgement
        for figures in segments
        for judgement in judge(figures, limits)
        if not judgement.passed
    }
    return tuple(f"{name} is {judgement.value:g}" for name, judgement in failed.items())


def _clip_look(folder: Path, tracks: ClipTracks, *, size: int) -> Look:
    """The mean look of the clip: one frame shows one pose, and one place of a background that moves."""
    learnable = tracks.learnable(_trained(tracks)) or list(range(_trained(tracks)))
    picked = {learnable[int(pick)] for pick in np.linspace(0, len(learnable) - 1, _LOOKED_AT)}
    mesh_TN3 = pose(tracks.canonical_TN3, tracks.head_T7)
    frames = zip(range(max(picked) + 1), stored_frames(folder, tracks, size=size), strict=False)
    return np.mean([look_of(frame, mesh_TN3[index]) for index, frame in frames if index in picked], axis=0)


def _trained(tracks: ClipTracks) -> int:
    return tracks.facts.trained_frames or training_frames(tracks.frame_count)
