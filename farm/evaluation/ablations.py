"""The paper's ablations under one budget: every variant trained on the farm, judged, and put beside the paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from farm.evaluation.published import ABLATIONS
from farm.evaluation.variants import TABLES, AblationRequest, Variant
from farm.training.report import TrainingReport
from jobs.folders import find_clips
from jobs.parse import LoadedTraining

Figures = Mapping[str, float | None]


class AblationListener(Protocol):
    """Watches the ablations; called in the process that started them."""

    def training(self, label: str, *, table: int) -> None:
        """A variant's training begins, or goes on."""
        ...

    def judging(self, label: str, *, table: int, done: int, total: int) -> None:
        """A variant is being judged; `total` is 0 where that is not known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationRow:
    """One row of a table.

    Attributes:
        label: The variant; ``ground truth`` for the recording itself.
        ours: Figures by name, see `stages.training.ablation_scores`.
        paper: The paper's.
        steps, best_step: Of the training; None for the truth.
    """

    label: str
    ours: Figures
    paper: Figures
    steps: int | None = None
    best_step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationTable:
    """One of the paper's tables, ours."""

    table: int
    rows: tuple[AblationRow, ...]

    def as_record(self) -> dict[str, Any]:
        """As plain data for JSON: infinity is the text "inf", what is no number is null."""
        rows = [asdict(row) | {"ours": _plain(row.ours), "paper": _plain(row.paper)} for row in self.rows]
        return {"table": self.table, "rows": rows}

    def row(self, label: str) -> AblationRow:
        """The row of a variant."""
        return next(row for row in self.rows if row.label == label)


def run_ablations(
    request: AblationRequest,
    *,
    train: Callable[[LoadedTraining], TrainingReport],
    listener: AblationListener,
) -> list[AblationTable]:
    """Train and judge what is asked for; runs that were finished before are not trained again.

    Args:
        request: What to do.
        train: Runs one train job, or goes on with it.
        listener: Is told what happens.

    Raises:
        FarmError: See `farm.training.run.train`.
        StageError: A clip or weights cannot be used.
    """
    trained: dict[str, TrainingReport] = {}
    judged: dict[str, Figures] = {}
    tables = []
    for table in request.tables:
        rows = []
        for variant in TABLES[table]:
            if variant.slug not in trained:
                listener.training(variant.label, table=table)
                trained[variant.slug] = train(request.job_of(variant))
                judged[variant.slug] = _judge(request, variant, table=table, listener=listener)
            report = trained[variant.slug]
            rows.append(
                AblationRow(
                    label=variant.label,
                    ours=judged[variant.slug],
                    paper=ABLATIONS[table][variant.label],
                    steps=report.steps,
                    best_step=report.best_step,
                )
            )
        truth = _judge_truth(request, table=table, listener=listener)
        tables.append(
            AblationTable(table=table, rows=(*rows, AblationRow(label="ground truth", ours=truth, paper={})))
        )
    return tables


def _plain(figures: Figures) -> dict[str, float | str | None]:
    return {
        name: None if value is None or math.isnan(value) else "inf" if math.isinf(value) else value
        for name, value in figures.items()
    }


def _judge(request: AblationRequest, variant: Variant, *, table: int, listener: AblationListener) -> Figures:
    from stages.training.ablation_scores import motion_figures, picture_figures

    weights = request.weights_of(variant)
    if variant.stage == "moda":
        listener.judging(variant.label, table=table, done=0, total=0)
        return asdict(motion_figures(weights, _held_out(request), takes=request.takes))
    assert request.portrait is not None
    figures = picture_figures(
        weights,
        request.portrait,
        composed_face=variant.composed_face,
        progress=lambda done, total: listener.judging(variant.label, table=table, done=done, total=total),
    )
    return asdict(figures)


def _judge_truth(request: AblationRequest, *, table: int, listener: AblationListener) -> Figures:
    from stages.training.ablation_scores import true_motion_figures, true_picture_figures

    if TABLES[table][0].stage == "moda":
        return asdict(true_motion_figures(_held_out(request)))
    assert request.portrait is not None
    figures = true_picture_figures(
        request.portrait,
        progress=lambda done, total: listener.judging("ground truth", table=table, done=done, total=total),
    )
    return asdict(figures)


def _held_out(request: AblationRequest) -> tuple[Path, ...]:
    return find_clips(request.clips, held_out=request.held_out).held_out
