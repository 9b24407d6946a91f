"""What commands ask of a shared farm's batches, and a template as it is read from its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs.batch import BatchRow, documents_of
from jobs.documents import Document
from jobs.errors import SpecError
from jobs.kinds import RENDER_JOB
from jobs.lifecycle import JobState
from jobs.parse import LoadedJob
from jobs.reading import read_document, read_file, validated

REFUSED = "refused"
"""State of a row that the farm did not take in."""

_ENDED = frozenset({REFUSED, *(state.value for state in JobState if state.is_terminal)})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJobView:
    """A row's job; `code` says why it is `REFUSED`."""

    row: int
    job: str
    state: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """A batch; in lists without its jobs.

    Attributes:
        created_at: Seconds since 1970.
        percent: How much of all its jobs is done.
    """

    batch: str
    name: str
    created_at: float
    percent: float = 0.0
    jobs: tuple[BatchJobView, ...] = ()

    @property
    def states(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return dict(Counter(job.state for job in self.jobs))

    @property
    def ended(self) -> int:
        """Jobs that have ended."""
        return sum(job.state in _ENDED for job in self.jobs)

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "batch": self.batch,
            "name": self.name,
            "created_at": self.created_at,
            "percent": self.percent,
            "ended": self.ended,
            "states": self.states,
            "jobs": [
                {"row": job.row, "job": job.job, "state": job.state, "code": job.code} for job in self.jobs
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTerms:
    """How a batch is handed in; see `SubmitTerms`."""

    name: str
    studio: str | None
    hold: bool
    token: str | None


class BatchAccess(Protocol):
    """Batches. All of it raises `FarmError` for what is not there or cannot be asked."""

    def check(self, template: Path, rows: Sequence[BatchRow]) -> Sequence[str]:
        """The names that the rows' jobs would have, without their numbers; nothing is handed in or sent.

        Raises:
            SpecError: With every mistake of every row.
        """
        ...

    def submit(self, template: Path, rows: Sequence[BatchRow], terms: BatchTerms) -> BatchView:
        """Hand in a job for each row, or none. Raises as `check`."""
        ...

    def all(self) -> Sequence[BatchView]:
        """Batches, the newest first, without their jobs."""
        ...

    def get(self, batch: str) -> BatchView:
        """One batch."""
        ...

    def cancel(self, batch: str) -> int:
        """Have every job of it ended that has not; returns how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """A template's file.

    Attributes:
        value: As plain values.
        folder: Where relative paths start.
    """

    file: Path
    value: Any
    folder: Path

    @classmethod
    def read(cls, file: Path) -> TemplateFile:
        """Read it.

        Raises:
            SpecError: It cannot be read.
        """
        text, folder, json_only = read_file(file, RENDER_JOB)
        document = read_document(text, json_only=json_only, where=str(file))
        if document.mistakes:
            raise SpecError(mistakes=document.mistakes, where=str(file))
        return cls(file=file, value=document.value, folder=folder)

    def jobs(
        self, rows: Sequence[BatchRow], *, check: Callable[[LoadedJob], None] = lambda _: None
    ) -> list[LoadedJob]:
        """The job of each row.

        Args:
            check: Raises `SpecError` for what is wrong with a job beside its form.

        Raises:
            SpecError: With every mistake of every row.
        """
        loaded: list[LoadedJob] = []

        def take(_row: BatchRow, document: Any) -> None:
            job = validated(Document(value=document), RENDER_JOB, where=str(self.file))
            loaded.append(LoadedJob(job=job, folder=self.folder, file=self.file))
            check(loaded[-1])

        documents_of(self.value, rows, where=str(self.file), check=take)
        return loaded
