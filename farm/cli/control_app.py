"""The commands for a farm that runs: handing in jobs, watching and changing them, replaying what was given up."""

from __future__ import annotations

from collections.abc import Callable

import typer

from farm.cli.common_options import EXIT_CODES, JsonOption, OverwriteOption, ReplicasOption, StoreOption
from farm.cli.control import checked_budget, frames_of, run_request
from farm.cli.control_options import (
    AllOption,
    BudgetOption,
    BundleArgument,
    FarmArgument,
    FramesOption,
    HoldOption,
    JobArgument,
    JobsArgument,
    KeepOption,
    PatienceOption,
    SpecsArgument,
    StudioOption,
    TimeoutOption,
    TokenOption,
    UntilDoneOption,
    WaitOption,
    WaitTimeoutOption,
)
from farm.cli.guarding import guarded
from farm.cli.overview import run_list, run_status
from farm.cli.replay import run_replay
from farm.cli.run import run_run
from farm.cli.submitting import SubmitOptions, run_submit
from farm.cli.waiting import run_wait
from jobs.farm_requests import (
    AnyRequest,
    CancelRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    WaiveRequest,
    WhyRequest,
)

_EPILOG = f"Exit codes:\n\n{EXIT_CODES}"
_PATIENCE_S = 5.0

control_app = typer.Typer(rich_markup_mode="rich")


@control_app.command("run", epilog=_EPILOG)
def _run(
    context: typer.Context,
    farm: FarmArgument = None,
    replicas: ReplicasOption = None,
    until_done: UntilDoneOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the jobs of FARM_JOURNAL: many jobs of many studios on shared replicas, until it is stopped.

    A farm that was stopped or killed goes on where it was when it is started again.
    """
    guarded(
        lambda settings, terminal, wiring: run_run(
            farm,
            replicas=replicas,
            until_done=until_done,
            settings=settings,
            terminal=terminal,
            wiring=wiring,
        ),
        context=context,
        store=store,
        as_json=as_json,
    )


@control_app.command("submit", epilog=_EPILOG)
def _submit(
    context: typer.Context,
    specs: SpecsArgument,
    studio: StudioOption = "default",
    hold: HoldOption = False,
    token: TokenOption = None,
    wait: WaitOption = False,
    overwrite: OverwriteOption = False,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Hand jobs to the shared farm whose journal is FARM_JOURNAL; it tells the names they have there."""
    options = SubmitOptions(
        studio=studio, hold=hold, token=token, wait=wait, overwrite=overwrite, patience_s=patience
    )
    guarded(
        lambda settings, terminal, _wiring: run_submit(
            specs, options=options, settings=settings, terminal=terminal
        ),
        context=context,
        store=None,
        as_json=as_json,
    )


@control_app.command("list", epilog=_EPILOG)
def _list(context: typer.Context, everything: AllOption = False, as_json: JsonOption = False) -> None:
    """Show the jobs of the shared farm."""
    guarded(
        lambda settings, terminal, _wiring: run_list(
            everything=everything, settings=settings, terminal=terminal
        ),
        context=context,
        store=None,
        as_json=as_json,
    )


@control_app.command("status", epilog=_EPILOG)
def _status(context: typer.Context, job: JobArgument, as_json: JsonOption = False) -> None:
    """Show one job: where it stands and why, its segments, replay bundles and masters."""
    guarded(
        lambda settings, terminal, _wiring: run_status(job, settings=settings, terminal=terminal),
        context=context,
        store=None,
        as_json=as_json,
    )


@control_app.command("wait", epilog=_EPILOG)
def _wait(
    context: typer.Context,
    jobs: JobsArgument,
    timeout: WaitTimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until jobs have ended; the exit code is that of the first that did not succeed."""
    guarded(
        lambda settings, terminal, _wiring: run_wait(
            jobs, timeout_s=timeout, settings=settings, terminal=terminal
        ),
        context=context,
        store=None,
        as_json=as_json,
    )


@control_app.command("pause", epilog=_EPILOG)
def _pause(
    context: typer.Context,
    job: JobArgument,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Start no other segment of a job; those that run finish."""
    _ask(lambda: PauseRequest(job=job), context=context, patience=patience, as_json=as_json)


@control_app.command("resume", epilog=_EPILOG)
def _resume(
    context: typer.Context,
    job: JobArgument,
    max_gpu_seconds: BudgetOption = None,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Go on with a job that is paused or held."""

    def request() -> AnyRequest:
        return ResumeRequest(job=job, max_gpu_seconds=checked_budget(max_gpu_seconds))

    _ask(request, context=context, patience=patience, as_json=as_json)


@control_app.command("cancel", epilog=_EPILOG)
def _cancel(
    context: typer.Context,
    job: JobArgument,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """End a job; what it committed stays in the store."""
    _ask(lambda: CancelRequest(job=job), context=context, patience=patience, as_json=as_json)


@control_app.command("retry", epilog=_EPILOG)
def _retry(
    context: typer.Context,
    job: JobArgument,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Try again what failed or was given up."""
    _ask(lambda: RetryRequest(job=job), context=context, patience=patience, as_json=as_json)


@control_app.command("requeue", epilog=_EPILOG)
def _requeue(
    context: typer.Context,
    job: JobArgument,
    frames: FramesOption,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Put segments with these frames that were given up or waived back in line, in every take."""

    def request() -> AnyRequest:
        span = frames_of(frames)
        return RequeueRequest(job=job, first_frame=span.start, stop_frame=span.stop)

    _ask(request, context=context, patience=patience, as_json=as_json)


@control_app.command("waive", epilog=_EPILOG)
def _waive(
    context: typer.Context,
    job: JobArgument,
    frames: FramesOption,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Do without the segments with these frames, in every take: a picture stands still there."""

    def request() -> AnyRequest:
        span = frames_of(frames)
        return WaiveRequest(job=job, first_frame=span.start, stop_frame=span.stop)

    _ask(request, context=context, patience=patience, as_json=as_json)


@control_app.command("why", epilog=_EPILOG)
def _why(
    context: typer.Context,
    job: JobArgument,
    patience: PatienceOption = _PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Ask why nothing, or nothing more, of a job runs."""
    _ask(lambda: WhyRequest(job=job), context=context, patience=patience, as_json=as_json)


@control_app.command("replay", epilog=_EPILOG)
def _replay(
    context: typer.Context,
    bundle: BundleArgument,
    out: KeepOption = None,
    timeout: TimeoutOption = 900.0,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Render a segment that the farm gave up again, alone in a fresh process.

    Exit code 0: it was rendered cleanly; 6: it failed as it did on the farm; 7: it failed in another way.
    """
    guarded(
        lambda _settings, terminal, wiring: run_replay(
            bundle, out=out, timeout_s=timeout, overwrite=overwrite, terminal=terminal, wiring=wiring
        ),
        context=context,
        store=None,
        as_json=as_json,
    )


def _ask(
    request: Callable[[], AnyRequest], *, context: typer.Context, patience: float, as_json: bool
) -> None:
    # Made inside the guard: options that make no request are an error like any other.
    guarded(
        lambda settings, terminal, _wiring: run_request(
            request(), patience_s=patience, settings=settings, terminal=terminal
        ),
        context=context,
        store=None,
        as_json=as_json,
    )
