"""From a job's document to a job that can run: everything that takes long and touches no shared state."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from farm.coordination.job_run import JobRun
from farm.coordination.state import FarmServices
from farm.preparation import Preparation, gather_cast, prepare_job, read_job_speech
from farm.scheduling.requests import JobRequest
from jobs.errors import SpecError, SpecMistake
from jobs.parse import LoadedJob, parse_job
from jobs.priority import OnQuarantine


def parse_document(
    document: dict[str, Any], *, folder: str, where: str, overwrite: bool = False
) -> LoadedJob:
    """The job that a document describes.

    Args:
        document: The job as plain data.
        folder: Where its relative paths start.
        where: What to call it in errors.
        overwrite: Whether files that the farm did not write may be replaced.

    Raises:
        SpecError: With every mistake in it, or the folder that its paths start at is none.
    """
    if "\0" in folder or not Path(folder).is_absolute():
        mistake = SpecMistake(path="", code="bad_folder", message="its folder is no absolute path")
        raise SpecError(mistakes=[mistake], where=where, hint="hand it in with farm submit")
    loaded = parse_job(json.dumps(document), folder=Path(folder), where=where)
    return replace(loaded, overwrite=overwrite)


def plan_job(name: str, loaded: LoadedJob, *, services: FarmServices, is_new: bool) -> JobRun:
    """Find what the job names, plan it, and ask the store what it holds of it.

    Args:
        name: Its name in the farm.
        loaded: The job.
        services: What is the same for all jobs.
        is_new: See `prepare_job`.

    Raises:
        FarmError: The job cannot be rendered.
    """
    cast = gather_cast(loaded, stages=services.stages, cache=services.cache)
    speech = read_job_speech(cast)
    run = new_run(
        name,
        prepare_job(
            loaded,
            cast=cast,
            speech=speech,
            store=services.store,
            device_kind=services.device_kind,
            name=name,
            is_new=is_new,
        ),
    )
    # Hundreds of jobs may wait: their samples are read again when their turn is near.
    run.speech = replace(speech, samples_S=speech.samples_S[:0].copy())
    return run


def new_run(name: str, prepared: Preparation) -> JobRun:
    """A job that was prepared."""
    return JobRun(
        name=name,
        loaded=prepared.loaded,
        cast=prepared.cast,
        plan=prepared.plan,
        setup=prepared.setup,
        speech=prepared.speech,
        records=prepared.records,
        found=len(prepared.records),
        places=prepared.places,
        notes=[f"{error.where}: {error.message}" for error in prepared.flagged],
    )


def job_request(run: JobRun, *, studio: str, on_hold: bool = False) -> JobRequest:
    """The job as the scheduler takes it."""
    scheduling = run.loaded.job.spec.scheduling
    return JobRequest(
        job=run.name,
        studio=studio,
        subject=run.cast.subject.sha256,
        segment_count=run.segment_count,
        profile=run.plan.profile,
        tier=scheduling.tier,
        weight=scheduling.weight,
        preview_first=min(scheduling.preview_first, run.segment_count),
        max_replicas=scheduling.max_replicas,
        max_gpu_seconds=scheduling.max_gpu_seconds,
        on_quarantine=scheduling.on_quarantine,
        max_failed_segments=scheduling.max_failed_segments,
        on_hold=on_hold,
        motion_merged=False,
        committed=run.committed(),
    )


def alone(request: JobRequest) -> JobRequest:
    """The request of a job that has the farm to itself, with nobody there to ask: it is never held."""
    on_quarantine = request.on_quarantine
    return replace(
        request,
        preview_first=0,
        max_replicas=None,
        max_gpu_seconds=None,
        on_quarantine=OnQuarantine.FAIL if on_quarantine is OnQuarantine.HOLD else on_quarantine,
    )
