"""Progress bars, one per step."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from farm.cli.output import Terminal
from farm.progress import Step
from farm.tally import InspectionTally

_UNITS = {
    Step.STARTUP: "replicas",
    Step.SPEECH: "file",
    Step.MOTION: "windows",
    Step.FACE: "segments",
    Step.RENDER: "segments",
    Step.STITCH: "masters",
}


class LiveBars:
    """Bars on stderr for the length of a block, while somebody watches; nothing otherwise."""

    def __init__(self, terminal: Terminal, *columns: ProgressColumn) -> None:
        self._terminal = terminal
        self._progress = Progress(*columns, console=terminal.err, disable=not terminal.shows_progress)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class StepBars(LiveBars):
    """A bar for each step."""

    def __init__(self, terminal: Terminal) -> None:
        self._rows: dict[str, TaskID] = {}
        super().__init__(
            terminal,
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]:<9}"),
            TimeElapsedColumn(),
        )

    def show(self, step: str, *, done: int, total: int, unit: str = "") -> None:
        """`done` of `total` units of a step; a total of 0 is not known yet."""
        if step not in self._rows:
            self._rows[step] = self._progress.add_task(step, total=total or None, unit=unit)
        self._progress.update(self._rows[step], completed=done, total=total or None)

    def describe(self, step: str, *, unit: str) -> None:
        """Other words behind the bar of a step that is shown already."""
        if step in self._rows:
            self._progress.update(self._rows[step], unit=unit)


class Bars(StepBars):
    """A `Listener`: the bars of a render."""

    def advance(self, step: Step, *, done: int, total: int) -> None:
        """See `Listener.advance`."""
        self.show(step.value, done=done, total=total, unit=_UNITS[step])

    def note(self, message: str) -> None:
        """See `Listener.note`."""
        self._terminal.note(message)

    def inspected(self, tally: InspectionTally) -> None:
        """See `Listener.inspected`."""
        self.describe(Step.RENDER.value, unit=tally.line())
