"""Progress bars: of a render, of a shared farm, of a training, of judging."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from farm.cli.output import Terminal
from farm.render_report import FinishedTake, InspectionTally, Step
from farm.training.progress import Validated
from jobs.lifecycle import JobState
from jobs.manifest import SegmentRecord

if TYPE_CHECKING:
    from farm.coordination.job_run import JobRun
    from farm.execution.pools.messages import Joined
    from farm.scheduling.state import Moved
    from farm.scheduling.units import Unit

_UNITS = {
    Step.STARTUP: "replicas",
    Step.SPEECH: "file",
    Step.MOTION: "windows",
    Step.FACE: "segments",
    Step.RENDER: "segments",
    Step.STITCH: "masters",
}

# States that an operator hears of; the others pass by in moments.
_TOLD = frozenset(JobState) - {JobState.STITCHING, JobState.DELIVERING, JobState.PLANNED}

# Steps differ by whether they validate or save, so the time left is judged over many of them.
_SPEED_PERIOD_S: Final = 600.0


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

    def note(self, message: str) -> None:
        """One sentence."""
        self._terminal.note(message)

    def describe(self, step: str, *, unit: str) -> None:
        """Other words behind the bar of a step that is shown already."""
        if step in self._rows:
            self._progress.update(self._rows[step], unit=unit)


class Bars(StepBars):
    """A `RenderListener`: the bars of a render."""

    def advance(self, step: Step, *, done: int, total: int) -> None:
        """See `RenderListener.advance`."""
        self.show(step.value, done=done, total=total, unit=_UNITS[step])

    def inspected(self, tally: InspectionTally) -> None:
        """See `RenderListener.inspected`."""
        self.describe(Step.RENDER.value, unit=tally.line())


class EvaluationBars(StepBars):
    """A `farm.evaluation.evaluate_job.EvaluationListener`: one bar of pairs."""

    def judged(self, *, done: int, total: int) -> None:
        """See `EvaluationListener.judged`."""
        self.show("judging", done=done, total=total, unit="pairs")


class FarmBars(LiveBars):
    """A `Watcher` for a terminal; bars only while somebody looks."""

    def __init__(self, terminal: Terminal) -> None:
        self._bars: dict[str, TaskID] = {}
        self._replicas = 0
        super().__init__(
            terminal,
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("segments  {task.fields[state]}"),
            TimeElapsedColumn(),
        )

    def joined(self, joined: Joined) -> None:
        """Replicas come one by one; the first of a stage is worth a line, every notice too."""
        self._replicas += 1
        where = f"on GPU {', '.join(joined.facts.gpus)}" if joined.facts.gpus else f"on {joined.facts.device}"
        self._terminal.note(f"{joined.replica} is ready {where}")
        if joined.facts.notice:
            self._terminal.note(joined.facts.notice)

    def moved(self, moved: Moved) -> None:
        """A job changed its state; segments and attempts move too often for lines."""
        if not isinstance(moved.after, JobState):
            return
        name, state = moved.subject, moved.after
        if state in _TOLD and moved.before is not state:
            self._terminal.note(f"{name}: {state.value}, {moved.reason}")
        if state.is_terminal:
            bar = self._bars.pop(name, None)
            if bar is not None:
                self._progress.remove_task(bar)
        elif name in self._bars:
            self._progress.update(self._bars[name], state=state.value)

    def worked(self, run: JobRun, unit: Unit, *, seconds: float) -> None:
        """Windows and faces come before segments and need no bar of their own."""

    def committed(self, run: JobRun, record: SegmentRecord) -> None:
        """One segment more."""
        if run.name not in self._bars:
            self._bars[run.name] = self._progress.add_task(
                run.name, total=run.segment_count, state=JobState.RUNNING.value
            )
        self._progress.update(self._bars[run.name], completed=len(run.records))
        if record.inspection is not None and record.inspection.flagged:
            what = "; ".join(check.finding() for check in record.inspection.flagged)
            self._terminal.note(f"{run.name}: segment {record.index} is flagged: {what}")

    def finished(self, run: JobRun, take: FinishedTake) -> None:
        """A master is delivered."""
        self._terminal.note(f"{run.name}: {take.master}  sha256 {take.sha256[:16]}")

    def note(self, job: str, message: str) -> None:
        """One sentence."""
        self._terminal.note(f"{job}: {message}" if job else message)


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

    def waits(self, *, reason: str) -> None:
        """See `TrainingListener.waits`."""
        self._terminal.note(f"the store is asked again: {reason}")

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
