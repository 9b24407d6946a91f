"""One render job, from its spec to its masters. This is what `farm render` calls, and what a program may call.

It is a farm with one job: the same coordinator, scheduler and pools, and a journal that ends with the process. What
outlives it is the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillReading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction

from farm.config import PoolSizes
from farm.coordination.coordinator import FarmCoordinator, coordinating
from farm.coordination.job_run import JobRun
from farm.coordination.new_jobs import new_run
from farm.coordination.sketches import sketch_needs
from farm.coordination.state import FarmServices
from farm.execution.opening import OpenBackend
from farm.execution.pools.backend import NoPools, PoolBackend
from farm.execution.pools.messages import Joined
from farm.execution.stages import StageFactory
from farm.preparation import Cast, gather_cast, prepare_job, read_job_speech
from farm.render_report import FinishedTake, InspectionTally, RenderListener, RenderReport, Step, StopWatch
from farm.scheduling.failure_policy import WATCHED_PATIENCE_S
from farm.scheduling.state import Moved
from farm.scheduling.units import RENDER_STAGES, Stage, Unit
from infra.journal import open_journal
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import Cancelled, ClusterUnavailable, RenderError
from jobs.farm_spec import FarmPool, FarmSpec
from jobs.journal_events import TakesSketched
from jobs.lifecycle import JobState
from jobs.manifest import SegmentRecord
from jobs.parse import LoadedJob
from stages.speech.decode import Speech

# Speech that takes longer to read is read while the cluster starts; shorter speech is read first, so that a file that
# is no speech costs no start of a cluster, and neither does a job that is committed already.
_PATIENCE_S = 1.0

# Until every replica has loaded its weights.
_START_TIMEOUT_S = 300.0

# One studio, one job: a second failure of a segment proves the first, on whatever replica; a slow machine is no reason
# to end a replica that still works.
_RULES = FarmSpec(
    pool=FarmPool(max_tries_failed=2, stall=300.0, run_timeout=3600.0), patience=WATCHED_PATIENCE_S
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Render:
    """What stays the same through one render."""

    services: FarmServices
    pools: PoolSizes
    open_backend: OpenBackend
    listener: RenderListener
    watch: StopWatch
    watcher: RenderWatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderTerms:
    """How a job is rendered, whatever it is.

    Attributes:
        settings: Where the store and the cache are.
        pools: Replicas per stage; they do not change a byte.
        stages: What the replicas load.
        open_backend: Opens the place where replicas run, when it is certain that they are needed.
        listener: Is told what happens.
        device_kind: Kind of processor that renders; part of the plan.
    """

    settings: FarmSettings
    pools: PoolSizes
    stages: StageFactory
    open_backend: OpenBackend
    listener: RenderListener
    device_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesToChoose:
    """A job that was not rendered, because one of its takes is to be chosen first.

    Attributes:
        sketched: What shows the takes, and what each would cost.
        store: Address of the store that it lies in.
        plan_hash: Hash of the plan.
    """

    sketched: TakesSketched
    store: str
    plan_hash: str


def render_job(
    loaded: LoadedJob,
    *,
    settings: FarmSettings,
    pools: PoolSizes,
    stages: StageFactory,
    open_backend: OpenBackend,
    listener: RenderListener,
    device_kind: str,
) -> RenderReport:
    """Render a job.

    Args:
        loaded: The job.
        settings, pools, stages, open_backend, listener, device_kind: See `RenderTerms`.

    Raises:
        FarmError: The job cannot be rendered. Committed segments stay in the store and are not rendered again;
            nothing half-written is left. ``choice_wanted`` where somebody has to choose a take first.
    """
    terms = RenderTerms(
        settings=settings,
        pools=pools,
        stages=stages,
        open_backend=open_backend,
        listener=listener,
        device_kind=device_kind,
    )
    outcome = render_or_show(loaded, terms)
    if isinstance(outcome, TakesToChoose):
        raise RenderError(
            "one of its takes is rendered once somebody has chosen it",
            where=loaded.job.metadata.name,
            code="choice_wanted",
            hint="choose one: spec.choose is the number of a take",
        )
    return outcome


def render_or_show(loaded: LoadedJob, terms: RenderTerms) -> RenderReport | TakesToChoose:
    """Render a job, or draw the takes that somebody has to choose one of. Raises as `render_job`."""
    settings, stages = terms.settings, terms.stages
    started = time.perf_counter()
    watch = StopWatch()
    services = FarmServices(
        store=open_store(settings.store),
        cache=settings.cache,
        stages=stages,
        device_kind=terms.device_kind,
    )
    render = _Render(
        services=services,
        pools=terms.pools,
        open_backend=terms.open_backend,
        listener=terms.listener,
        watch=watch,
        watcher=RenderWatcher(terms.listener, watch),
    )
    cast = gather_cast(loaded, stages=stages, cache=settings.cache)
    with ExitStack() as stack:
        speech, backend = _read_and_open(cast, render=render, stack=stack)
        prepared = prepare_job(
            loaded, cast=cast, speech=speech, store=services.store, device_kind=terms.device_kind
        )
        run = new_run(prepared.plan.name, prepared)
        is_missing = run.found < run.segment_count
        if not is_missing:
            # One that was opened while the speech was read is not started, and cannot be waited for.
            backend = NoPools()
        elif backend is None:
            backend = stack.enter_context(terms.open_backend())
        with _coordinator(render, backend) as coordinator:
            if is_missing:
                _start(coordinator, backend, render=render, run=run)
            ready = time.perf_counter()
            sketched = _render(coordinator, run=run, render=render)
        if sketched is not None:
            return TakesToChoose(sketched=sketched, store=services.store.uri, plan_hash=run.plan.plan_hash)
        finished = time.perf_counter()
    reading = watch.seconds()[Step.SPEECH]
    watch.add(Step.STARTUP, ready - started - reading)
    return _report(run, render=render, wall_seconds=finished - ready + reading)


def _read_and_open(cast: Cast, *, render: _Render, stack: ExitStack) -> tuple[Speech, PoolBackend | None]:
    """Read the speech; open the backend meanwhile where reading takes long."""
    render.listener.advance(Step.SPEECH, done=0, total=1)
    backend = None
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="speech") as reader,
        render.watch.measure(Step.SPEECH),
    ):
        reading: Future[Speech] = reader.submit(read_job_speech, cast)
        try:
            speech = reading.result(timeout=_PATIENCE_S)
        except StillReading:
            backend = stack.enter_context(render.open_backend())
            speech = reading.result()
    render.listener.advance(Step.SPEECH, done=1, total=1)
    return speech, backend


@contextmanager
def _coordinator(render: _Render, backend: PoolBackend) -> Iterator[FarmCoordinator]:
    journal = open_journal(":memory:")
    try:
        coordinator = FarmCoordinator(
            services=render.services,
            journal=journal,
            backend=backend,
            rules=_RULES,
            pools=render.pools,
            watcher=render.watcher,
            owner="farm render",
        )
        with coordinating(coordinator):
            yield coordinator
    finally:
        journal.close()


def _start(coordinator: FarmCoordinator, backend: PoolBackend, *, render: _Render, run: JobRun) -> None:
    """Start the replicas with everything the job needs, and wait until all are ready.

    Raises:
        FarmError: A replica refused its subject or weights, or they do not get ready.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    total = backend.start(render.pools, warm=run.setup)
    render.listener.advance(Step.STARTUP, done=0, total=total)
    while render.watcher.joined_replicas < total:
        if time.monotonic() > deadline:
            raise ClusterUnavailable(
                f"the replicas were not ready after {_START_TIMEOUT_S:.0f} s",
                where="cluster",
                hint="use fewer --replicas, or see whether the cluster has free cores and memory",
            )
        coordinator.step()
    render.listener.advance(Step.STARTUP, done=total, total=total)


def _render(coordinator: FarmCoordinator, *, run: JobRun, render: _Render) -> TakesSketched | None:
    """From the first window to the last master, or to the takes that one has to be chosen of.

    Raises:
        FarmError: What ended the job.
    """
    render.watcher.expect(run)
    coordinator.adopt(run, studio=run.plan.owner)
    coordinator.run_until(
        lambda: coordinator.has_ended(run.name) or coordinator.sketched(run.name) is not None
    )
    if (sketched := coordinator.sketched(run.name)) is not None:
        return sketched
    if run.error is not None:
        raise run.error
    if len(run.takes) < len(run.plan.rendered_takes):
        raise Cancelled("the job ended without its masters", where=run.name)
    return None


def _report(run: JobRun, *, render: _Render, wall_seconds: float) -> RenderReport:
    plan, speech = run.plan, run.speech
    return RenderReport(
        takes=tuple(run.takes[take] for take in plan.rendered_takes),
        plan_hash=plan.plan_hash,
        store=render.services.store.uri,
        device_kind=plan.identities.device_kind,
        frame_count=plan.frame_count,
        speech_seconds=Fraction(speech.source_sample_count, speech.source_rate),
        segments_total=run.segment_count,
        segments_found=run.found,
        inspection=InspectionTally.of(run.records.values()),
        step_seconds=render.watch.seconds(),
        wall_seconds=wall_seconds,
    )


class RenderWatcher:
    """Watches a farm that has one job."""

    def __init__(self, listener: RenderListener, watch: StopWatch) -> None:
        self._listener = listener
        self._watch = watch
        self._done = dict.fromkeys(RENDER_STAGES, 0)
        self._totals = dict.fromkeys(RENDER_STAGES, 0)
        self._tally = InspectionTally()
        self._stitched_at = 0.0
        self._takes = 0
        self._told = set[str]()
        self.joined_replicas = 0

    def expect(self, run: JobRun) -> None:
        """Say how much there is to do."""
        missing = set(range(run.segment_count)) - run.committed()
        needs = sketch_needs(run) if run.plan.awaits_choice else run.needs(missing)
        windows = {(need.take, window) for need in needs for window in need.windows}
        segments = 0 if run.plan.awaits_choice else len(needs)
        self._totals = {Stage.MOTION: len(windows), Stage.FACE: len(needs), Stage.RENDER: segments}
        self._tally = InspectionTally.of(run.records.values())
        self._takes = len(run.plan.rendered_takes)
        for stage, total in self._totals.items():
            if total:
                self._listener.advance(Step.of(stage), done=0, total=total)

    def joined(self, joined: Joined) -> None:
        """A replica is ready."""
        self.joined_replicas += 1
        notice = joined.facts.notice
        # Replicas of one pool have the same to say.
        if notice and notice not in self._told:
            self._told.add(notice)
            self._listener.note(notice)

    def moved(self, moved: Moved) -> None:
        """Of the job's states only the beginning of its masters is worth a bar."""
        if moved.after is JobState.STITCHING:
            self._stitched_at = time.perf_counter()
            self._listener.advance(Step.STITCH, done=0, total=self._takes)

    def worked(self, run: JobRun, unit: Unit, *, seconds: float) -> None:
        """A window or face is done, or a segment is committed."""
        self._watch.add(Step.of(unit.stage), seconds)
        if unit.stage is not Stage.RENDER:
            self._advance(unit.stage)

    def _advance(self, stage: Stage) -> None:
        self._done[stage] += 1
        # What a lost replica had done is done again.
        total = max(self._totals[stage], self._done[stage])
        self._listener.advance(Step.of(stage), done=self._done[stage], total=total)

    def committed(self, run: JobRun, record: SegmentRecord) -> None:
        """Rendered, or found: say what the inspection has of it, the tally always, a flagged segment by name."""
        self._advance(Stage.RENDER)
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
        self._listener.advance(Step.STITCH, done=len(run.takes), total=self._takes)

    def note(self, job: str, message: str) -> None:
        """One sentence."""
        self._listener.note(message)
