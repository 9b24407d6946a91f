"""The paper's ablations under one budget: every variant trained on the farm, judged, and put beside the paper.

A variant is a train job that leaves something out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final, Protocol

from farm.evaluation.published import ABLATIONS
from farm.training.progress import TrainingReport
from jobs.folders import find_clips
from jobs.parse import LoadedTraining, parse_training

PROJECT: Final = "ablations"
"""The project of all their runs."""

Figures = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One network of a table.

    Attributes:
        label: Its row.
        slug: Its part of names and paths; variants of two tables that are one network share it, and are trained once.
        stage: ``moda`` or ``renderer``.
        network: How it differs from the whole, see `jobs.train_spec.NetworkChoices`.
    """

    label: str
    slug: str
    stage: str
    network: Mapping[str, str | bool]

    @property
    def composed_face(self) -> bool:
        """Whether a renderer draws from whole faces."""
        return bool(self.network.get("composed_face", True))


TABLES: Final[Mapping[int, tuple[Variant, ...]]] = {
    3: (
        Variant(label="LSTM", slug="lstm", stage="moda", network={"attention": "lstm"}),
        Variant(
            label="w/o multimodal attention", slug="specific", stage="moda", network={"attention": "specific"}
        ),
        Variant(
            label="w/o specific attention",
            slug="probabilistic",
            stage="moda",
            network={"attention": "probabilistic"},
        ),
        Variant(label="final", slug="dual", stage="moda", network={"attention": "dual"}),
    ),
    4: (
        Variant(label="w/o FaCo-Net", slug="no-faco", stage="renderer", network={"composed_face": False}),
        Variant(label="final", slug="whole", stage="renderer", network={}),
    ),
    5: (
        Variant(label="w/o TPE", slug="no-tpe", stage="renderer", network={"temporal_encoding": False}),
        Variant(label="final", slug="whole", stage="renderer", network={}),
    ),
}
"""The variants of each table, in the paper's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationRequest:
    """What to train and to judge on.

    Attributes:
        clips: Absolute patterns of prepared clips that MODA learns from.
        held_out: Absolute patterns of clips by which its best step is chosen.
        judged: Absolute patterns of clips that judge it; empty where `held_out` shall, which flatters.
        portrait: Folder of the prepared clip whose first part the renderers learn, and whose end judges them.
        tables: Which tables.
        motion_steps, renderer_steps: The budget of each network; all of a table get the same.
        takes: Over which Diverse is taken.
        seeds: How often each network is trained, with the seeds from 0 on.
        out: Folder for weights and report.
        overwrite: Whether files that the farm did not write may be replaced.
    """

    clips: tuple[str, ...]
    held_out: tuple[str, ...]
    judged: tuple[str, ...]
    portrait: Path | None
    tables: tuple[int, ...]
    motion_steps: int
    renderer_steps: int
    takes: int
    seeds: int
    out: Path
    overwrite: bool = False

    def weights_of(self, variant: Variant, seed: int) -> Path:
        """Where a variant's weights go."""
        return self.out / "weights" / f"{variant.slug}-{seed}" / f"{variant.stage}.safetensors"

    def job_of(self, variant: Variant, seed: int) -> LoadedTraining:
        """The train job of a variant. Raises SpecError when a value of the request is none that a job takes."""
        is_motion = variant.stage == "moda"
        steps = self.motion_steps if is_motion else self.renderer_steps
        spec: dict[str, Any] = {
            "stage": variant.stage,
            "clips": list(self.clips) if is_motion else [str(self.portrait)],
            "network": dict(variant.network),
            "seed": seed,
            "steps": steps,
            # Judged often enough that the choice of the best weights is the same for all, and not a matter of luck.
            "validation": {"every": max(1, steps // 4)},
            "checkpoints": {"every": max(1, steps // 4), "keep": 1},
            "output": {"uri": str(self.weights_of(variant, seed))},
        }
        if is_motion:
            spec["held_out"] = list(self.held_out)
        else:
            # Both tables are about the paper's, whole rows included, which ask for nothing that only it has.
            spec["renderer"] = "paper"
        document = {
            "apiVersion": "farm/v1",
            "kind": "TrainJob",
            "metadata": {"name": f"ablation-{variant.slug}-{seed}", "project": PROJECT},
            "spec": spec,
        }
        loaded = parse_training(json.dumps(document), folder=self.out, where=f"ablation {variant.label}")
        return replace(loaded, overwrite=self.overwrite)


class AblationListener(Protocol):
    """Watches the ablations; called in the process that started them."""

    def training(self, label: str, *, table: int, seed: int) -> None:
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
        ours: Figures by name, see `stages.training.ablation_scores`; means over the seeds.
        paper: The paper's.
        spread: Their standard deviations over the seeds; empty for a single one.
        steps: Of each training; None for the truth.
        best_steps: Whose weights were judged, for each seed.
    """

    label: str
    ours: Figures
    paper: Figures
    spread: Figures = field(default_factory=dict)
    steps: int | None = None
    best_steps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationTable:
    """One of the paper's tables, ours."""

    table: int
    rows: tuple[AblationRow, ...]

    def as_record(self) -> dict[str, Any]:
        """As plain data for JSON: infinity is the text "inf", what is no number is null."""
        rows = [
            asdict(row) | {"ours": _plain(row.ours), "paper": _plain(row.paper), "spread": _plain(row.spread)}
            for row in self.rows
        ]
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
        FarmError: See `farm.training.train_job.train`.
        StageError: A clip or weights cannot be used.
    """
    rows_by_slug: dict[str, AblationRow] = {}
    tables = []
    for table in request.tables:
        rows = []
        for variant in TABLES[table]:
            if variant.slug not in rows_by_slug:
                rows_by_slug[variant.slug] = _row(
                    request, variant, table=table, train=train, listener=listener
                )
            rows.append(
                replace(
                    rows_by_slug[variant.slug],
                    label=variant.label,
                    paper=ABLATIONS[table][variant.label],
                )
            )
        truth = _judge_truth(request, table=table, listener=listener)
        tables.append(
            AblationTable(table=table, rows=(*rows, AblationRow(label="ground truth", ours=truth, paper={})))
        )
    return tables


def _row(
    request: AblationRequest,
    variant: Variant,
    *,
    table: int,
    train: Callable[[LoadedTraining], TrainingReport],
    listener: AblationListener,
) -> AblationRow:
    """A variant, trained and judged once for each seed."""
    reports, figures = [], []
    for seed in range(request.seeds):
        listener.training(variant.label, table=table, seed=seed)
        reports.append(train(request.job_of(variant, seed)))
        figures.append(_judge(request, variant, seed, table=table, listener=listener))
    return AblationRow(
        label=variant.label,
        ours=_over_seeds(figures, fmean),
        paper={},
        spread=_over_seeds(figures, _spread) if len(figures) > 1 else {},
        steps=reports[0].steps,
        best_steps=tuple(report.best_step for report in reports),
    )


def _spread(values: list[float]) -> float:
    """Standard deviation; no number where a value is none, as of a truth held against itself."""
    return stdev(values) if all(map(math.isfinite, values)) else math.nan


def _over_seeds(figures: Sequence[Figures], summary: Callable[[list[float]], float]) -> Figures:
    """One figure of each name; None where a seed has none."""
    columns = {name: [each[name] for each in figures] for name in figures[0]}
    known = {name: [value for value in values if value is not None] for name, values in columns.items()}
    return {name: summary(values) if len(values) == len(figures) else None for name, values in known.items()}


def _plain(figures: Figures) -> dict[str, float | str | None]:
    return {
        name: None if value is None or math.isnan(value) else "inf" if math.isinf(value) else value
        for name, value in figures.items()
    }


def _judge(
    request: AblationRequest, variant: Variant, seed: int, *, table: int, listener: AblationListener
) -> Figures:
    from stages.training.ablation_scores import motion_figures, picture_figures

    weights = request.weights_of(variant, seed)
    if variant.stage == "moda":
        listener.judging(variant.label, table=table, done=0, total=0)
        return asdict(motion_figures(weights, judging_clips(request), takes=request.takes))
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
        return asdict(true_motion_figures(judging_clips(request)))
    assert request.portrait is not None
    figures = true_picture_figures(
        request.portrait,
        progress=lambda done, total: listener.judging("ground truth", table=table, done=done, total=total),
    )
    return asdict(figures)


def judging_clips(request: AblationRequest) -> tuple[Path, ...]:
    """The clips that judge MODA's variants. Raises InputNotFound: a pattern matches no folder."""
    if not request.judged:
        return find_clips(request.clips, held_out=request.held_out).held_out
    return find_clips(request.judged, held_out=()).training
