"""Ablation tables as Markdown, ours beside the paper's, with what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from farm.evaluation.ablations import AblationTable
from stages.training.report import markdown_table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """One figure: its key, its heading, and how it is written."""

    key: str
    heading: str
    digits: int


_COLUMNS: Final = {
    3: (
        _Column(key="lmd_v", heading="LMD-v px", digits=3),
        _Column(key="lmd", heading="LMD px", digits=3),
        _Column(key="diverse", heading="Diverse px²", digits=2),
        _Column(key="opening", heading="opening corr.", digits=3),
    ),
    4: (
        _Column(key="ssim", heading="SSIM", digits=4),
        _Column(key="psnr", heading="PSNR dB", digits=2),
        _Column(key="niqe", heading="NIQE", digits=2),
        _Column(key="sharpness", heading="sharpness", digits=2),
    ),
    5: (
        _Column(key="tcm", heading="TCM", digits=3),
        _Column(key="psnr", heading="PSNR dB", digits=2),
    ),
}


def markdown_report(tables: Sequence[AblationTable]) -> str:
    """All tables, each with its title and its conclusion."""
    return "\n".join(
        f"### Table {table.table}\n\n{markdown(table)}\n\n{conclusion(table)}\n" for table in tables
    )


def markdown(table: AblationTable) -> str:
    """One table; a dash stands for what the paper does not give, or what has no value."""
    columns = _COLUMNS[table.table]
    headings = ["variant"]
    for column in columns:
        headings += [column.heading, "paper"] if _is_published(table, column) else [column.heading]
    headings.append("best step")
    rows = []
    for row in table.rows:
        cells = [row.label]
        for column in columns:
            cells.append(_figure(row.ours.get(column.key), column.digits))
            if _is_published(table, column):
                cells.append(_figure(row.paper.get(column.key), 2 if column.key != "ssim" else 3))
        cells.append("-" if row.best_step is None else f"{row.best_step} of {row.steps}")
        rows.append(cells)
    return markdown_table(headings, rows)


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


def _is_published(table: AblationTable, column: _Column) -> bool:
    return any(column.key in row.paper for row in table.rows)


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
