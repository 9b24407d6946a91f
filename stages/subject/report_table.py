"""Several quality reports as one Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stages.subject.quality import Level
from stages.subject.quality_report import QualityReport
from stages.tables import markdown_table

_COLUMNS: Final = (
    "clip",
    "verdict",
    "why",
    "s",
    "face found",
    "jitter, px",
    "sound lags, frames",
    "agreement",
    "corrected",
    "time, s per s",
    "processor, s per s",
    "peak memory, MB",
    "round trip, px",
)


def report_table(reports: Sequence[QualityReport]) -> str:
    """One row a clip, named without its folder and ending."""
    return markdown_table(_COLUMNS, [_row(report) for report in reports])


def _row(report: QualityReport) -> list[str]:
    figures = report.figures
    reasons = [verdict.code for verdict in report.verdicts if verdict.level is report.level]
    return [
        Path(report.clip).stem,
        str(report.level),
        "" if report.level is Level.OK else ", ".join(reasons),
        _cell(figures.seconds, ".1f"),
        _cell(figures.detected, ".1%"),
        _cell(figures.jitter_px, ".2f"),
        _cell(figures.offset_frames, "+.1f"),
        _cell(figures.offset_correlation, ".2f"),
        _cell(figures.offset_corrected, "+.1f"),
        _cell(figures.seconds_per_second, ".2f"),
        _cell(figures.processor_seconds_per_second, ".2f"),
        _cell(figures.peak_memory_mb, ".0f"),
        _cell(figures.round_trip_px, ".0e"),
    ]


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
