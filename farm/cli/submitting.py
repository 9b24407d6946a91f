"""`farm submit`: jobs into the queue of a shared farm."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.asking import answer_to, error_from_record, future_name, put_request
from farm.cli.output import Terminal, UsageError
from farm.cli.waiting import wait_for_jobs
from infra.journal import Journal, open_journal
from infra.settings import FarmSettings
from jobs.errors import Cancelled, ExitCode, FarmError
from jobs.farm_requests import RequestAnswer, SubmitRequest
from jobs.locations import is_slug
from jobs.parse import LoadedJob, load_job
from jobs.places import PlacesInHand, find_places


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """What the command line says beside the jobs.

    Attributes:
        studio: Who pays.
        hold: The jobs wait for a resume.
        token: The same token is the same submit, however often it is given.
        wait: Until the jobs have ended.
        overwrite: The masters may replace files that the farm did not write.
        patience_s: How long to wait for the farm's answer.
    """

    studio: str
    hold: bool
    token: str | None
    wait: bool
    overwrite: bool
    patience_s: float


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


def run_submit(
    specs: Sequence[Path], *, options: SubmitOptions, settings: FarmSettings, terminal: Terminal
) -> ExitCode:
    """Submit jobs; all of them are checked before the first is handed in.

    Raises:
        SpecError: A job has mistakes.
        OutputRefused: A job writes what it or another of them reads or writes.
        TokenTaken: The token was used for another job.
        JournalError: The journal cannot be written.
    """
    _check(specs, options)
    jobs = [load_job(spec, overwrite=options.overwrite) for spec in specs]
    _hold_against_one_another(jobs, specs=specs)
    requests = [_request(job, options) for job in jobs]
    journal = open_journal(settings.journal)
    try:
        numbers = [
            put_request(journal, request, token=options.token or secrets.token_hex(16))
            for request in requests
        ]
        until = time.monotonic() + options.patience_s
        names = [future_name(request, number) for request, number in zip(requests, numbers, strict=True)]
        with interruptible(f"handed in all the same: {', '.join(names)}"):
            submitted = [
                _await_answer(journal, spec, name, number, until=until)
                for spec, name, number in zip(specs, names, numbers, strict=True)
            ]
        return _outcome(submitted, journal=journal, options=options, terminal=terminal)
    finally:
        journal.close()


def _check(specs: Sequence[Path], options: SubmitOptions) -> None:
    if not is_slug(options.studio):
        raise UsageError(
            "must be 1 to 63 letters, digits, '.', '_' or '-'", where="--studio", hint="as in north"
        )
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
    answer = answer_to(journal, number, within_s=max(0.0, until - time.monotonic()))
    # What is said of a refused job need not begin with its name.
    job = answer.job if answer and answer.job and not answer.error else name
    return _Submitted(spec=spec, request=number, job=job, answer=answer)


def _outcome(
    submitted: Sequence[_Submitted], *, journal: Journal, options: SubmitOptions, terminal: Terminal
) -> ExitCode:
    # Pairs: two refusals may name the same object.
    refusals = [(each.job, each.refusal) for each in submitted if each.refusal]
    if not terminal.is_json:
        _show(submitted, journal=journal, terminal=terminal)
    if options.wait:
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


@contextmanager
def interruptible(what_is_kept: str) -> Iterator[None]:
    """Whoever stops waiting for the farm's answer is told what became of the request.

    Raises:
        Cancelled: Interrupted from the keyboard.
    """
    try:
        yield
    except KeyboardInterrupt:
        hint = "farm list shows the jobs"
        raise Cancelled(f"stopped waiting for the farm; {what_is_kept}", where="farm", hint=hint) from None


def unanswered(requests: Sequence[int], *, journal: Journal) -> str:
    """What to say where no farm answers."""
    numbers = ", ".join(str(request) for request in requests)
    noun, verb = ("request", "is") if len(requests) == 1 else ("requests", "are")
    return (
        f"no answer yet at {journal.address}: {noun} {numbers} {verb} kept, and carried out once farm run is there"
        " and has planned the job"
    )
