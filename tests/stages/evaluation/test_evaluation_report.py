"""The page of an evaluation: Markdown, data, plots, worst frames."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from nodding_actor import actor_frames

from stages.evaluation.options import EvaluationOptions, Part
from stages.evaluation.pair import TakesEvaluation, evaluate_takes
from stages.evaluation.table import markdown, rows_of
from stages.evaluation.worst_frames import worst_frames
from stages.evaluation.written_report import ERRORS, PAGE, RECORD, TRACKS, WORST, write_report


@pytest.fixture(scope="module")
def judged(truth: Path) -> TakesEvaluation:
    return evaluate_takes([truth], truth, options=EvaluationOptions(parts=frozenset({Part.PICTURES})))


def test_the_table_has_the_truth_beside_every_measure(judged: TakesEvaluation):
    page = markdown(judged.takes[0])
    assert "| measure | better | generated | ground truth |" in page
    assert "| LMD px | lower | 0.00 | 0.00 |" in page
    assert "| PSNR dB | higher | inf | inf |" in page
    # What was not asked for is a dash, not a nought.
    assert "| NIQE | lower | - | - |" in page


def test_notes_stand_below_the_table(judged: TakesEvaluation):
    noted = replace(judged.takes[0], notes=("warning: something",))
    assert markdown(noted).endswith("\n\n* warning: something\n")


def test_every_row_is_written_for_both(judged: TakesEvaluation):
    rows = rows_of(judged.takes[0])
    assert len({row.label for row in rows}) == len(rows)
    assert all(row.generated == row.truth for row in rows)


def test_the_worst_frames_are_apart_in_order_and_have_a_face():
    error_T = np.zeros(100)
    error_T[[20, 21, 22, 60]] = (5, 9, 6, 4)
    error_T[80] = np.nan
    chosen = worst_frames(error_T)
    assert chosen == sorted(chosen)
    assert {21, 60} <= set(chosen)
    assert not {20, 22, 80} & set(chosen)
    assert min(np.diff(chosen)) >= 12


def test_a_report_holds_page_data_and_pictures(judged: TakesEvaluation, tmp_path: Path):
    write_report(judged, tmp_path / "new" / "report")
    folder = tmp_path / "new" / "report"
    assert {path.name for path in folder.iterdir()} == {RECORD, PAGE, TRACKS, ERRORS, WORST}
    record = json.loads((folder / RECORD).read_text())
    assert record["takes"] == [judged.takes[0].as_record()]
    assert record["diversity"] is None
    assert all(f"({name})" in (folder / PAGE).read_text() for name in (TRACKS, ERRORS, WORST))
    for name in (TRACKS, ERRORS, WORST):
        assert cv2.imread(str(folder / name)).shape[1] > 400


def test_takes_have_folders_of_their_own(truth: Path, tmp_path: Path, write):
    other = write("other.mkv", actor_frames("actor-a", count=15))
    judged = evaluate_takes([truth, other], truth, options=EvaluationOptions(parts=frozenset()))
    write_report(judged, tmp_path / "report")
    assert {path.name for path in (tmp_path / "report").iterdir()} == {RECORD, PAGE, "take-1", "take-2"}
    page = (tmp_path / "report" / PAGE).read_text()
    assert "(take-2/worst.png)" in page
    assert "Diverse of 2 takes" in page
