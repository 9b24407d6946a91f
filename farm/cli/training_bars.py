"""The progress of a training: a bar of steps, the latest losses, the latest and the best validation."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from farm.cli.output import Terminal
from farm.training.progress import Validated

# Steps differ by whether they validate or save, so the time left is judged over many of them.
_SPEED_PERIOD_S: Final = 600.0


class TrainingBars:
    """A `TrainingListener` that draws on stderr while somebody watches.

    Each validation and each restart is a line that stays, also where nobody watches.

    Attributes:
        first: The first validation of this start of the run, or None.
        best: The last one that was the best so far, or None.
    """

    def __init__(self, terminal: Terminal, *, name: str) -> None:
        self.first: Validated | None = None
        self.best: Validated | None = None
        self._terminal = terminal
        self._name = name
        self._losses = Text(style="dim")
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TextColumn("[dim]left[/]"),
            TimeRemainingColumn(),
            console=terminal.err,
            speed_estimate_period=_SPEED_PERIOD_S,
        )
        self._row: TaskID | None = None
        self._live = Live(get_renderable=self._drawn, console=terminal.err, refresh_per_second=4)

    def __enter__(self) -> Self:
        if self._terminal.shows_progress:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def resumed(self, *, step: int) -> None:
        """See `TrainingListener.resumed`."""
        self._terminal.note(f"goes on from the checkpoint of step {step}")
        self._move_to(step, steps=None)

    def advanced(self, *, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """See `TrainingListener.advanced`."""
        self._move_to(step, steps=steps)
        figures = "   ".join(f"{name} {value:.4g}" for name, value in losses.items())
        self._losses = Text(f"  losses      {figures}", style="dim")

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        """See `TrainingListener.validated`."""
        validation = Validated(step=step, losses=dict(losses), score=score, is_best=is_best)
        self.first = self.first or validation
        if is_best:
            self.best = validation
        self._terminal.note(f"step {step}: validation {score:.5g}{', the best so far' if is_best else ''}")

    def restarted(self, *, reason: str, attempt: int) -> None:
        """See `TrainingListener.restarted`."""
        self._terminal.note(f"attempt {attempt} after a loss: {reason}")

    def _move_to(self, step: int, *, steps: int | None) -> None:
        if self._row is None:
            # With the steps done before: they were not taken now, and would make the time left too short.
            self._row = self._progress.add_task(self._name, total=steps, completed=step)
        self._progress.update(self._row, total=steps, completed=step)

    def _drawn(self) -> Group:
        best = Text(style="dim")
        if self.best is not None:
            best.append(f"  validation  {self.best.score:.5g}, the best so far, at step {self.best.step}")
        return Group(self._progress, self._losses, best)
