"""A picture of a simulation: a row for each replica, a bar for each try, a colour for each studio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farm.simulation.spans import BusySpan, SpanEnd
from jobs.errors import FarmError, OutputUnwritable
from jobs.installation import INSTALL_ALL


class PlotUnavailable(FarmError):
    """There is nothing to draw with."""

    default_code = "plot_unavailable"


def draw_timeline(spans: Sequence[BusySpan], path: Path, *, title: str) -> None:
    """Write the picture; its format is that of the file's suffix.

    Raises:
        PlotUnavailable: matplotlib is not installed.
        OutputUnwritable: The file cannot be written, or its suffix names no picture.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError as error:
        raise PlotUnavailable("matplotlib is not installed", where="--plot", hint=INSTALL_ALL) from error
    by_start = sorted(spans, key=lambda span: span.start)
    rows = {name: row for row, name in enumerate(dict.fromkeys(span.replica for span in by_start))}
    studios = sorted({span.studio for span in spans})
    colours = {studio: f"C{number}" for number, studio in enumerate(studios)}
    figure = Figure(figsize=(12, 1.5 + 0.22 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for studio in studios:
        for end, alpha, hatch in _LOOKS:
            mine = [span for span in spans if span.studio == studio and (span.end in end)]
            axes.barh(
                [rows[span.replica] for span in mine],
                [span.stop - span.start for span in mine],
                left=[span.start for span in mine],
                height=0.85,
                color=colours[studio],
                alpha=alpha,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.3,
            )
    cold = [span for span in spans if span.loading > 0]
    axes.barh(
        [rows[span.replica] for span in cold],
        [span.loading for span in cold],
        left=[span.start for span in cold],
        height=0.85,
        color="black",
    )
    legend = [Patch(color=colours[studio], label=studio) for studio in studios]
    legend += [Patch(color="black", label="subject loads")]
    legend += [Patch(facecolor="grey", alpha=0.45, hatch="////", label="lost, failed, stopped or repeated")]
    axes.legend(
        handles=legend, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=len(legend), frameon=False
    )
    axes.set(xlabel="seconds", title=title, yticks=list(rows.values()), yticklabels=list(rows))
    axes.tick_params(axis="y", labelsize=6)
    axes.invert_yaxis()
    try:
        # Without a format, a name without one would get another name.
        figure.savefig(path, dpi=110, format=path.suffix.removeprefix(".") or "png")
    except (OSError, ValueError) as error:
        raise OutputUnwritable(f"the picture cannot be written: {error}", where=path.name) from error


_WASTED = frozenset(SpanEnd) - {SpanEnd.COMMITTED}
_LOOKS = ((frozenset({SpanEnd.COMMITTED}), 1.0, ""), (_WASTED, 0.45, "////"))
