"""Limits: what they hold, and the file they travel in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from average_actor import average_subject

from stages.builtin import builtin_subject, builtin_subject_names
from stages.errors import SubjectError
from stages.inspection.checks import Limits, Range, SegmentFigures, judge
from stages.inspection.look import LOOK_CELLS
from stages.inspection.norms import NORMS_FILE, FittedOn, Norms, drawing_sha256, read_norms, write_norms
from stages.subject.package import SubjectPackage

GOOD = SegmentFigures(
    faces=1.0,
    mouth_error_px=1.2,
    opening_response=0.9,
    face_error_px=1.4,
    colour_difference=4.0,
    sharpness=0.7,
    picture_response=2.4,
    frozen_frames=0,
    black_frames=0,
    not_finite_frames=0,
)
LOOK = np.arange(LOOK_CELLS * LOOK_CELLS * 3, dtype=np.float64).reshape(LOOK_CELLS, LOOK_CELLS, 3)


def failed(figures: SegmentFigures, limits: Limits) -> list[str]:
    return [judgement.check for judgement in judge(figures, limits) if not judgement.passed]


def test_a_good_segment_passes_the_limits_for_all() -> None:
    assert failed(GOOD, Limits()) == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"faces": 0.5}, "faces"),
        ({"mouth_error_px": 7.0}, "mouth_error_px"),
        ({"opening_response": 0.1}, "opening_response"),
        ({"face_error_px": 9.0}, "face_error_px"),
        ({"colour_difference": 30.0}, "colour_difference"),
        ({"sharpness": 0.05}, "sharpness"),
        ({"sharpness": 4.0}, "sharpness"),
        ({"picture_response": 0.3}, "picture_response"),
        ({"frozen_frames": 1}, "frozen_frames"),
        ({"black_frames": 1}, "black_frames"),
        ({"not_finite_frames": 1}, "not_finite_frames"),
    ],
)
def test_each_figure_out_of_its_limits_fails_its_own_check(change: dict[str, float], check: str) -> None:
    assert failed(replace(GOOD, **change), Limits()) == [check]


def test_what_could_not_be_measured_passes() -> None:
    assert failed(SegmentFigures(), Limits()) == []


@pytest.fixture
def subject(tmp_path: Path) -> SubjectPackage:
    """One that is drawn with weights of its own."""
    weights = tmp_path / "weights"
    weights.write_bytes(b"weights")
    return replace(average_subject(), renderer_weights=weights)


def fitted_to(subject: SubjectPackage) -> FittedOn:
    return FittedOn(frames=50, unseen=19, drawn_by=drawing_sha256(subject))


def test_norms_come_back_from_the_file_as_they_were(tmp_path: Path, subject: SubjectPackage) -> None:
    limits = replace(Limits(), mouth_error_px=Range(at_most=2.4), sharpness=Range(at_least=0.35, at_most=1.4))
    assert read_norms(tmp_path) is None
    write_norms(tmp_path, limits=limits, look_LL3=LOOK, fitted=fitted_to(subject))
    stored = read_norms(tmp_path)
    assert stored is not None
    assert (stored.limits, stored.fitted) == (limits, fitted_to(subject))
    assert np.array_equal(stored.look_LL3, LOOK)
    norms = Norms.of(subject, folder=tmp_path, size=64)
    assert (norms.is_fitted, norms.notice) == (True, "")
    assert norms.limits == limits


def test_limits_of_what_a_subject_was_drawn_with_before_are_told_and_not_used(
    tmp_path: Path, subject: SubjectPackage
) -> None:
    limits = replace(Limits(), mouth_error_px=Range(at_most=2.4))
    write_norms(tmp_path, limits=limits, look_LL3=LOOK, fitted=fitted_to(subject))
    assert subject.renderer_weights is not None
    subject.renderer_weights.write_bytes(b"trained longer")
    norms = Norms.of(subject, folder=tmp_path, size=64)
    assert (norms.is_fitted, norms.limits) == (False, Limits())
    assert norms.notice.endswith("its own are not of what it is drawn with now (farm train fits them again)")
    untrained = Norms.of(replace(subject, renderer_weights=None), folder=tmp_path, size=64)
    assert untrained.notice.endswith("(prepare it again, into an empty folder)")
    library = tmp_path / "library"
    library.write_bytes(b"weights")
    assert len({drawing_sha256(each) for each in (subject, replace(subject, library=library))}) == 2


def test_the_first_version_of_the_file_is_read_and_holds_for_whatever_draws(subject: SubjectPackage) -> None:
    kept = Path(__file__).parent / "kept_norms"
    assert json.loads((kept / NORMS_FILE).read_text())["schema"] == "farm.inspection/v1"
    norms = Norms.of(subject, folder=kept, size=64)
    assert (norms.is_fitted, norms.notice) == (True, "")
    assert norms.limits.mouth_error_px == Range(at_most=2.46)


def test_a_package_without_the_file_is_held_against_its_reference_and_the_limits_for_all(
    tmp_path: Path,
) -> None:
    norms = Norms.of(average_subject(), folder=tmp_path, size=64)
    assert not norms.is_fitted
    assert norms.limits == Limits()
    assert norms.sharpness > 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: {**record, "schema": "farm.inspection/v9"},
        lambda record: {**record, "more": 1},
        lambda record: {**record, "fitted": {**record["fitted"], "unseen": 51}},
        lambda record: {**record, "fitted": {**record["fitted"], "frames": "50"}},
        lambda record: {**record, "fitted": None},
        lambda record: {name: value for name, value in record.items() if name != "fitted"},
        lambda record: {**record, "look": [[[10**400] * 3] * 8] * 8},
        lambda record: {**record, "look": record["look"][:2]},
        lambda record: {**record, "limits": {**record["limits"], "mouth_error_px": {"at_most": "6"}}},
        lambda record: {**record, "limits": {**record["limits"], "mouth_error_px": {"below": 6}}},
        lambda record: {**record, "limits": {"mouth_error_px": {"at_most": 6}}},
        lambda _: [1, 2],
    ],
    ids=[
        *(
            "schema",
            "unknown field",
            "more unseen than drawn",
            "text for a number",
            "no account",
            "account missing",
        ),
        *("beyond all numbers", "small look", "text", "unknown end", "limits missing", "no mapping"),
    ],
)
def test_a_damaged_file_is_refused_and_named(tmp_path: Path, spoil: object, subject: SubjectPackage) -> None:
    write_norms(tmp_path, limits=Limits(), look_LL3=LOOK, fitted=fitted_to(subject))
    path = tmp_path / NORMS_FILE
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))
    with pytest.raises(SubjectError, match=NORMS_FILE) as caught:
        read_norms(tmp_path)
    assert caught.value.code == "subject_damaged"


@pytest.mark.parametrize("text", ["{}", "[1, 2]", "7", '{"schema": ["farm.inspection/v2"]}'])
def test_what_is_no_such_record_is_told_so_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / NORMS_FILE).write_text(text)
    with pytest.raises(
        SubjectError, match=r"not the limits of a subject: it is no record of farm\.inspection/v2"
    ):
        read_norms(tmp_path)


def test_every_actor_ships_with_limits_of_its_own_that_are_tighter_than_those_for_all() -> None:
    for name in builtin_subject_names():
        stored = read_norms(builtin_subject(name))
        assert stored is not None, name
        mine, for_all = stored.limits.mouth_error_px, Limits().mouth_error_px
        assert isinstance(mine, Range)
        assert mine.at_most is not None
        assert for_all.at_most is not None
        assert mine.at_most < for_all.at_most, name
