"""What the parts of the coordinator share: the jobs at hand, the tasks that are out, and whom to tell."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from farm.config import PoolSizes
from farm.coordination.background import BackgroundWork
from farm.coordination.job_run import JobRun
from farm.coordination.journal_writer import JournalWriter
from farm.execution.calls import WholeStep
from farm.execution.pools.backend import PoolBackend
from farm.execution.pools.messages import Joined
from farm.execution.stages import StageFactory
from farm.ledger import LedgerJob
from farm.render_report import FinishedTake
from farm.scheduling.failure_policy import Patience
from farm.scheduling.messages import AttemptId, FarmAction, FarmEvent, RequestRefused
from farm.scheduling.scheduler import Scheduler
from farm.scheduling.state import Moved
from farm.scheduling.units import Stage, Unit
from infra.storage import ObjectStore
from jobs.farm_spec import FarmSpec
from jobs.journal_events import JobWaits
from jobs.manifest import SegmentRecord
from jobs.places import FoundPlaces, PlacesInHand
from jobs.queued import QueuedJob, WholeJob


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmServices:
    """What is the same for all jobs of a farm.

    Attributes:
        store: Where segments and masters are committed.
        cache: Folder of what can be fetched again.
        bundles: Folder of the replay bundles of segments in quarantine; none are written with None.
    """

    store: ObjectStore
    cache: Path
    stages: StageFactory
    device_kind: str
    bundles: Path | None = None


class Watcher(Protocol):
    """Is told what a person may want to see."""

    def joined(self, joined: Joined) -> None:
        """A replica is ready."""
        ...

    def moved(self, moved: Moved) -> None:
        """A job, a segment or an attempt changed its state."""
        ...

    def worked(self, run: JobRun, unit: Unit, *, seconds: float) -> None:
        """A window or face is done, or a segment is committed."""
        ...

    def committed(self, run: JobRun, record: SegmentRecord) -> None:
        """A segment of the job is committed."""
        ...

    def finished(self, run: JobRun, take: FinishedTake) -> None:
        """A master is delivered."""
        ...

    def note(self, job: str, message: str) -> None:
        """One sentence about a job, or about the farm where `job` is empty."""
        ...


class Unwatched:
    """Nobody looks."""

    def joined(self, joined: Joined) -> None:
        """Ignore it."""

    def moved(self, moved: Moved) -> None:
        """Ignore it."""

    def worked(self, run: JobRun, unit: Unit, *, seconds: float) -> None:
        """Ignore it."""

    def committed(self, run: JobRun, record: SegmentRecord) -> None:
        """Ignore it."""

    def finished(self, run: JobRun, take: FinishedTake) -> None:
        """Ignore it."""

    def note(self, job: str, message: str) -> None:
        """Ignore it."""


@dataclass(slots=True, kw_only=True)
class Assignment:
    """A task that is out.

    Attributes:
        attempt: The scheduler's attempt, where the task is a segment.
        since: When its replica began it; None while it waits there.
        goes_on_at: When its replica last said that it goes on.
        is_alone: It may be what kills replicas, and has a fresh one for itself.
    """

    job: str
    unit: Unit
    replica: str
    attempt: AttemptId | None = None
    since: float | None = None
    goes_on_at: float = 0.0
    is_alone: bool = False


@dataclass(slots=True)
class Helper:
    """A replica of windows or of faces.

    Attributes:
        keys: Of the tasks that it holds, the oldest first.
        is_fresh: It was given nothing yet.
        is_alone: What it holds runs alone.
        is_leaving: It gets nothing more and is started anew, for what has to run alone.
    """

    keys: list[str] = field(default_factory=list)
    is_fresh: bool = True
    is_alone: bool = False
    is_leaving: bool = False


@dataclass(slots=True, kw_only=True)
class WholeRun:
    """A job in one piece that is planned and has not ended.

    Attributes:
        name: Its name in the farm.
        stage: The pool that works for it.
        places: What it reads and writes.
        plan_hash: Of its document: what it reads is looked at by whoever does it.
        step: How far it was when its replica was asked last.
        told: How far it was when the journal was told last.
        told_at: When that was, by the clock of `time.monotonic`.
    """

    name: str
    loaded: WholeJob
    stage: Stage
    places: FoundPlaces
    plan_hash: str
    step: WholeStep | None = None
    told: WholeStep | None = None
    told_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class PlanningJob:
    """A job that is being planned for the first time.

    Attributes:
        patience: How its planning fares.
        is_cancelled: Somebody cancelled it meanwhile: what was planned is dropped.
    """

    name: str
    studio: str
    loaded: QueuedJob
    on_hold: bool
    patience: Patience
    is_cancelled: bool = False


@dataclass(slots=True, kw_only=True)
class ReturningJob:
    """A job of an earlier run, or one that had failed, on its way back.

    Attributes:
        is_retry: It had failed, and somebody wants it tried again: nothing is held against its segments.
        patience: How its planning fares.
        is_cancelled: Somebody cancelled it meanwhile: what was planned is dropped.
    """

    job: LedgerJob
    loaded: QueuedJob
    is_retry: bool
    patience: Patience
    is_cancelled: bool = False


@dataclass(slots=True, kw_only=True)
class Finishing:
    """A job whose masters are being joined.

    Attributes:
        patience: How it fares.
        taken: The masters that are delivered.
        noted: Takes of these that the journal has.
        stop: Set when no other master shall be begun.
    """

    run: JobRun
    waived: tuple[int, ...]
    patience: Patience
    taken: dict[int, FinishedTake] = field(default_factory=dict)
    noted: set[int] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, kw_only=True)
class CoordinatorState:
    """The shared state of the coordinator's parts.

    Attributes:
        runs: Planned jobs that have not ended, and those whose last attempts are still stopping.
        whole: The same of jobs in one piece.
        tasks: Tasks that are out, by key.
        helpers: Replicas of the windows and of the faces.
        fresh_helper_due: Until when another helper is expected for one that is gone, by the clock of `time.monotonic`.
        actions: What the scheduler wants done and is not done yet.
        moves: Transitions that nobody followed up yet.
        opening: Jobs whose speech is being read.
        finishing: Jobs whose masters are being joined.
        planning: Jobs that are being planned for the first time.
        restoring: Jobs that are being planned again.
        places: What the jobs at hand read and write.
        counted: Windows and faces handed out so far.
        is_in_doubt: The scheduler raised in the middle of an event, and was not found to be sound since.
        kept: Files with tracebacks, by the digests of these.
    """

    services: FarmServices
    writer: JournalWriter
    backend: PoolBackend
    background: BackgroundWork
    watcher: Watcher
    rules: FarmSpec
    pools: PoolSizes
    scheduler: Scheduler
    runs: dict[str, JobRun] = field(default_factory=dict)
    whole: dict[str, WholeRun] = field(default_factory=dict)
    tasks: dict[str, Assignment] = field(default_factory=dict)
    helpers: dict[Stage, dict[str, Helper]] = field(
        default_factory=lambda: {Stage.MOTION: {}, Stage.FACE: {}}
    )
    fresh_helper_due: dict[Stage, float] = field(default_factory=dict)
    actions: deque[FarmAction] = field(default_factory=deque)
    moves: deque[Moved] = field(default_factory=deque)
    opening: set[str] = field(default_factory=set)
    finishing: dict[str, Finishing] = field(default_factory=dict)
    planning: dict[str, PlanningJob] = field(default_factory=dict)
    restoring: dict[str, ReturningJob] = field(default_factory=dict)
    places: PlacesInHand = field(default_factory=PlacesInHand)
    counted: int = 0
    is_in_doubt: bool = False
    kept: dict[str, str] = field(default_factory=dict)

    def tell(self, event: FarmEvent) -> None:
        """Hand an event to the scheduler; what it wants done waits in `actions`.

        Raises:
            RequestRefused: The scheduler refuses what a user asks.
        """
        was_in_doubt, self.is_in_doubt = self.is_in_doubt, True
        try:
            self.actions.extend(self.scheduler.on(event))
        except RequestRefused:
            self.is_in_doubt = was_in_doubt
            raise
        self.is_in_doubt = was_in_doubt

    def patience(self) -> Patience:
        """For a piece of work that is about to begin."""
        return Patience(limit_s=self.rules.patience)

    def tell_waiting(self, job: str, patience: Patience, *, doing: str) -> None:
        """Say that a job's work waits for something that does not answer: once for each cause, also in the journal."""
        if patience.is_news and patience.error is not None:
            self.watcher.note(job, patience.sentence(doing))
            self.writer.note(JobWaits(job=job, doing=doing, error=patience.error.as_record()))

    def key_of(self, attempt: AttemptId) -> str:
        """The key of the task of an attempt."""
        return f"{attempt.epoch}-{attempt.number}"

    def tasks_of(self, replica: str) -> Iterator[tuple[str, Assignment]]:
        """What the replica holds, oldest first."""
        for key, assignment in self.tasks.items():
            if assignment.replica == replica:
                yield key, assignment
