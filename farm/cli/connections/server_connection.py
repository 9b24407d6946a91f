"""A shared farm by its server, over HTTP: the same questions, asked by `moda_client`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from farm.asking import number_of
from farm.cli.connections.batch_access import BatchAccess
from farm.cli.connections.connection import ChangeRequest, SubmitTerms
from farm.cli.connections.network_jobs import NetworkJob, network_job
from farm.cli.connections.server_batches import ServerBatches
from farm.cli.connections.server_errors import error_of, told
from farm.cli.connections.server_webhooks import ServerWebhooks
from farm.cli.connections.views import (
    WAITS_FOR_FARM,
    AskedView,
    ChoiceView,
    EventView,
    JobView,
    MasterView,
    Obstacle,
    SketchView,
    SubmittedView,
    WorkView,
)
from farm.cli.connections.webhook_access import WebhookAccess
from infra.login import Login
from jobs.errors import (
    Cancelled,
    DiskFull,
    FarmError,
)
from jobs.farm_requests import (
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
)
from moda_client import Client, FarmRefused, Job, KeyFacts, Master
from moda_client.answers import Asked, Choice

_WAITING: Final = "waiting"
"""What the API calls `WAITS_FOR_FARM`."""


class ServerConnection:
    """See `FarmConnection`."""

    def __init__(self, login: Login, *, patience_s: float) -> None:
        """Nothing is sent yet.

        Args:
            patience_s: What does not answer is asked again for so long.
        """
        self._address = login.server
        self._client = Client(login.server, key=login.key, patience_s=patience_s)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    @property
    def address(self) -> str:
        """The server's."""
        return self._address

    @property
    def look_s(self) -> float:
        """A server counts requests."""
        return 1.0

    @property
    def webhooks(self) -> WebhookAccess:
        """See `FarmConnection`."""
        return ServerWebhooks(self._client, address=self._address)

    @property
    def batches(self) -> BatchAccess:
        """See `FarmConnection`."""
        return ServerBatches(self._client, address=self._address)

    def jobs(self, *, everything: bool) -> Sequence[JobView]:
        """See `FarmConnection`."""
        with told(self._address):
            views = [self._view(job) for job in self._client.all_jobs()]
        return [view for view in reversed(views) if everything or not view.is_over_for_good]

    def job(self, name: str) -> JobView:
        """See `FarmConnection`."""
        with told(self._address):
            return self._view(self._client.job(name))

    def submit(self, specs: Sequence[Path], terms: SubmitTerms) -> Sequence[SubmittedView]:
        """See `FarmConnection`; recordings are uploaded first, all of them."""
        jobs = [network_job(spec) for spec in specs]
        with told(self._address):
            documents = [job.document(self._upload) for job in jobs]
        submitted: list[SubmittedView] = []
        try:
            for job, document in zip(jobs, documents, strict=True):
                submitted.append(self._submit(job, document, terms))
        except KeyboardInterrupt:
            names = ", ".join(each.job for each in submitted) or "nothing"
            hint = "farm list shows the jobs"
            raise Cancelled(
                f"stopped waiting for the farm; handed in all the same: {names}",
                where=self.address,
                hint=hint,
            ) from None
        return submitted

    def change(self, request: ChangeRequest, *, patience_s: float) -> AskedView:
        """See `FarmConnection`. The server itself waits some seconds for the farm's answer."""
        token = secrets.token_hex(16)
        until = time.monotonic() + patience_s
        with told(self._address):
            asked = self._change(request, token)
            # The same request with the same token: its answer is waited for once more.
            while not asked.answered and time.monotonic() < until:
                asked = self._change(request, token)
        return AskedView(job=asked.job, request=asked.request, answered=asked.answered, text=asked.text)

    def why(self, name: str, *, patience_s: float) -> AskedView:
        """See `FarmConnection`; the server knows it without asking the farm."""
        with told(self._address):
            why = self._client.why(name)
        return AskedView(job=name, request=None, answered=True, text=why.sentence)

    def events(self, name: str, *, after: int) -> Iterator[EventView]:
        """See `FarmConnection`."""
        with told(self._address):
            for event in self._client.watch(name, after=after):
                yield EventView(
                    sequence=event.id,
                    at=datetime.fromisoformat(event.data["at"]).timestamp(),
                    kind=event.kind,
                    sentence=event.data.get("sentence", f"{event.job}: {event.kind}"),
                )

    def watched_file(self, name: str, *, take: int, file: str) -> bytes:
        """See `FarmConnection`."""
        with told(self._address):
            return self._client.watched_file(name, file, take=take)

    def captions(self, master: MasterView) -> bytes:
        """See `FarmConnection`."""
        with told(self._address):
            return self._client.captions(self._master_of(master))

    def _master_of(self, master: MasterView) -> Master:
        return Master(
            take=master.take,
            url=master.location.removeprefix(self._address),
            manifest_url=master.manifest.removeprefix(self._address),
            sha256=master.sha256,
            size_bytes=master.size_bytes,
        )

    def fetch(self, master: MasterView, path: Path) -> None:
        """See `FarmConnection`; what was cut off goes on where it was."""
        wanted = self._master_of(master)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with told(self._address):
                self._client.fetch(wanted, path, replace=True)
        except OSError as error:
            hint = "choose another folder with --out, or make room; the same command goes on where it was"
            raise DiskFull.or_unwritable(error, where=str(path), hint=hint) from error

    def _upload(self, recording: Path) -> str:
        return self._client.upload(recording).uri

    def _submit(self, job: NetworkJob, document: dict[str, Any], terms: SubmitTerms) -> SubmittedView:
        token = terms.token or secrets.token_hex(16)
        until = time.monotonic() + terms.patience_s
        with told(self._address):
            try:
                made = self._client.submit(document, hold=terms.hold, idempotency_key=token)
                while made.state == _WAITING and time.monotonic() < until:
                    made = self._client.submit(document, hold=terms.hold, idempotency_key=token)
            except FarmRefused as refusal:
                if not refusal.is_final_answer:
                    raise
                return SubmittedView(
                    spec=job.spec, request=None, job=refusal.where, answered=True, refusal=error_of(refusal)
                )
        return SubmittedView(
            spec=job.spec,
            request=number_of(made.name),
            job=made.name,
            answered=made.state != _WAITING,
        )

    def _change(self, request: ChangeRequest, token: str) -> Asked:
        client, job = self._client, request.job
        if isinstance(request, PauseRequest):
            return client.pause(job, idempotency_key=token)
        if isinstance(request, ResumeRequest):
            return client.resume(job, max_gpu_seconds=request.max_gpu_seconds, idempotency_key=token)
        if isinstance(request, CancelRequest):
            return client.cancel(job, idempotency_key=token)
        if isinstance(request, RetryRequest):
            return client.retry(job, idempotency_key=token)
        if isinstance(request, ChooseRequest):
            return client.choose(job, request.take, idempotency_key=token)
        change = client.requeue if isinstance(request, RequeueRequest) else client.waive
        return change(
            job,
            first_frame=request.first_frame,
            last_frame=request.stop_frame - 1,
            idempotency_key=token,
        )

    def _view(self, job: Job) -> JobView:
        error = None if job.error is None else FarmError.of_record(job.error)
        is_waiting = job.state == _WAITING
        progress = job.progress
        return JobView(
            job=job.name,
            studio=job.studio,
            kind=job.kind,
            state=WAITS_FOR_FARM if is_waiting else job.state,
            reason=job.why.sentence if job.why else "",
            code=job.why.code if job.why else error.code if error else "",
            segments=progress.segments if progress else 0,
            settled=progress.settled if progress else 0,
            takes=job.takes,
            work=None
            if job.work is None
            else WorkView(step=job.work.step, done=job.work.done, total=job.work.total),
            made=job.made,
            segment_states=progress.states if progress else {},
            seconds=job.seconds,
            told=job.told,
            draft=job.draft,
            masters=[
                MasterView(
                    take=master.take,
                    location=f"{self._address}{master.url}",
                    manifest=f"{self._address}{master.manifest_url}",
                    sha256=master.sha256,
                    size_bytes=master.size_bytes,
                    captions=None if master.captions_url is None else f"{self._address}{master.captions_url}",
                )
                for master in job.masters
            ],
            error=error if job.is_over else None,
            obstacle=Obstacle(doing="", error=error) if error and not job.is_over else None,
            choice=self._choice(job.choice),
        )

    def _choice(self, choice: Choice | None) -> ChoiceView | None:
        if choice is None:
            return None
        return ChoiceView(
            offered=choice.offered,
            chosen=choice.chosen,
            expires_at=choice.expires_at,
            is_measured=choice.is_measured,
            takes=[
                SketchView(
                    take=each.take,
                    sheet=f"{self._address}{each.sheet_url}",
                    playback=f"{self._address}{each.playback_url}",
                    segments=each.segments,
                    price_seconds=each.price_seconds,
                    wait_seconds=each.wait_seconds,
                )
                for each in choice.takes
            ],
        )


def asked_key(login: Login) -> KeyFacts:
    """What a server says of a key.

    Raises:
        FarmError: It opens nothing there, or nothing answers.
    """
    with Client(login.server, key=login.key, patience_s=0.0) as client, told(login.server):
        return client.key()
