"""Reports as Markdown.

Of an evaluation: systems on average, as in the paper's Table 1, then clip by clip. Of ablations: ours beside the
paper's, with what they say in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from farm.evaluation.ablations import AblationRow, AblationTable
from farm.evaluation.records import EvaluationReport, PairRecord, PairRow
from jobs.errors import FarmError
from jobs.evaluate_spec import TRUTH
from stages.evaluation.figures import VideoFigures
from stages.tables import markdown_table

Figure = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One figure.

    Attributes:
        heading: Its name, with an arrow to the better side.
        digits: Written behind the point.
        of: The figure of a pair; None where it was not measured.
        truth: The figure of the true video itself; None where there is none.
    """

    heading: str
    digits: int
    of: Callable[[PairRecord], Figure]
    truth: Callable[[VideoFigures], Figure]


def _alone(heading: str, digits: int, figure: Callable[[VideoFigures], Figure]) -> _Column:
    """A figure that every video has of its own."""
    return _Column(
        heading=heading,
        digits=digits,
        of=lambda record: _mean([figure(take.generated) for take in record.takes]),
        truth=figure,
    )


def _against(heading: str, digits: int, name: str, *, itself: float) -> _Column:
    """A field of `PairFigures`, and what it is of a video against itself."""
    return _Column(
        heading=heading,
        digits=digits,
        of=lambda record: _mean([getattr(take.pair, name) for take in record.takes]),
        truth=lambda _: itself,
    )


_PAPER: Final = (
    _alone("NIQE ↓", 2, lambda video: video.niqe),
    _against("LMD-v ↓", 2, "lmd_v", itself=0.0),
    _against("LMD ↓", 2, "lmd", itself=0.0),
    _alone("Sync ↑", 2, lambda video: None if video.sync is None else video.sync.confidence),
    _against("MA ↑", 2, "ma", itself=1.0),
)
"""The columns of the paper's Table 1, in its order."""

_FURTHER: Final = (
    _alone("Sync distance ↓", 2, lambda video: None if video.sync is None else video.sync.distance),
    _alone("sound lag, frames", 1, lambda video: None if video.sync is None else float(video.sync.offset)),
    _against("opening corr. ↑", 2, "opening_correlation", itself=1.0),
    _against("MA outer ↑", 2, "ma_outer", itself=1.0),
    _against("PSNR ↑", 2, "psnr", itself=math.inf),
    _against("mouth PSNR ↑", 2, "mouth_psnr", itself=math.inf),
    _against("SSIM ↑", 3, "ssim", itself=1.0),
    _against("TCM ↑", 2, "tcm", itself=1.0),
    _against("sharpness", 2, "sharpness_share", itself=1.0),
    _against("flicker", 2, "flicker_share", itself=1.0),
    _alone("identity ↑", 3, lambda video: video.identity),
    _alone("blinks a min.", 0, lambda video: video.blinks.per_minute),
    _Column(
        heading="Diverse ↑",
        digits=2,
        of=lambda record: None if record.diversity is None else record.diversity.face,
        truth=lambda _: None,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AblationColumn:
    """One figure of an ablation: its key, its heading, and how many digits are written."""

    key: str
    heading: str
    digits: int


_ABLATION_COLUMNS: Final = {
    3: (
        _AblationColumn(key="lmd_v", heading="LMD-v px", digits=3),
        _AblationColumn(key="lmd", heading="LMD px", digits=3),
        _AblationColumn(key="diverse", heading="Diverse px²", digits=2),
        _AblationColumn(key="opening", heading="opening corr.", digits=3),
    ),
    4: (
        _AblationColumn(key="ssim", heading="SSIM", digits=4),
        _AblationColumn(key="psnr", heading="PSNR dB", digits=2),
        _AblationColumn(key="niqe", heading="NIQE", digits=2),
        _AblationColumn(key="sharpness", heading="sharpness", digits=2),
    ),
    5: (
        _AblationColumn(key="tcm", heading="TCM", digits=3),
        _AblationColumn(key="psnr", heading="PSNR dB", digits=2),
    ),
}


def evaluation_page(report: EvaluationReport) -> str:
    """The whole page."""
    systems = list(dict.fromkeys(row.pair.system for row in report.rows))
    clips = list(dict.fromkeys(row.pair.clip for row in report.rows))
    parts = [
        f"# {report.name}",
        "Averages over clips. Arrows point to the better side; a dash is what was not measured.",
        _average_table(report, systems, _PAPER),
        "Further measures:",
        _average_table(report, systems, _measured(report, _FURTHER)),
    ]
    parts += [f"## {clip}\n\n{_clip_table(report, clip)}" for clip in clips]
    parts += _failures(report)
    notes = _notes(report)
    if notes:
        parts.append("## Notes\n\n" + "\n".join(notes))
    parts.append(f"Measured by moda-farm {report.engine}.")
    return "\n\n".join(parts) + "\n"


def average_table(report: EvaluationReport) -> str:
    """Systems on average, in the columns of the paper's Table 1."""
    return _average_table(report, list(dict.fromkeys(row.pair.system for row in report.rows)), _PAPER)


def _average_table(report: EvaluationReport, systems: Sequence[str], columns: Sequence[_Column]) -> str:
    lines = []
    for system in systems:
        rows = [row for row in report.rows if row.pair.system == system]
        lines.append([system, _count(rows), *_cells(_judged(rows), columns)])
    truths = _truths(report.rows)
    lines.append([TRUTH, str(len(truths)), *_truth_cells(truths, columns)])
    return markdown_table(["system", "clips", *(column.heading for column in columns)], lines)


def _clip_table(report: EvaluationReport, clip: str) -> str:
    rows = [row for row in report.rows if row.pair.clip == clip]
    columns = (*_PAPER, *_measured(report, _FURTHER))
    lines = [[row.pair.system, *_cells(_judged([row]), columns)] for row in rows]
    lines.append([TRUTH, *_truth_cells(_truths(rows), columns)])
    return markdown_table(["system", *(column.heading for column in columns)], lines)


def _judged(rows: Sequence[PairRow]) -> list[PairRecord]:
    return [row.result for row in rows if isinstance(row.result, PairRecord)]


def _truths(rows: Sequence[PairRow]) -> list[VideoFigures]:
    """The true videos, each once, as the first system's frames cover them."""
    seen: dict[str, VideoFigures] = {}
    for row in rows:
        if isinstance(row.result, PairRecord):
            seen.setdefault(row.pair.truth, row.result.takes[0].truth)
    return list(seen.values())


def _count(rows: Sequence[PairRow]) -> str:
    judged = len(_judged(rows))
    return str(judged) if judged == len(rows) else f"{judged} of {len(rows)}"


def _measured(report: EvaluationReport, columns: Sequence[_Column]) -> list[_Column]:
    """Columns in which somebody has a figure."""
    records = _judged(report.rows)
    return [column for column in columns if any(column.of(record) is not None for record in records)]


def _cells(records: Sequence[PairRecord], columns: Sequence[_Column]) -> list[str]:
    """Means over clips of the means over takes."""
    return [_written(_mean([column.of(record) for record in records]), column.digits) for column in columns]


def _truth_cells(truths: Sequence[VideoFigures], columns: Sequence[_Column]) -> list[str]:
    return [_written(_mean([column.truth(truth) for truth in truths]), column.digits) for column in columns]


def _mean(values: Sequence[Figure]) -> Figure:
    measured = [value for value in values if value is not None]
    return fmean(measured) if measured else None


def _written(value: Figure, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _failures(report: EvaluationReport) -> list[str]:
    if not report.failures:
        return []
    lines = [
        f"* {row.pair}: {row.result.message} (`{row.result.code}`)"
        for row in report.failures
        if isinstance(row.result, FarmError)
    ]
    return ["## Not judged\n\n" + "\n".join(lines)]


def _notes(report: EvaluationReport) -> list[str]:
    """Each note once, with the pairs it is about."""
    about: dict[str, list[str]] = {}
    for row in report.rows:
        if isinstance(row.result, PairRecord):
            for note in dict.fromkeys(note for take in row.result.takes for note in take.notes):
                about.setdefault(note, []).append(str(row.pair))
    everywhere = len(report.rows)
    return [
        f"* {note}" + ("" if len(pairs) == everywhere else f" ({', '.join(pairs)})")
        for note, pairs in about.items()
    ]


def ablations_page(tables: Sequence[AblationTable]) -> str:
    """All tables, each with its title and its conclusion."""
    return "\n".join(
        f"### Table {table.table}\n\n{_ablation_table(table)}\n\n{conclusion(table)}\n" for table in tables
    )


def _ablation_table(table: AblationTable) -> str:
    """One table; a dash stands for what the paper does not give, or what has no value."""
    columns = _ABLATION_COLUMNS[table.table]
    headings = ["variant"]
    for column in columns:
        headings += [column.heading, "paper"] if _is_published(table, column) else [column.heading]
    headings.append("best step")
    rows = []
    for row in table.rows:
        cells = [row.label]
        for column in columns:
            cells.append(_with_spread(row, column))
            if _is_published(table, column):
                cells.append(_written(row.paper.get(column.key), 2 if column.key != "ssim" else 3))
        chosen = ", ".join(str(step) for step in row.best_steps)
        cells.append(f"{chosen} of {row.steps}" if chosen else "-")
        rows.append(cells)
    return markdown_table(headings, rows)


def _with_spread(row: AblationRow, column: _AblationColumn) -> str:
    figure, spread = (_written(of.get(column.key), column.digits) for of in (row.ours, row.spread))
    return figure if row.spread.get(column.key) is None else f"{figure} ± {spread}"


def conclusion(table: AblationTable) -> str:
    """Which way the figures fell, in one sentence or two."""
    if table.table == 3:
        without_multimodal = _difference(table, "w/o multimodal attention", "lmd")
        without_specific = _difference(table, "w/o specific attention", "lmd")
        fell = (
            "with the text, and against the table"
            if without_specific > without_multimodal
            else "with the table, and against the text"
        )
        return (
            f"Without multimodal attention LMD changes by {without_multimodal:+.3f} px, without specific attention by "
            f"{without_specific:+.3f} px. The paper's table puts the large error on the first, its text on the second: "
            f"ours falls {fell}."
        )
    if table.table == 4:
        return (
            f"Without FaCo-Net PSNR changes by {_difference(table, 'w/o FaCo-Net', 'psnr'):+.2f} dB, SSIM by "
            f"{_difference(table, 'w/o FaCo-Net', 'ssim'):+.4f} (paper: -2.81 dB, -0.028)."
        )
    return f"Without TPE TCM changes by {_difference(table, 'w/o TPE', 'tcm'):+.3f} (paper: -0.08)."


def _difference(table: AblationTable, label: str, key: str) -> float:
    ours, whole = table.row(label).ours[key], table.row("final").ours[key]
    assert ours is not None
    assert whole is not None
    return ours - whole


def _is_published(table: AblationTable, column: _AblationColumn) -> bool:
    return any(column.key in row.paper for row in table.rows)
