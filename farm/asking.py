"""How users reach a farm that runs somewhere: a request goes into its journal, and the answer comes back there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from infra.journal.base import Journal
from jobs.errors import FarmError, SpecError, SpecMistake
from jobs.farm_requests import AnyRequest, RequestAnswer, SubmitRequest, request_from_json

_LOOK_S = 0.05


def put_request(journal: Journal, request: AnyRequest, *, token: str) -> int:
    """Put a request where the farm finds it; returns its number.

    Raises:
        TokenTaken: The token belongs to another request.
        JournalError: The journal cannot be written.
    """
    return journal.ask(request.model_dump_json(), token=token)


def answer_to(
    journal: Journal,
    request: int,
    *,
    within_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> RequestAnswer | None:
    """The farm's answer; None where none came in time: the request stays, and the next farm carries it out.

    Raises:
        JournalError: The journal cannot be read.
    """
    until = clock() + within_s
    while True:
        body = journal.answer_to(request)
        if body is not None:
            return RequestAnswer.model_validate_json(body)
        if clock() >= until:
            return None
        sleep(_LOOK_S)


def error_from_record(record: Mapping[str, Any]) -> FarmError:
    """The error that a journal's record tells, with every mistake of a spec that was refused."""
    told = FarmError.of_record(record)
    if not record.get("mistakes"):
        return told
    mistakes = [SpecMistake(**mistake) for mistake in record["mistakes"]]
    return SpecError(told.message, mistakes=mistakes, where=told.where, hint=told.hint, code=told.code)


def future_name(request: SubmitRequest, number: int) -> str:
    """What a job will be called once the farm takes in the request of that number."""
    metadata = request.document.get("metadata")
    title = metadata.get("name", "job") if isinstance(metadata, dict) else "job"
    return f"{title}-{number}"


def number_of(name: str) -> int | None:
    """The number of the submit that a job's name ends in; None where it ends in none."""
    number = name.rpartition("-")[2]
    # SQL knows no larger ones.
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def refusal_of(journal: Journal, name: str) -> FarmError | None:
    """Why the farm did not take the job of that name in; None where it was never asked to, or did.

    Raises:
        JournalError: The journal cannot be read.
    """
    number = number_of(name)
    body = None if number is None else journal.answer_to(number)
    if body is None:
        return None
    answer = RequestAnswer.model_validate_json(body)
    if answer.error is None or answer.job != name:
        return None
    return error_from_record(answer.error)


def waiting_submits(journal: Journal) -> dict[str, SubmitRequest]:
    """Submits that no farm has answered yet, by the name that each job will have, oldest first."""
    waiting: dict[str, SubmitRequest] = {}
    for asked in journal.asked():
        try:
            request = request_from_json(asked.body)
        except ValueError:
            continue  # of another version; the farm will say so
        if isinstance(request, SubmitRequest):
            waiting[future_name(request, asked.request)] = request
    return waiting
