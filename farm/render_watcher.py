"""From what the coordinator tells of all jobs to what the listener of one render wants to know."""

from __future__ import annotations

import time

from farm.coordination.job_run import JobRun
from farm.execution.pools.messages import Joined
from farm.progress import RenderListener, Step, StopWatch
from farm.report import FinishedTake
from farm.scheduling.state import Moved
from farm.scheduling.units import Stage, Unit
from farm.tally import InspectionTally
from jobs.lifecycle import JobState
from jobs.manifest import SegmentRecord


class RenderWatcher:
    """Watches a farm that has one job."""

    def __init__(self, listener: RenderListener, watch: StopWatch) -> None:
        self._listener = listener
        self._watch = watch
        self._done = dict.fromkeys(Stage, 0)
        self._totals = dict.fromkeys(Stage, 0)
        self._tally = InspectionTally()
        self._stitched_at = 0.0
        self._takes = 0
        self.joined_replicas = 0

    def expect(self, run: JobRun) -> None:
        """Say how much there is to do."""
        missing = set(range(run.segment_count)) - run.committed()
        needs = run.needs(missing)
        windows = {(need.take, window) for need in needs for window in need.windows}
        self._totals = {Stage.MOTION: len(windows), Stage.FACE: len(needs), Stage.RENDER: len(needs)}
        self._tally = InspectionTally.of(run.records.values())
        self._takes = run.plan.takes
        for stage, total in self._totals.items() if missing else ():
            self._listener.advance(Step.of(stage), done=0, total=total)

    def joined(self, joined: Joined) -> None:
        """A replica is ready."""
        self.joined_replicas += 1
        if joined.facts.notice:
            self._listener.note(joined.facts.notice)

    def moved(self, moved: Moved) -> None:
        """Of the job's states only the beginning of its masters is worth a bar."""
        if moved.after is JobState.STITCHING:
            self._stitched_at = time.perf_counter()
            self._listener.advance(Step.STITCH, done=0, total=self._takes)

    def worked(self, run: JobRun, unit: Unit, *, seconds: float) -> None:
        """A window or face is done, or a segment is committed."""
        stage = unit.stage
        self._done[stage] += 1
        self._watch.add(Step.of(stage), seconds)
        # What a lost replica had done is done again.
        total = max(self._totals[stage], self._done[stage])
        self._listener.advance(Step.of(stage), done=self._done[stage], total=total)

    def committed(self, run: JobRun, record: SegmentRecord) -> None:
        """Say what the inspection found: the tally always, a flagged segment by name."""
        if record.inspection is not None and record.inspection.flagged:
            what = "; ".join(check.finding() for check in record.inspection.flagged)
            self._listener.note(f"segment {record.index} is flagged: {what}")
        self._tally = self._tally.with_segment(record)
        self._listener.inspected(self._tally)

    def finished(self, run: JobRun, take: FinishedTake) -> None:
        """A master is delivered."""
        now = time.perf_counter()
        self._watch.add(Step.STITCH, now - self._stitched_at)
        self._stitched_at = now
        self._listener.advance(Step.STITCH, done=take.take, total=run.plan.takes)

    def note(self, job: str, message: str) -> None:
        """One sentence."""
        self._listener.note(message)
