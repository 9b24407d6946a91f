"""What the operator of a farm sees: a bar for each job under way, and one line for each thing worth telling."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn

from farm.cli.bars import LiveBars
from farm.cli.output import Terminal
from farm.coordination.job_run import JobRun
from farm.execution.pools.messages import Joined
from farm.report import FinishedTake
from farm.scheduling.state import Moved
from farm.scheduling.units import Unit
from jobs.lifecycle import JobState
from jobs.manifest import SegmentRecord

# States that an operator hears of; the others pass by in moments.
_TOLD = frozenset(JobState) - {JobState.STITCHING, JobState.DELIVERING, JobState.PLANNED}


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
            self._terminal.note(f"{name}: {state.value}, {moved.reason.text}")
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
