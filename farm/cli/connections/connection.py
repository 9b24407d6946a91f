"""What commands ask of a shared farm; `choosing` has the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from farm.cli.connections.views import AskedView, EventView, JobView, MasterView, SubmittedView
from jobs.farm_requests import (
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    WaiveRequest,
)

if TYPE_CHECKING:
    from farm.cli.connections.batch_access import BatchAccess
    from farm.cli.connections.webhook_access import WebhookAccess

ChangeRequest = (
    PauseRequest
    | ResumeRequest
    | CancelRequest
    | RetryRequest
    | RequeueRequest
    | WaiveRequest
    | ChooseRequest
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTerms:
    """How jobs are handed in.

    Attributes:
        studio: Who pays; None where nobody said so.
        hold: They wait for a resume.
        token: The same submit with the same token is one job; None for one of its own.
        overwrite: Masters may replace files that the farm did not write.
        patience_s: How long to wait for the farm's answers, to all of them together.
    """

    studio: str | None = None
    hold: bool = False
    token: str | None = None
    overwrite: bool = False
    patience_s: float


class FarmConnection(Protocol):
    """A shared farm. What it raises are the farm's own errors, and `FarmError` where it cannot be reached."""

    @property
    def address(self) -> str:
        """Where it is, for people; without a password or key."""
        ...

    @property
    def look_s(self) -> float:
        """Seconds between two looks at one job that is waited for."""
        ...

    @property
    def webhooks(self) -> WebhookAccess:
        """The receivers of its messages."""
        ...

    @property
    def batches(self) -> BatchAccess:
        """Jobs that were handed in together."""
        ...

    def jobs(self, *, everything: bool) -> Sequence[JobView]:
        """Jobs in the order in which they came; without `everything`, those that are not over for good."""
        ...

    def job(self, name: str) -> JobView:
        """One job.

        Raises:
            FarmError: There is none of that name (``unknown_job``), or the farm did not take it in, and why.
        """
        ...

    def submit(self, specs: Sequence[Path], terms: SubmitTerms) -> Sequence[SubmittedView]:
        """Hand jobs in. All of them are checked before the first is handed in.

        Raises:
            SpecError: With every mistake of the first job that has some.
            Cancelled: Interrupted from the keyboard; which were handed in all the same.
        """
        ...

    def change(self, request: ChangeRequest, *, patience_s: float) -> AskedView:
        """Ask for a change, and wait for the answer.

        Raises:
            FarmError: There is no such job, or the farm refuses.
        """
        ...

    def why(self, name: str, *, patience_s: float) -> AskedView:
        """Ask why nothing, or nothing more, of a job runs. Raises as `change`."""
        ...

    def events(self, name: str, *, after: int) -> Iterator[EventView]:
        """What happened to a job after an event, and goes on happening until it is over. Raises as `job`."""
        ...

    def watched_file(self, name: str, *, take: int, file: str) -> bytes:
        """A file of a take's HLS stream, named as `farm.watching.file_names` has it.

        Raises:
            FarmError: There is no such job, take or file; or nothing is rendered yet (``nothing_to_watch``, and `retry`
                says whether that can change).
        """
        ...

    def fetch(self, master: MasterView, path: Path) -> None:
        """Put a master where nothing is, or other bytes; `path` has all of it and no other bytes, or is as before.

        Raises:
            FarmError: It cannot be read, is no longer what was delivered, or cannot be written.
        """
        ...

    def captions(self, master: MasterView) -> bytes:
        """The captions of a master that has some.

        Raises:
            FarmError: They cannot be read, or are no longer what was delivered.
        """
        ...
