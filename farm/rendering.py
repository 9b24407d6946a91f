"""One render job, from its spec to its masters. This is what `farm render` calls, and what a program may call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillReading
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction

from farm.config import PoolSizes
from farm.coordinator import Coordinator, SegmentName
from farm.execution.backend import ExecutionBackend
from farm.execution.calls import ReplicaSetup
from farm.execution.inspecting import rejection, stored_inspection
from farm.execution.opening import OpenBackend
from farm.execution.stages_factory import StageFactory
from farm.finishing import Finisher
from farm.preparation import Cast, check_room, gather_cast, make_plan, read_job_speech
from farm.progress import Listener, Step, StopWatch
from farm.report import FinishedTake, RenderReport
from farm.tally import InspectionTally
from infra.settings import FarmSettings
from infra.storage import ObjectStore, open_store
from jobs.manifest import SegmentRecord
from jobs.parse import LoadedJob
from jobs.plan import RenderPlan
from jobs.spec import InspectionPolicy
from stages.speech.decode import Speech

# Speech that takes longer to read is read while the cluster starts; shorter speech is read first, so that a file that
# is no speech costs no start of a cluster, and neither does a job that is committed already.
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What stays the same through one render."""

    store: ObjectStore
    pools: PoolSizes
    open_backend: OpenBackend
    listener: Listener
    watch: StopWatch
    policy: InspectionPolicy


def render_job(
    loaded: LoadedJob,
    *,
    settings: FarmSettings,
    pools: PoolSizes,
    stages: StageFactory,
    open_backend: OpenBackend,
    listener: Listener,
    device_kind: str,
) -> RenderReport:
    """Render a job.

    Args:
        loaded: The job.
        settings: Where the store and the cache are.
        pools: Replicas per stage; they do not change a byte.
        stages: What the replicas load.
        open_backend: Opens the place where replicas run, when it is certain that they are needed.
        listener: Is told what happens.
        device_kind: Kind of processor that renders; part of the plan.

    Raises:
        FarmError: The job cannot be rendered. Committed segments stay in the store and are not rendered again;
            nothing half-written is left.
    """
    started = time.perf_counter()
    store, watch = open_store(settings.store), StopWatch()
    run = _Run(
        store=store,
        pools=pools,
        open_backend=open_backend,
        listener=listener,
        watch=watch,
        policy=loaded.job.spec.inspection.policy,
    )
    cast = gather_cast(loaded, stages=stages, cache=settings.cache)
    with ExitStack() as stack:
        speech, backend = _read_and_open(cast, run=run, stack=stack)
        plan = make_plan(loaded, cast=cast, frame_count=speech.frame_count, device_kind=device_kind)
        records = committed_segments(plan, store=store)
        found = len(records)
        missing = [name for name in _all_segments(plan) if name not in records]
        check_room(loaded, plan=plan, store=settings.store, missing=len(missing))
        _check_found(records, missing=len(missing), run=run)
        coordinator = None
        if missing:
            backend = backend or stack.enter_context(open_backend())
            coordinator = _started(backend, run=run, plan=plan, cast=cast, speech=speech)
        ready = time.perf_counter()
        if coordinator is not None:
            records |= coordinator.run(missing, committed=records)
        finisher = Finisher(loaded=loaded, plan=plan, cast=cast, speech=speech, store=store)
        takes = _finish(finisher, run=run, records=records)
        finished = time.perf_counter()
    reading = watch.seconds()[Step.SPEECH]
    watch.add(Step.STARTUP, ready - started - reading)
    wall = finished - ready + reading
    return _report(finisher, takes=takes, found=found, records=records, watch=watch, wall_seconds=wall)


def committed_segments(plan: RenderPlan, *, store: ObjectStore) -> dict[SegmentName, SegmentRecord]:
    """The segments of a plan that the store holds: each planned key is asked for, no listing is trusted.

    Raises:
        StoreError: The store failed.
    """
    records: dict[SegmentName, SegmentRecord] = {}
    for take in plan.take_numbers:
        for segment in plan.segments:
            key = plan.segment_key(take=take, index=segment.index)
            facts = store.head(key)
            if facts is not None:
                records[take, segment.index] = SegmentRecord(
                    index=segment.index,
                    first_frame=segment.frames.start,
                    frame_count=len(segment.frames),
                    key=key,
                    sha256=facts.sha256,
                    size_bytes=facts.size_bytes,
                    inspection=stored_inspection(
                        plan.inspection_key(take=take, index=segment.index), store=store
                    ),
                )
    return records


def _check_found(records: Mapping[SegmentName, SegmentRecord], *, missing: int, run: _Run) -> None:
    """Hold what an earlier run committed to this job's policy: that run may have had another.

    Raises:
        SegmentRejected: A segment was flagged, and the policy is not ``warn``.
    """
    if records:
        run.listener.note(f"{len(records)} of {len(records) + missing} segments were already committed")
    for (take, index), record in records.items():
        if record.inspection is None or not record.inspection.flagged:
            continue
        error = rejection(record.inspection, where=f"take {take}, segment {index}", committed_as=record.key)
        if run.policy is not InspectionPolicy.WARN:
            raise error
        run.listener.note(f"{error.where}: {error.message}")


def _read_and_open(cast: Cast, *, run: _Run, stack: ExitStack) -> tuple[Speech, ExecutionBackend | None]:
    """Read the speech; open the backend meanwhile where reading takes long."""
    run.listener.advance(Step.SPEECH, done=0, total=1)
    backend = None
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="speech") as reader,
        run.watch.measure(Step.SPEECH),
    ):
        reading: Future[Speech] = reader.submit(read_job_speech, cast)
        try:
            speech = reading.result(timeout=_PATIENCE_S)
        except StillReading:
            backend = stack.enter_context(run.open_backend())
            speech = reading.result()
    run.listener.advance(Step.SPEECH, done=1, total=1)
    return speech, backend


def _started(
    backend: ExecutionBackend, *, run: _Run, plan: RenderPlan, cast: Cast, speech: Speech
) -> Coordinator:
    """A coordinator whose replicas are ready."""
    setup = ReplicaSetup(
        weights=cast.weights,
        subject=cast.subject_folder,
        store=run.store.uri,
        profile=cast.profile.name,
        fps=plan.fps,
        inspection=run.policy,
    )
    replicas = run.pools.total
    run.listener.advance(Step.STARTUP, done=0, total=replicas)
    facts = backend.start(setup, pools=run.pools)
    for notice in sorted({replica.notice for replica in facts if replica.notice}):
        run.listener.note(notice)
    run.listener.advance(Step.STARTUP, done=replicas, total=replicas)
    return Coordinator(
        plan=plan,
        samples_S=speech.samples_S,
        speech_context=cast.context.speech,
        backend=backend,
        pools=run.pools,
        listener=run.listener,
        watch=run.watch,
    )


def _all_segments(plan: RenderPlan) -> list[SegmentName]:
    return [(take, segment.index) for take in plan.take_numbers for segment in plan.segments]


def _finish(
    finisher: Finisher, *, run: _Run, records: Mapping[SegmentName, SegmentRecord]
) -> tuple[FinishedTake, ...]:
    plan = finisher.plan
    takes: list[FinishedTake] = []
    run.listener.advance(Step.STITCH, done=0, total=plan.takes)
    for take in plan.take_numbers:
        segments = [records[take, segment.index] for segment in plan.segments]
        with run.watch.measure(Step.STITCH):
            takes.append(finisher.finish(take=take, segments=segments))
        run.listener.advance(Step.STITCH, done=take, total=plan.takes)
    return tuple(takes)


def _report(
    finisher: Finisher,
    *,
    takes: tuple[FinishedTake, ...],
    found: int,
    records: Mapping[SegmentName, SegmentRecord],
    watch: StopWatch,
    wall_seconds: float,
) -> RenderReport:
    plan, speech = finisher.plan, finisher.speech
    return RenderReport(
        takes=takes,
        plan_hash=plan.plan_hash,
        store=finisher.store.uri,
        device_kind=plan.identities.device_kind,
        frame_count=plan.frame_count,
        speech_seconds=Fraction(speech.source_sample_count, speech.source_rate),
        segments_total=plan.takes * len(plan.segments),
        segments_found=found,
        inspection=InspectionTally.of(records.values()),
        step_seconds=watch.seconds(),
        wall_seconds=wall_seconds,
    )
