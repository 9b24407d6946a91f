"""Limits fitted to a subject: which frames show them, how far they go, and that what was fitted is what is used."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_library import made_references, still_plate, talking, template_of
from posed_actor import PosedActor
from prepared_clip import clip_tracks

from stages.errors import StageError
from stages.inspection import inspector as inspector_module
from stages.inspection.checks import Limits, SegmentFigures
from stages.inspection.fitting import (
    RUN_FRAMES,
    FittedNorms,
    fit_norms,
    fitted_runs,
    judge_fit,
    widened_limits,
)
from stages.inspection.inspector import SegmentInspector
from stages.inspection.norms import FittedOn, Norms, read_norms
from stages.render.renderer_loading import load_renderer
from stages.subject.frames import FRAMES_FILE, write_frames
from stages.subject.library_file import LIBRARY_FILE, write_library
from stages.subject.package import SubjectPackage
from stages.subject.quality import Level
from stages.subject.tracks import CLIP_FOLDER
from stages.video.unfit import UnfitFrames

FIGURES = [field.name for field in fields(SegmentFigures)]
COUNTED = ("frozen_frames", "black_frames", "not_finite_frames")
GOOD = SegmentFigures(
    faces=1.0, mouth_error_px=1.2, colour_difference=4.0, sharpness=0.9, picture_response=2.4
)

figures = st.builds(
    SegmentFigures,
    **{
        name: st.none() | st.floats(min_value=0.0, max_value=200.0) for name in FIGURES if name not in COUNTED
    },
)


@given(segments=st.lists(figures, min_size=1, max_size=4))
def test_limits_only_get_wider_and_never_beyond_all_bounds(segments: list[SegmentFigures]) -> None:
    limits, usual = widened_limits(segments), Limits()
    for name in FIGURES:
        mine, for_all = getattr(limits, name), getattr(usual, name)
        assert (mine.at_least is None) == (for_all.at_least is None)
        assert (mine.at_most is None) == (for_all.at_most is None)
        if mine.at_least is not None:
            assert for_all.at_least / 3 <= mine.at_least <= for_all.at_least
        if mine.at_most is not None:
            assert for_all.at_most <= mine.at_most <= 3 * for_all.at_most
        for one in segments:
            value = getattr(one, name)
            within = value is not None and all(
                (
                    for_all.at_least is None or value >= for_all.at_least / 3,
                    for_all.at_most is None or value <= for_all.at_most * 3,
                )
            )
            assert not within or mine.holds(value), name


@pytest.mark.parametrize(
    ("change", "name", "end"),
    [
        ({}, "colour_difference", 20.0),
        ({"colour_difference": 16.0}, "colour_difference", 32.0),
        ({"colour_difference": 35.8}, "colour_difference", 60.0),
        ({"mouth_error_px": 7.0}, "mouth_error_px", 14.0),
        ({"frozen_frames": 3}, "frozen_frames", 0.0),
    ],
)
def test_a_limit_has_room_beyond_the_worst_good_segment(
    change: dict[str, float], name: str, end: float
) -> None:
    limits = widened_limits([GOOD, replace(GOOD, **change)])
    assert getattr(limits, name).at_most == end


def test_faces_that_are_found_in_fewer_frames_are_expected_in_fewer() -> None:
    assert widened_limits([GOOD]).faces.at_least == 0.75
    assert widened_limits([replace(GOOD, faces=0.6)]).faces.at_least == 0.3


@pytest.mark.parametrize(
    ("frames", "runs", "unseen"),
    [
        (400, [(350, 375), (375, 400)], 50),
        (1000, [(850, 875), (975, 1000)], 50),
        (200, [(150, 175), (175, 200)], 30),
        (60, [(10, 35), (35, 60)], 9),
        (40, [(15, 40)], 6),
        (12, [(0, 12)], 2),
    ],
)
def test_the_end_that_nothing_was_learnt_from_is_drawn_first(
    frames: int, runs: list[tuple[int, int]], unseen: int
) -> None:
    tracks = clip_tracks(frames)
    picked = fitted_runs(tracks)
    assert [(run.start, run.stop) for run in picked] == runs
    stop = int(frames * 0.85)
    assert sum(frame >= stop for run in picked for frame in run) == unseen


def test_runs_leave_out_frames_that_may_not_be_learnt_from() -> None:
    spans = (
        UnfitFrames(start=380, stop=382, reason="frozen"),
        UnfitFrames(start=340, stop=341, reason="frozen"),
    )
    picked = fitted_runs(clip_tracks(400, unfit=spans))
    assert [(run.start, run.stop) for run in picked] == [(300, 325), (350, 375)]
    spoilt = (UnfitFrames(start=0, stop=400, reason="covered"),)
    assert [(run.start, run.stop) for run in fitted_runs(clip_tracks(400, unfit=spoilt))] == [(375, 400)]


FRAMES = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as preparation leaves it, of an actor whose whole clip is drawn by its own library."""
    actor = PosedActor.of()
    template, home = template_of(actor), tmp_path / "package"
    facts = {
        "name": "nobody",
        "consent": "none needed",
        "provenance": "test",
        "licence": "none",
        "renderer": "",
    }
    SubjectPackage.write(home, facts=facts, template=template, reference_HW3=actor.reference_HW3)
    write_library(home / LIBRARY_FILE, made_references(actor), template=template)
    face = talking(actor, FRAMES)
    replace(
        clip_tracks(FRAMES),
        canonical_TN3=np.repeat(actor.canonical_N3[None], FRAMES, axis=0),
        head_T7=actor.heads(FRAMES),
        torso_TN3=face.torso_TN3,
    ).save(home / CLIP_FOLDER)
    renderer = load_renderer(subject=SubjectPackage.load(home), device="cpu")
    write_frames(home / CLIP_FOLDER / FRAMES_FILE, renderer.render(face, first_frame=0))

    def no_detector() -> None:
        raise StageError(code="inspection_no_detector", where="MediaPipe", what="not here", hint="none")

    monkeypatch.setattr(inspector_module, "FaceDetector", no_detector)
    return home


def test_a_package_is_fitted_to_what_draws_it_and_says_on_what(folder: Path) -> None:
    subject = SubjectPackage.load(folder)
    told: list[tuple[int, int]] = []
    found = fit_norms(subject, folder=folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, RUN_FRAMES) for done in range(1, RUN_FRAMES + 1)]
    assert (found.fitted.frames, found.fitted.unseen, found.beyond) == (25, 6, ())
    stored = read_norms(folder)
    assert stored is not None
    assert (stored.limits, stored.fitted) == (found.limits, found.fitted)
    assert Norms.of(subject, folder=folder, size=512).is_fitted
    assert SubjectPackage.load(folder).sha256 == subject.sha256, "limits draw nothing"
    assert judge_fit(found).level is Level.OK


def test_before_a_background_like_none_in_the_reference_a_subject_passes_once_it_is_fitted(
    folder: Path,
) -> None:
    """The reference image shows another wall than nearly all of the clip: a camera that moved."""
    subject = SubjectPackage.load(folder)
    wall = subject.reference_HW3.copy()
    wall[:, :160], wall[:, 352:], wall[:90] = 255, 255, 255
    changed = replace(subject, reference_HW3=wall)
    found = fit_norms(changed, folder=folder)
    assert found.beyond == ()
    before, after = Norms.for_all(changed, size=512), Norms.of(changed, folder=folder, size=512)
    differences = []
    for norms in (before, after):
        inspection = SegmentInspector(norms=norms, detector=None).begin(talking(PosedActor.of(), 8))
        renderer = load_renderer(subject=changed, device="cpu")
        for _ in inspection.watch(renderer.render(talking(PosedActor.of(), 8), first_frame=0)):
            pass
        shown = inspection.figures(not_finite_frames=0)
        assert shown.colour_difference is not None
        differences.append(shown.colour_difference)
    assert differences[1] < 0.5 * differences[0]


def test_what_is_not_good_all_the_same_is_said(folder: Path) -> None:
    other = tmp_library(folder)
    found = fit_norms(SubjectPackage.load(other), folder=other)
    assert any(figure.startswith("colour_difference is ") for figure in found.beyond)
    assert found.limits == Limits(), "what is bad does not become normal"
    verdict = judge_fit(found)
    assert verdict.level is Level.WARNING
    assert "colour_difference" in verdict.measured


def tmp_library(folder: Path) -> Path:
    """The same package, whose library shows the negative of the person."""
    actor = PosedActor.of()
    references = made_references(actor, plate=still_plate((255, 255, 255)))
    negative = replace(references, pictures_RSS3=255 - references.pictures_RSS3)
    copy = folder.parent / "negative"
    shutil.copytree(folder, copy)
    write_library(copy / LIBRARY_FILE, negative, template=template_of(actor))
    return copy


def test_a_verdict_names_how_many_frames_were_unseen() -> None:
    fitted = FittedOn(frames=50, unseen=19, drawn_by="0" * 64)
    verdict = judge_fit(FittedNorms(limits=Limits(), fitted=fitted, beyond=()))
    assert "50 frames drawn, 19 of them never learnt from" in verdict.measured
