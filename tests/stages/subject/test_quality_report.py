from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stages.errors import SubjectError
from stages.subject.quality import Level, Verdict
from stages.subject.quality_report import PreparationFigures, QualityReport
from stages.subject.report_table import report_table

REPORT = QualityReport(
    clip="<b>.mp4",
    name="Zoë & co",
    verdicts=(
        Verdict(code="profile", level=Level.OK, measured="0 %", threshold="50 %"),
        Verdict(
            code="too_short", level=Level.WARNING, measured="9 s", threshold="30 s", advice="record more"
        ),
    ),
    figures=PreparationFigures(seconds=9.0, detected=0.995, offset_frames=-2.6, round_trip_px=4e-5),
)


def test_a_report_comes_back_as_it_was_written(tmp_path: Path):
    REPORT.write(tmp_path, picture=b"\x89PNG")
    assert QualityReport.load(tmp_path) == REPORT
    assert json.loads((tmp_path / "report.json").read_text())["level"] == "warning"
    assert (tmp_path / "report.png").read_bytes() == b"\x89PNG"


def test_the_page_is_one_file_that_says_everything_and_runs_nothing(tmp_path: Path):
    REPORT.write(tmp_path, picture=b"\x89PNG")
    page = (tmp_path / "index.html").read_text()
    assert "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} &amp; co" in page
    assert "<b>" not in page
    for said in ("too_short", "record more", "99.50%", "-2.6 frames", "data:image/png;base64,"):
        assert said in page


def test_a_refused_clip_has_a_report_without_a_picture(tmp_path: Path):
    REPORT.write(tmp_path, picture=b"\x89PNG")
    REPORT.write(tmp_path, picture=None)
    assert not (tmp_path / "report.png").exists()
    assert "<img" not in (tmp_path / "index.html").read_text()


def test_the_worst_verdict_counts():
    assert REPORT.level is Level.WARNING
    assert replace(REPORT, verdicts=REPORT.verdicts[:1]).level is Level.OK
    refused = replace(REPORT.verdicts[0], level=Level.REFUSED)
    assert replace(REPORT, verdicts=(*REPORT.verdicts, refused)).level is Level.REFUSED


def test_an_unfinished_report_is_none(tmp_path: Path):
    assert not QualityReport.is_complete(tmp_path)
    with pytest.raises(SubjectError) as caught:
        QualityReport.load(tmp_path)
    assert caught.value.code == "subject_no_report"


def test_the_table_has_a_row_a_clip_with_the_reasons():
    table = report_table([REPORT, replace(REPORT, clip="/x/c.mp4", verdicts=REPORT.verdicts[:1])])
    rows = table.splitlines()
    assert len(rows) == 4
    assert "too_short" in rows[2]
    assert rows[3].split("|")[1].strip() == "c"
    assert rows[3].split("|")[3].strip() == ""
