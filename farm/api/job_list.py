"""Which jobs a list has, in which order, and where its next page begins."""

from __future__ import annotations

import base64
import binascii
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from farm.api.problems import BadRequest
from farm.ledger import LedgerJob

Place = tuple[float | str, ...]
"""Where a job stands in a list; smaller comes first."""

_DEFAULT_PROJECT: Final = "default"


class JobOrder(StrEnum):
    """What a list begins with."""

    NEWEST = "newest"
    OLDEST = "oldest"
    CHANGED = "changed"  # the latest change of state
    NAME = "name"

    def place(self, job: LedgerJob) -> Place:
        """Where the job stands in a list of this order."""
        if self is JobOrder.NEWEST:
            return (-job.received,)
        if self is JobOrder.OLDEST:
            return (job.received,)
        if self is JobOrder.CHANGED:
            return (-job.changed_at, -job.received)
        return (job.name, job.received)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list shall have; None means all.

    Attributes:
        states: Any of these.
        name: What the job is called in its file.
        search: Part of its name, in small or large letters.
        order: What the list begins with.
    """

    states: frozenset[str] | None = None
    name: str | None = None
    project: str | None = None
    search: str | None = None
    order: JobOrder = JobOrder.NEWEST

    def takes(self, job: LedgerJob) -> bool:
        """Whether the list has the job."""
        return (
            (self.states is None or job.state.value in self.states)
            and (self.name is None or job.name.rpartition("-")[0] == self.name)
            and (self.search is None or self.search.lower() in job.name.lower())
            and (self.project is None or self._is_of_project(job))
        )

    def takes_unseen(self, name: str, document: Mapping[str, Any]) -> bool:
        """Whether the list has a job that no farm has taken in yet; its state is looked at elsewhere."""
        metadata = document["metadata"]
        return (
            self.name in (None, metadata["name"])
            and (self.search is None or self.search.lower() in name.lower())
            and self.project in (None, metadata.get("project", _DEFAULT_PROJECT))
        )

    def _is_of_project(self, job: LedgerJob) -> bool:
        # Most jobs are told apart without reading their documents.
        if self.project != _DEFAULT_PROJECT and f'"{self.project}"' not in job.document_json:
            return False
        return bool(job.document["metadata"].get("project", _DEFAULT_PROJECT) == self.project)


def jobs_after(
    jobs: Sequence[LedgerJob], wanted: JobFilter, *, cursor: str | None, most: int
) -> list[LedgerJob]:
    """The next jobs of a list.

    Args:
        jobs: All of the studio, in the order in which they came.
        wanted: Which of them.
        cursor: Of the last page, as `cursor_after` made it; None begins anew.
        most: At most so many.

    Raises:
        BadRequest: The cursor is none of this list's.
    """
    after = None if cursor is None else _place_of(cursor, wanted.order)

    def found(each: Iterator[LedgerJob]) -> Iterator[LedgerJob]:
        place = wanted.order.place
        return (job for job in each if (after is None or place(job) > after) and wanted.takes(job))

    if wanted.order is JobOrder.NEWEST:
        return list(islice(found(reversed(jobs)), most))
    if wanted.order is JobOrder.OLDEST:
        return list(islice(found(iter(jobs)), most))
    return heapq.nsmallest(most, found(iter(jobs)), key=wanted.order.place)


def cursor_after(job: LedgerJob, order: JobOrder) -> str:
    """Asks for the jobs after this one."""
    text = json.dumps({"order": order.value, "after": order.place(job)})
    return base64.urlsafe_b64encode(text.encode()).decode()


def _place_of(cursor: str, order: JobOrder) -> Place:
    try:
        told = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        place = tuple(told["after"])
        kinds = (str, int) if order is JobOrder.NAME else (int | float, int)
        fits = len(place) == (2 if order in (JobOrder.CHANGED, JobOrder.NAME) else 1)
        if told["order"] == order and fits and all(map(isinstance, place, kinds)):
            return place
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        pass
    raise BadRequest(
        "is none of this list's", where="cursor", code="bad_cursor", hint="leave it out to begin anew"
    )
