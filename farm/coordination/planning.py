"""From a job's document to a job that can run: everything that takes long and touches no shared state."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from farm.committed import committed_segments, flagged_before
from farm.coordination.floor import House
from farm.coordination.job_run import JobRun
from farm.execution.calls import ReplicaSetup
from farm.preparation import Cast, check_room, gather_cast, make_plan, read_job_speech
from farm.scheduling.shared.requests import JobRequest
from jobs.errors import SpecError, SpecMistake
from jobs.parse import LoadedJob, parse_job
from jobs.plan import RenderPlan
from jobs.priority import OnQuarantine
from stages.speech.decode import Speech


def parse_document(document: dict[str, Any], *, folder: str, where: str) -> LoadedJob:
    """The job that a document describes.

    Raises:
        SpecError: With every mistake in it, or the folder that its paths start at is none.
    """
    if "\0" in folder or not Path(folder).is_absolute():
        mistake = SpecMistake(path="", code="bad_folder", message="its folder is no absolute path")
        raise SpecError(mistakes=[mistake], where=where, hint="hand it in with farm submit")
    return parse_job(json.dumps(document), folder=Path(folder), where=where)


def plan_job(name: str, loaded: LoadedJob, *, house: House) -> JobRun:
    """Find what the job names, plan it, and ask the store what it holds of it.

    Raises:
        FarmError: The job cannot be rendered.
    """
    cast = gather_cast(loaded, stages=house.stages, cache=house.cache)
    speech = read_job_speech(cast)
    plan = make_plan(loaded, cast=cast, frame_count=speech.frame_count, device_kind=house.device_kind)
    run = new_run(name, loaded, cast=cast, plan=plan, speech=speech, house=house)
    # Hundreds of jobs may wait: their samples are read again when their turn is near.
    run.speech = replace(speech, samples_S=speech.samples_S[:0].copy())
    return run


def new_run(
    name: str, loaded: LoadedJob, *, cast: Cast, plan: RenderPlan, speech: Speech, house: House
) -> JobRun:
    """A job whose speech is known.

    Raises:
        FarmError: The store failed, there is no room, or what is committed may not be used.
    """
    records = committed_segments(plan, store=house.store)
    policy = loaded.job.spec.inspection.policy
    missing = plan.takes * len(plan.segments) - len(records)
    check_room(loaded, plan=plan, store=house.store.uri, missing=missing)
    notes = [f"{error.where}: {error.message}" for error in flagged_before(records, policy=policy)]
    setup = ReplicaSetup(
        weights=cast.weights,
        subject=cast.subject_folder,
        store=house.store.uri,
        profile=cast.profile.name,
        fps=plan.fps,
        inspection=policy,
    )
    return JobRun(
        name=name,
        loaded=loaded,
        cast=cast,
        plan=plan,
        setup=setup,
        speech=speech,
        records=records,
        found=len(records),
        notes=notes,
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
