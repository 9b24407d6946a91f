"""The batches of a shared farm by its journal."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from farm.asking import put_request
from farm.cli.connections.batch_access import REFUSED, BatchJobView, BatchTerms, BatchView, TemplateFile
from farm.cli.connections.views import JobView
from infra.journal import Journal
from infra.journal.batches import BatchSubmit, JobBatch
from jobs.batch import BatchRow
from jobs.errors import FarmError, JournalError
from jobs.farm_requests import CancelRequest, SubmitRequest
from jobs.parse import LoadedJob
from jobs.places import PlacesInHand, find_places
from jobs.plan import DEFAULT_STUDIO


class OpenJournal(Protocol):
    """Opens the journal once."""

    def __call__(self, *, must_exist: bool) -> Journal:
        """The journal."""
        ...


class JournalBatches:
    """See `BatchAccess`."""

    def __init__(self, open_it: OpenJournal, job: Callable[[str], JobView]) -> None:
        self._open = open_it
        self._job = job

    def check(self, template: Path, rows: Sequence[BatchRow]) -> Sequence[str]:
        """See `BatchAccess`."""
        return [job.job.metadata.name for job in _jobs(template, rows)]

    def submit(self, template: Path, rows: Sequence[BatchRow], terms: BatchTerms) -> BatchView:
        """See `BatchAccess`."""
        studio = terms.studio or DEFAULT_STUDIO
        submits = [
            BatchSubmit(
                title=job.job.metadata.name, body=_request(job, terms, studio=studio).model_dump_json()
            )
            for job in _jobs(template, rows)
        ]
        batch = self._open(must_exist=False).batches.ask(
            submits, studio=studio, name=terms.name, token=terms.token or secrets.token_hex(16)
        )
        return self._view(batch)

    def all(self) -> Sequence[BatchView]:
        """See `BatchAccess`; of every studio."""
        found = self._open(must_exist=True).batches.all()
        return [BatchView(batch=each.batch_id, name=each.name, created_at=each.created_at) for each in found]

    def get(self, batch: str) -> BatchView:
        """See `BatchAccess`."""
        return self._view(self._open(must_exist=True).batches.get(batch))

    def cancel(self, batch: str) -> int:
        """See `BatchAccess`."""
        journal = self._open(must_exist=True)
        left = [
            name
            for name in journal.batches.get(batch).jobs
            if isinstance(view := self._known(name), JobView) and not view.is_over
        ]
        for name in left:
            put_request(journal, CancelRequest(job=name), token=secrets.token_hex(16))
        return len(left)

    def _known(self, name: str) -> JobView | FarmError:
        """A job of a batch, or why the farm did not take it in.

        Raises:
            JournalError: The journal cannot be read.
        """
        try:
            return self._job(name)
        except JournalError:
            raise
        except FarmError as refusal:
            return refusal

    def _view(self, batch: JobBatch) -> BatchView:
        jobs: list[BatchJobView] = []
        done = 0.0
        for row, name in enumerate(batch.jobs, start=1):
            view = self._known(name)
            if isinstance(view, FarmError):
                jobs.append(BatchJobView(row=row, job=name, state=REFUSED, code=view.code))
                done += 1.0
                continue
            jobs.append(BatchJobView(row=row, job=name, state=view.state))
            done += 1.0 if view.is_over else view.settled / view.segments if view.segments else 0.0
        return BatchView(
            batch=batch.batch_id,
            name=batch.name,
            created_at=batch.created_at,
            # Down, so that 100 means all.
            percent=int(done * 1000 / len(batch.jobs)) / 10,
            jobs=tuple(jobs),
        )


def _jobs(template: Path, rows: Sequence[BatchRow]) -> list[LoadedJob]:
    jobs = TemplateFile.read(template).jobs(rows)
    places = PlacesInHand()
    for row, job in zip(rows, jobs, strict=True):
        name = f"row {row.number}"
        places.add(name, find_places(job.places(name=name)))
    return jobs


def _request(job: LoadedJob, terms: BatchTerms, *, studio: str) -> SubmitRequest:
    return SubmitRequest(
        document=job.job.model_dump(mode="json", by_alias=True, exclude_unset=True),
        folder=str(job.folder),
        studio=studio,
        on_hold=terms.hold,
    )
