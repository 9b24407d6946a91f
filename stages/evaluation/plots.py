"""Both videos over time, and the error between them. Legend: T frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.evaluation.traces import Traces
from stages.payloads import FRAMES_PER_SECOND

Doubles = NDArray[np.float64]

_INCHES: Final = (14.0, 1.7)
_COLOURS: Final = {"generated": "#c0392b", "truth": "#1f5fa8"}

_FACE_PLOTS: Final = (
    ("mouth opening", "px", "opening_T"),
    ("eye opening", "px", "eyes_T"),
    ("yaw", "degrees", "yaw_T"),
    ("pitch", "degrees", "pitch_T"),
    ("roll", "degrees", "roll_T"),
)
_ERROR_PLOTS: Final = (
    ("distance of the lip points", "px", "lip_error_T"),
    ("PSNR", "dB", "psnr_T"),
    ("SSIM", "", "ssim_T"),
)


def draw_tracks(traces: Traces, path: Path) -> None:
    """Mouth, eyes and head of both videos, as PNG."""
    sides = {"generated": traces.generated, "truth": traces.truth}
    _draw(
        path,
        [
            (title, unit, {name: getattr(side, field) for name, side in sides.items()})
            for title, unit, field in _FACE_PLOTS
        ],
    )


def draw_errors(traces: Traces, path: Path) -> None:
    """Lip error, PSNR and SSIM of every frame, as PNG. What is infinite or was not measured leaves a gap."""
    _draw(path, [(title, unit, {"error": getattr(traces, field)}) for title, unit, field in _ERROR_PLOTS])


def _draw(path: Path, plots: list[tuple[str, str, Mapping[str, Doubles]]]) -> None:
    figure = Figure(figsize=(_INCHES[0], len(plots) * _INCHES[1]), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for place, (title, unit, lines) in enumerate(plots, start=1):
        axes = figure.add_subplot(len(plots), 1, place)
        _plot(axes, lines)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylabel(unit, fontsize=9)
    figure.axes[-1].set_xlabel("s", loc="right")
    canvas.print_png(str(path))


def _plot(axes: Axes, lines: Mapping[str, Doubles]) -> None:
    for name, values_T in lines.items():
        seconds_T = np.arange(len(values_T)) / FRAMES_PER_SECOND
        finite_T = np.where(np.isfinite(values_T), values_T, np.nan)
        axes.plot(seconds_T, finite_T, color=_COLOURS.get(name, "#444"), linewidth=0.9, label=name)
    axes.margins(x=0)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)
    if len(lines) > 1:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, ncols=len(lines), frameon=False, borderpad=0
        )
