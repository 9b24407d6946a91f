"""One train job, from its spec to its weights. This is what `farm train` calls, and what a program may call."""

from __future__ import annotations

import time
from dataclasses import replace

from farm.outputs import store_places
from farm.training.delivery import check_outputs, deliver_weights
from farm.training.limits import fit_limits
from farm.training.lone_worker import train_here
from farm.training.loop import Outcome
from farm.training.progress import FittedLimits, TrainingListener, TrainingReport
from farm.training.train_plan import TrainingPlan, plan_training, run_id, run_prefix
from farm.training.worker import StageTrainers, TrainerFactory, WorkerSetup, share_for_training
from infra.cluster import connected_cluster
from infra.hardware import Hardware
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.parse import LoadedTraining
from jobs.places import check_places


def train(
    job: LoadedTraining,
    *,
    settings: FarmSettings,
    hardware: Hardware,
    listener: TrainingListener,
    trainers: TrainerFactory | None = None,
) -> TrainingReport:
    """Train a job, or go on with what an earlier start of the same job has done.

    Args:
        job: The job.
        settings: Where the store, the cache and the cluster are.
        hardware: This machine, which an embedded cluster counts on.
        listener: Is told what happens.
        trainers: Builds the trainer in each worker; the stages' own when not given.

    Raises:
        InputNotFound: Clips or the weights to start from are not there.
        OutputRefused: The weights would replace what the job reads, or a file that the farm did not write.
        OutputError: The weights or the checkpoints cannot be written.
        TrainingError: The data cannot be learnt from, or the training itself failed; trying again would not help.
        InfrastructureError: Machines were lost again and again, or the cluster has no room for the workers.
        KeyboardInterrupt: Ctrl-C; the step it had come to is saved.
    """
    started = time.perf_counter()
    plan = _checked_plan(job, settings=settings)
    run = run_id(plan)
    with connected_cluster(
        address=settings.ray_address,
        auth=settings.ray_auth,
        logical_cpus=hardware.cores,
        logical_gpus=len(hardware.gpus),
    ) as cluster:
        share = share_for_training(
            workers=plan.workers,
            cpus=int(cluster.cpus),
            gpus=int(cluster.gpus),
            largest_machine=hardware.cores,
        )
        setup = _setup(plan, run=run, settings=settings, trainers=trainers, threads=share.threads)
        # Ray reads its environment when it is imported; the connection has prepared it by now.
        from farm.training.ray_run import train_on_ray

        outcome = train_on_ray(
            setup,
            workers=plan.workers,
            share=share,
            scratch=settings.cache / "training" / ".ray",
            listener=listener,
        )
    return _delivered(plan, setup, outcome, settings=settings, started=started)


def train_in_process(
    job: LoadedTraining,
    *,
    settings: FarmSettings,
    device: str,
    listener: TrainingListener,
    trainers: TrainerFactory | None = None,
) -> TrainingReport:
    """The same with one worker in this process, which is connected to no cluster or busy on one.

    Args:
        job: The job, of one worker.
        settings: Where the store and the cache are.
        device: Where it computes, such as ``cpu`` or ``cuda``.
        listener: Is told what happens. Where it raises `Cancelled`, the step is saved and the run ends.
        trainers: See `train`.

    Raises:
        FarmError: As `train`.
    """
    started = time.perf_counter()
    plan = _checked_plan(job, settings=settings)
    setup = _setup(plan, run=run_id(plan), settings=settings, trainers=trainers, threads=1)
    outcome, resumed_from = train_here(setup, device=device, listener=listener)
    outcome = replace(outcome, resumed_from=resumed_from)
    return _delivered(plan, setup, outcome, settings=settings, started=started)


def _checked_plan(job: LoadedTraining, *, settings: FarmSettings) -> TrainingPlan:
    for places in (job.places(), job.places_in_subject()):
        check_places(places.reading(store_places(settings.store)))
    plan = plan_training(job, cache=settings.cache)
    check_outputs(plan)
    return plan


def _delivered(
    plan: TrainingPlan, setup: WorkerSetup, outcome: Outcome, *, settings: FarmSettings, started: float
) -> TrainingReport:
    sha256 = deliver_weights(plan, store=open_store(settings.store), key=outcome.weights_key)
    limits = fit_limits(plan)
    return _report(plan, setup, outcome, sha256=sha256, limits=limits, started=started)


def _setup(
    plan: TrainingPlan, *, run: str, settings: FarmSettings, trainers: TrainerFactory | None, threads: int
) -> WorkerSetup:
    return WorkerSetup(
        request=plan.request,
        trainers=trainers or StageTrainers(),
        cadence=plan.cadence,
        store=settings.store,
        prefix=run_prefix(plan, run=run),
        logs=settings.cache / "training" / plan.project / plan.name / "logs" / run,
        threads=threads,
    )


def _report(
    plan: TrainingPlan,
    setup: WorkerSetup,
    outcome: Outcome,
    *,
    sha256: str,
    limits: FittedLimits | None,
    started: float,
) -> TrainingReport:
    return TrainingReport(
        name=plan.name,
        stage=plan.request.stage,
        steps=outcome.steps,
        resumed_from=outcome.resumed_from,
        first_score=outcome.first_score,
        best_score=outcome.best_score,
        best_step=outcome.best_step,
        weights=plan.output,
        weights_sha256=sha256,
        checkpoints=f"{setup.prefix}/checkpoints",
        logs=str(setup.logs),
        seconds=time.perf_counter() - started,
        workers=plan.workers,
        limits=limits,
    )
