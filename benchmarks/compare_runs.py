"""Quality against training time of several runs: a plot, and what each needed to reach a given quality.

`python -m benchmarks.compare_runs NAME=HISTORY.jsonl... --measure psnr --reach 28 [--plot OUT.png]`
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from stages.tables import markdown_table
from stages.training.history import HistoryEntry, read_history

Runs = dict[str, list[HistoryEntry]]


def seconds_to_reach(history: list[HistoryEntry], *, measure: str, value: float) -> float | None:
    """Training time until `measure` first got from below to `value`, linear between validations; None if never."""
    before: HistoryEntry | None = None
    for entry in history:
        reached = entry.losses[measure]
        if reached >= value:
            if before is None:
                return entry.seconds
            start = before.losses[measure]
            share = (value - start) / (reached - start) if math.isfinite(reached) else 1.0
            return before.seconds + share * (entry.seconds - before.seconds)
        before = entry
    return None


def plot(runs: Runs, *, measures: list[str], path: Path) -> None:
    """One panel a measure, one curve a run, over minutes of training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(measures), 3.4), layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        for name, history in runs.items():
            minutes = [entry.seconds / 60 for entry in history]
            axes.plot(minutes, [entry.losses[measure] for entry in history], marker=".", label=name)
        axes.set_xlabel("minutes of training, one core")
        axes.set_ylabel(measure)
        axes.grid(alpha=0.3)
    panels[-1].legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=HISTORY", help="name of a run and its history.jsonl")
    parser.add_argument("--measure", nargs="+", default=["psnr", "ssim", "sharpness"], help="what to compare")
    parser.add_argument("--reach", type=float, help="report the time to this value of the first measure")
    parser.add_argument("--plot", type=Path, help="write the curves as a picture")
    options = parser.parse_args()
    runs: Runs = {}
    for argument in options.runs:
        name, _, path = argument.partition("=")
        runs[name] = read_history(Path(path))
        if not runs[name]:
            parser.error(f"{path or argument}: no validations there")
    table = []
    for name, history in runs.items():
        best = [f"{max(entry.losses[measure] for entry in history):.4g}" for measure in options.measure]
        row = [name, str(history[-1].step), f"{history[-1].seconds / 60:.1f}", *best]
        if options.reach is not None:
            seconds = seconds_to_reach(history, measure=options.measure[0], value=options.reach)
            row.append("not reached" if seconds is None else f"{seconds / 60:.1f}")
        table.append(row)
    columns = ["run", "steps", "minutes", *(f"best {measure}" for measure in options.measure)]
    if options.reach is not None:
        columns.append(f"minutes to {options.measure[0]} {options.reach:g}")
    sys.stdout.write(markdown_table(columns, table) + "\n")
    if options.plot is not None:
        plot(runs, measures=options.measure, path=options.plot)


if __name__ == "__main__":
    main()
