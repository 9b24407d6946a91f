"""One train job, from its spec to its weights. This is what `farm train` calls, and what a program may call."""

from __future__ import annotations

import time
from collections.abc import Mapping

from farm.training.delivery import check_outputs, deliver_weights
from farm.training.identity import run_id, run_prefix
from farm.training.progress import TrainingListener
from farm.training.report import TrainingReport
from farm.training.request import TrainingPlan, plan_training
from farm.training.resources import share_for_training
from farm.training.setup import Outcome, StageTrainers, TrainerFactory, WorkerSetup
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
    check_places(job.places())
    plan = plan_training(job, cache=settings.cache)
    check_outputs(plan)
    run = run_id(plan)
    watch = _ResumeWatch(listener)
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
            listener=watch,
        )
    sha256 = deliver_weights(plan, store=open_store(settings.store), key=outcome.weights_key)
    return _report(plan, setup, outcome, sha256=sha256, resumed_from=watch.resumed_from, started=started)


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


class _ResumeWatch:
    """Passes everything on, and remembers where this start of the run began."""

    def __init__(self, listener: TrainingListener) -> None:
        self._listener = listener
        self._has_begun = False
        self.resumed_from: int | None = None

    def resumed(self, *, step: int) -> None:
        if not self._has_begun:
            self._has_begun, self.resumed_from = True, step
        self._listener.resumed(step=step)

    def advanced(self, *, step: int, steps: int, losses: Mapping[str, float]) -> None:
        self._has_begun = True
        self._listener.advanced(step=step, steps=steps, losses=losses)

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        self._has_begun = True
        self._listener.validated(step=step, losses=losses, score=score, is_best=is_best)

    def restarted(self, *, reason: str, attempt: int) -> None:
        self._listener.restarted(reason=reason, attempt=attempt)


def _report(
    plan: TrainingPlan,
    setup: WorkerSetup,
    outcome: Outcome,
    *,
    sha256: str,
    resumed_from: int | None,
    started: float,
) -> TrainingReport:
    return TrainingReport(
        name=plan.name,
        stage=plan.request.stage,
        steps=outcome.steps,
        resumed_from=resumed_from,
        first_score=outcome.first_score,
        best_score=outcome.best_score,
        best_step=outcome.best_step,
        weights=plan.output,
        weights_sha256=sha256,
        checkpoints=f"{setup.prefix}/checkpoints",
        logs=str(setup.logs),
        seconds=time.perf_counter() - started,
        workers=plan.workers,
    )
