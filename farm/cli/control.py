"""`farm pause`, `resume`, `cancel`, `retry`, `requeue`, `waive`, `why`: one request, and what the farm says to it."""

from __future__ import annotations

import re
import secrets

from farm.asking import answer_to, error_from_record, put_request
from farm.cli.output import Terminal, UsageError
from farm.cli.submitting import interruptible, unanswered
from farm.cli.waiting import check_known
from farm.ledger import load_ledger
from infra.journal import open_journal
from infra.settings import FarmSettings
from jobs.errors import ExitCode
from jobs.farm_requests import AnyRequest, SubmitRequest
from jobs.scheduling_spec import LONGEST

_FRAMES = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)


def run_request(
    request: AnyRequest, *, patience_s: float, settings: FarmSettings, terminal: Terminal
) -> ExitCode:
    """Ask the farm and show its answer.

    Raises:
        FarmError: The farm refuses, or the journal cannot be used.
    """
    journal = open_journal(settings.journal, must_exist=True)
    try:
        if not isinstance(request, SubmitRequest):
            check_known(load_ledger(journal)[0], [request.job], journal=journal)
        number = put_request(journal, request, token=secrets.token_hex(16))
        with interruptible(f"request {number} is kept and is carried out"):
            answer = answer_to(journal, number, within_s=patience_s)
        if answer is not None and answer.error is not None:
            raise error_from_record(answer.error)
        record = {
            "request": number,
            "answered": answer is not None,
            "job": getattr(request, "job", ""),
            "text": answer.text if answer else "",
        }
        if not terminal.result(record):
            if answer is None:
                terminal.note(unanswered([number], journal=journal))
            else:
                terminal.out.print(f"{answer.job}: {answer.text}", markup=False)
    finally:
        journal.close()
    return ExitCode.OK


def checked_budget(seconds: float | None) -> float | None:
    """The same GPU seconds.

    Raises:
        UsageError: They are no budget that a job can have.
    """
    if seconds is not None and not 0 < seconds <= LONGEST:
        raise UsageError(
            f"{seconds:g} is no budget",
            where="--max-gpu-seconds",
            hint=f"give it more than 0 and at most {LONGEST:.0f} seconds",
        )
    return seconds


def frames_of(text: str) -> range:
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
