"""`farm submit`: jobs handed to the shared farm."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli.control import PATIENCE_S, PatienceOption, interruptible, unanswered
from farm.cli.guarding import OverwriteOption, Run, argument, command, flag, option
from farm.cli.output import Terminal, UsageError
from farm.cli.overview import check_studio, opened_journal, wait_for_jobs
from jobs.errors import ExitCode, FarmError
from jobs.farm_requests import RequestAnswer, SubmitRequest
from jobs.parse import LoadedJob, load_job
from jobs.places import PlacesInHand, find_places
from jobs.plan import DEFAULT_STUDIO

if TYPE_CHECKING:
    from infra.journal import Journal

app = typer.Typer()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """What the command line says beside the jobs."""

    studio: Annotated[str, option("--studio", "NAME", "Who pays.", shows_default=True)] = DEFAULT_STUDIO
    hold: Annotated[bool, flag("--hold", "The jobs wait for farm resume.")] = False
    token: Annotated[
        str | None,
        option(
            "--token",
            "T",
            "Any text; the same submit with the same token is one job, however often it is given.",
        ),
    ] = None
    wait: Annotated[
        bool, flag("--wait", "Until the jobs have ended, with the exit code of the first that failed.")
    ] = False
    overwrite: OverwriteOption = False
    patience: PatienceOption = PATIENCE_S


@command(app, "submit")
def _submit(
    run: Run,
    *,
    specs: Annotated[list[Path], argument("SPEC...", "Render jobs, YAML or JSON files.")],
    options: SubmitOptions,
) -> ExitCode:
    """Hand jobs to the shared farm whose journal is FARM_JOURNAL; it tells the names they have there."""
    from farm.asking import future_name, put_request

    _check(specs, options)
    # All of them are checked before the first is handed in.
    jobs = [load_job(spec, overwrite=options.overwrite) for spec in specs]
    _hold_against_one_another(jobs, specs=specs)
    requests = [_request(job, options) for job in jobs]
    with opened_journal(run.settings, must_exist=False) as journal:
        numbers = [
            put_request(journal, request, token=options.token or secrets.token_hex(16))
            for request in requests
        ]
        until = time.monotonic() + options.patience
        names = [future_name(request, number) for request, number in zip(requests, numbers, strict=True)]
        with interruptible(f"handed in all the same: {', '.join(names)}"):
            submitted = [
                _await_answer(journal, spec, name, number, until=until)
                for spec, name, number in zip(specs, names, numbers, strict=True)
            ]
        return _outcome(submitted, journal=journal, waits=options.wait, terminal=run.terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Submitted:
    """One job that was handed in; without an answer, no farm has seen it yet."""

    spec: Path
    request: int
    job: str
    answer: RequestAnswer | None

    @property
    def refusal(self) -> FarmError | None:
        """Why the farm does not take it."""
        from farm.asking import error_from_record

        error = self.answer.error if self.answer else None
        return None if error is None else error_from_record(error)

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        refusal = self.refusal
        return {
            "spec": str(self.spec),
            "request": self.request,
            "job": self.job,
            "answered": self.answer is not None,
            "error": None if refusal is None else refusal.as_record(),
        }


def _check(specs: Sequence[Path], options: SubmitOptions) -> None:
    check_studio(options.studio)
    if options.token is not None and len(specs) > 1:
        raise UsageError("a token names one submit", where="--token", hint="submit the jobs one by one")
    if options.token == "":
        raise UsageError("is empty", where="--token", hint="leave it out, or choose any text")


def _hold_against_one_another(jobs: Sequence[LoadedJob], *, specs: Sequence[Path]) -> None:
    places = PlacesInHand()
    for number, (job, spec) in enumerate(zip(jobs, specs, strict=True), start=1):
        # One file may be named twice.
        name = str(spec) if specs.count(spec) == 1 else f"{spec} (job {number})"
        places.add(name, find_places(job.places(name=name)))


def _request(job: LoadedJob, options: SubmitOptions) -> SubmitRequest:
    return SubmitRequest(
        # As written: the farm fills in the defaults.
        document=job.job.model_dump(mode="json", by_alias=True, exclude_unset=True),
        folder=str(job.folder),
        studio=options.studio,
        on_hold=options.hold,
        overwrite=options.overwrite,
    )


def _await_answer(journal: Journal, spec: Path, name: str, number: int, *, until: float) -> _Submitted:
    from farm.asking import answer_to

    answer = answer_to(journal, number, within_s=max(0.0, until - time.monotonic()))
    # What is said of a refused job need not begin with its name.
    job = answer.job if answer and answer.job and not answer.error else name
    return _Submitted(spec=spec, request=number, job=job, answer=answer)


def _outcome(
    submitted: Sequence[_Submitted], *, journal: Journal, waits: bool, terminal: Terminal
) -> ExitCode:
    # Pairs: two refusals may name the same object.
    refusals = [(each.job, each.refusal) for each in submitted if each.refusal]
    if not terminal.is_json:
        _show(submitted, journal=journal, terminal=terminal)
    if waits:
        names = [each.job for each in submitted if not each.refusal]
        return wait_for_jobs(journal, names, refused=refusals, terminal=terminal)
    records = [each.as_record() for each in submitted]
    if not terminal.result({"ok": not refusals, "jobs": records}):
        for _, refusal in refusals:
            terminal.error(refusal)
    return refusals[0][1].exit_code if refusals else ExitCode.OK


def _show(submitted: Sequence[_Submitted], *, journal: Journal, terminal: Terminal) -> None:
    for each in submitted:
        if not each.refusal:
            terminal.out.print(each.job, style="bold", markup=False)
    kept = [each.request for each in submitted if each.answer is None]
    if kept:
        terminal.note(unanswered(kept, journal=journal))
