"""A segment that was given up leaves a bundle behind, with which it can be rendered again by one command."""

from __future__ import annotations

import logging

from farm.coordination.job_run import JobRun
from farm.coordination.state import CoordinatorState
from farm.execution.pools.messages import Task
from farm.replay.bundle import Failure
from farm.replay.writing import write_bundle
from jobs.errors import FarmError
from jobs.journal_events import BundleWritten

logger = logging.getLogger(__name__)


def write_replay_bundle(farm: CoordinatorState, run: JobRun, segment: int, *, reason: str) -> None:
    """Write the bundle and say where it is. What ails the bundle does not ail the job: it is only told."""
    unit = run.unit(segment)
    call = run.segment_call(unit)
    if farm.services.bundles is None or call is None:
        return
    tries = run.tries.get(unit, [])
    folder = farm.services.bundles / run.name / f"segment-{segment:05d}"
    try:
        write_bundle(
            folder,
            task=Task(key=f"{run.name}-{segment}", job=run.name, unit=unit, setup=run.setup, call=call),
            failure=tries[-1].failure if tries else Failure.hang(reason),
            tries=tries,
            engine_version=run.plan.identities.engine_version,
            device_kind=run.plan.identities.device_kind,
        )
    except FarmError as error:
        logger.warning("no bundle of %s: %s", unit, error.line())
        farm.watcher.note(run.name, f"{unit} leaves no replay bundle: {error.message}")
        return
    farm.writer.note(BundleWritten(job=run.name, segment=segment, bundle=str(folder)))
    farm.watcher.note(run.name, f"{unit} is in quarantine; replay it with: farm replay {folder}")
