"""`farm pause`, `resume`, `cancel`, `retry`, `requeue`, `waive`, `choose`, `why`: one request and the answer to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from farm.cli.connections.choosing import opened_farm
from farm.cli.guarding import Run, argument, command, option
from farm.cli.output import UsageError
from farm.cli.overview import JobArgument
from jobs.errors import ExitCode
from jobs.farm_requests import (
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    WaiveRequest,
)
from jobs.scheduling_spec import LONGEST
from jobs.spec import LARGEST_TAKES

if TYPE_CHECKING:
    from farm.cli.connections.connection import ChangeRequest, FarmConnection
    from farm.cli.connections.views import AskedView

PATIENCE_S: Final = 5.0
PatienceOption = Annotated[
    float,
    option(
        "--patience",
        "SECONDS",
        "How long to wait for the farm's answer.",
        least=0,
        most=3600,
        shows_default=True,
    ),
]
_FramesOption = Annotated[str, option("--frames", "A-B", "The first and the last frame, counted from 0.")]
_FRAMES = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)

app = typer.Typer()


@command(app, "pause")
def _pause(run: Run, *, job: JobArgument, patience: PatienceOption = PATIENCE_S) -> ExitCode:
    """Start no other segment of a job; those that run finish."""
    return _ask(run, PauseRequest(job=job), patience_s=patience)


@command(app, "resume")
def _resume(
    run: Run,
    *,
    job: JobArgument,
    max_gpu_seconds: Annotated[
        float | None,
        option(
            "--max-gpu-seconds", "S", "What the job may spend in all, where its budget is spent.", least=0
        ),
    ] = None,
    patience: PatienceOption = PATIENCE_S,
) -> ExitCode:
    """Go on with a job that is paused or held."""
    if max_gpu_seconds is not None and not 0 < max_gpu_seconds <= LONGEST:
        raise UsageError(
            f"{max_gpu_seconds:g} is no budget",
            where="--max-gpu-seconds",
            hint=f"give it more than 0 and at most {LONGEST:.0f} seconds",
        )
    return _ask(run, ResumeRequest(job=job, max_gpu_seconds=max_gpu_seconds), patience_s=patience)


@command(app, "cancel")
def _cancel(run: Run, *, job: JobArgument, patience: PatienceOption = PATIENCE_S) -> ExitCode:
    """End a job; what it committed stays in the store."""
    return _ask(run, CancelRequest(job=job), patience_s=patience)


@command(app, "retry")
def _retry(run: Run, *, job: JobArgument, patience: PatienceOption = PATIENCE_S) -> ExitCode:
    """Try again what failed or was given up."""
    return _ask(run, RetryRequest(job=job), patience_s=patience)


@command(app, "requeue")
def _requeue(
    run: Run, *, job: JobArgument, frames: _FramesOption, patience: PatienceOption = PATIENCE_S
) -> ExitCode:
    """Put segments with these frames that were given up or waived back in line, in every take."""
    span = _span(frames)
    request = RequeueRequest(job=job, first_frame=span.start, stop_frame=span.stop)
    return _ask(run, request, patience_s=patience)


@command(app, "waive")
def _waive(
    run: Run, *, job: JobArgument, frames: _FramesOption, patience: PatienceOption = PATIENCE_S
) -> ExitCode:
    """Do without the segments with these frames, in every take: a picture stands still there."""
    span = _span(frames)
    request = WaiveRequest(job=job, first_frame=span.start, stop_frame=span.stop)
    return _ask(run, request, patience_s=patience)


@command(app, "choose")
def _choose(
    run: Run,
    *,
    job: JobArgument,
    take: Annotated[int, argument("TAKE", "The number of the take, from 1.")],
    patience: PatienceOption = PATIENCE_S,
) -> ExitCode:
    """Render one take of a job that waits for a choice, and none of the others; farm status shows where to look."""
    if not 1 <= take <= LARGEST_TAKES:
        raise UsageError(f"cannot be {take}", where="TAKE", hint="give the number of a take, from 1")
    return _ask(run, ChooseRequest(job=job, take=take), patience_s=patience)


@command(app, "why")
def _why(run: Run, *, job: JobArgument, patience: PatienceOption = PATIENCE_S) -> ExitCode:
    """Ask why nothing, or nothing more, of a job runs."""
    with opened_farm(run.settings) as farm:
        return _show(farm.why(job, patience_s=patience), farm=farm, run=run)


def _ask(run: Run, request: ChangeRequest, *, patience_s: float) -> ExitCode:
    """Ask the farm and show its answer.

    Raises:
        FarmError: The farm refuses, or cannot be reached.
    """
    with opened_farm(run.settings) as farm:
        return _show(farm.change(request, patience_s=patience_s), farm=farm, run=run)


def _show(asked: AskedView, *, farm: FarmConnection, run: Run) -> ExitCode:
    record = {"request": asked.request, "answered": asked.answered, "job": asked.job, "text": asked.text}
    if not run.terminal.result(record):
        if asked.answered:
            run.terminal.out.print(f"{asked.job}: {asked.text}", markup=False)
        elif asked.request is not None:
            run.terminal.note(unanswered([asked.request], address=farm.address))
    return ExitCode.OK


def _span(text: str) -> range:
    """Frames written as ``100-149``, both of them included, or as one number.

    Raises:
        UsageError: It is no such text.
    """
    match = _FRAMES.fullmatch(text)
    first = int(match[1]) if match else 0
    last = int(match[2] or match[1]) if match else -1
    if last < first:
        raise UsageError(
            f"cannot be '{text[:40]}'",
            where="--frames",
            hint="write the first and the last frame, as in 100-149",
        )
    return range(first, last + 1)


def unanswered(requests: Sequence[int], *, address: str) -> str:
    """What to say where no farm answers."""
    numbers = ", ".join(str(request) for request in requests)
    noun, verb = ("request", "is") if len(requests) == 1 else ("requests", "are")
    return (
        f"no answer yet at {address}: {noun} {numbers} {verb} kept, and carried out once farm serve is there"
        " and has planned the job"
    )
