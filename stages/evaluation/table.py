"""An evaluation as rows and as a Markdown table, the truth's own figures beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages.evaluation.figures import Evaluation, SyncFigures, VideoFigures
from stages.evaluation.pair import TakesEvaluation
from stages.evaluation.take_diversity import TakeDiversity

DASH = "-"

_PAIR_ROWS: Sequence[tuple[str, str, str, float, str]] = (
    ("LMD px", "lmd", "lower", 0.0, "{:.2f}"),
    ("LMD-v px", "lmd_v", "lower", 0.0, "{:.2f}"),
    ("MA, inner lips", "ma", "higher", 1.0, "{:.2f}"),
    ("MA, outer lips", "ma_outer", "higher", 1.0, "{:.2f}"),
    ("opening, correlation", "opening_correlation", "higher", 1.0, "{:.2f}"),
    ("PSNR dB", "psnr", "higher", math.inf, "{:.2f}"),
    ("PSNR of the mouth dB", "mouth_psnr", "higher", math.inf, "{:.2f}"),
    ("SSIM", "ssim", "higher", 1.0, "{:.3f}"),
    ("TCM", "tcm", "higher", 1.0, "{:.3f}"),
    ("sharpness, share", "sharpness_share", "near 1", 1.0, "{:.2f}"),
    ("flicker, share", "flicker_share", "near 1", 1.0, "{:.2f}"),
)
"""Label, field of `PairFigures`, what is better, the truth against itself, and how it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One measure, written out.

    Attributes:
        label: name and unit.
        better: "lower", "higher", or "near" a value: the truth's.
        generated: of the generated video.
        truth: of the truth, alone or against itself.
    """

    label: str
    better: str
    generated: str
    truth: str


def rows_of(evaluation: Evaluation) -> list[TableRow]:
    """All measures, in the order of the page."""
    return [*_pair_rows(evaluation), *_own_rows(evaluation.generated, evaluation.truth)]


def markdown(evaluation: Evaluation) -> str:
    """The table of one evaluation and its notes."""
    files = f"`{evaluation.generated.file}` against `{evaluation.truth.file}`"
    lines = [
        f"{files}, {evaluation.pair.frames} frames at 25 fps",
        "",
        "| measure | better | generated | ground truth |",
        "|---|---|---|---|",
        *(f"| {row.label} | {row.better} | {row.generated} | {row.truth} |" for row in rows_of(evaluation)),
        *_note_lines(evaluation.notes),
    ]
    return "\n".join(lines) + "\n"


def takes_markdown(judged: TakesEvaluation) -> str:
    """The tables of all takes, and how far they are apart."""
    parts = [markdown(take) for take in judged.takes]
    if judged.diversity is not None:
        parts.append(diversity_table(judged.diversity, takes=len(judged.takes)))
    return "\n".join(parts)


def _pair_rows(evaluation: Evaluation) -> Iterator[TableRow]:
    for label, field, better, itself, form in _PAIR_ROWS:
        value: float | None = getattr(evaluation.pair, field)
        yield TableRow(
            label=label,
            better=better,
            generated=_written(value, form),
            truth=_written(None if value is None else itself, form),
        )


def _own_rows(ours: VideoFigures, truth: VideoFigures) -> Iterator[TableRow]:
    both = (ours, truth)
    syncs = [video.sync for video in both]
    judge = next((sync.judge for sync in syncs if sync is not None), None)
    sync_label = f"Sync ({judge})" if judge else "Sync"
    rows: Sequence[tuple[str, str, Sequence[float | None], str]] = (
        ("NIQE", "lower", [video.niqe for video in both], "{:.2f}"),
        (f"{sync_label}, confidence", "higher", [_of(sync, "confidence") for sync in syncs], "{:.3f}"),
        (f"{sync_label}, distance", "lower", [_of(sync, "distance") for sync in syncs], "{:.3f}"),
        (f"{sync_label}, offset in frames", "near 0", [_of(sync, "offset") for sync in syncs], "{:+d}"),
        ("identity, cosine", "higher", [video.identity for video in both], "{:.3f}"),
        *_motion_rows(both),
        ("sharpness of the face", "near the truth", [video.sharpness for video in both], "{:.0f}"),
        ("flicker, levels", "near the truth", [video.flicker for video in both], "{:.2f}"),
        ("frozen frames", "lower", [video.frozen_share for video in both], "{:.1%}"),
        ("black frames", "lower", [video.black_share for video in both], "{:.1%}"),
        ("frames with a face", "higher", [video.face_share for video in both], "{:.1%}"),
    )
    for label, better, (figure, true_figure), form in rows:
        yield TableRow(
            label=label,
            better=better,
            generated=_written(figure, form),
            truth=_written(true_figure, form),
        )


def _motion_rows(both: Sequence[VideoFigures]) -> Iterator[tuple[str, str, Sequence[float | None], str]]:
    near = "near the truth"
    for angle in ("yaw", "pitch", "roll"):
        yield (
            f"{angle}, spread in degrees",
            near,
            [getattr(v.head, f"{angle}_spread") for v in both],
            "{:.2f}",
        )
        yield f"{angle}, degrees a second", near, [getattr(v.head, f"{angle}_speed") for v in both], "{:.1f}"
    yield "blinks a minute", near, [video.blinks.per_minute for video in both], "{:.1f}"
    yield "length of a blink s", near, [video.blinks.mean_seconds for video in both], "{:.2f}"


def diversity_table(diversity: TakeDiversity, *, takes: int) -> str:
    """Diverse of several takes, as a Markdown table."""
    return (
        f"Diverse of {takes} takes, px²\n\n"
        "| face in the picture | lips | eyes | head alone |\n|---|---|---|---|\n"
        f"| {diversity.face:.2f} | {diversity.lips:.2f} | {diversity.eyes:.2f} | {diversity.head:.2f} |\n"
    )


def _note_lines(notes: Sequence[str]) -> list[str]:
    return ["", *(f"* {note}" for note in notes)] if notes else []


def _of(sync: SyncFigures | None, field: str) -> float | None:
    value: float | None = None if sync is None else getattr(sync, field)
    return value


def _written(value: float | None, form: str) -> str:
    return DASH if value is None else form.format(value)
