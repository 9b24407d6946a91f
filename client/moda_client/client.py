"""A farm as its studio's programs see it."""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from moda_client.answers import (
    Asked,
    Batch,
    Delivery,
    Event,
    Job,
    JobPage,
    KeyFacts,
    Master,
    Sketch,
    Upload,
    Webhook,
    Why,
    known,
)
from moda_client.downloads import fetch
from moda_client.errors import FarmRefused, FarmUnreachable, checked
from moda_client.streams import EventReader

Result = TypeVar("Result")

_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 10.0
_SILENCE_S: Final = 40.0
"""Streams are never silent for longer than the server's 15 s between two signs of life."""


class Client:
    """Speaks with one farm, for the studio of one key. Not for several threads."""

    def __init__(self, address: str, *, key: str, patience_s: float = 60.0, timeout_s: float = 30.0) -> None:
        """Nothing is sent yet.

        Args:
            address: As `farm serve` prints it.
            key: As `farm key create` shows it once.
            patience_s: What does not answer, or says that trying again can help, is tried again for so long.
            timeout_s: Silence after which one try is given up.
        """
        self._patience_s = patience_s
        self._http = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=timeout_s
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def key(self) -> KeyFacts:
        """What the client's key opens."""
        return known(KeyFacts, self._ask("GET", "/v1/key"))

    def upload(self, recording: Path) -> Upload:
        """Upload a recording, or captions; the same bytes are the same upload.

        Raises:
            FarmRefused, FarmUnreachable: As every call.
            OSError: The file cannot be read.
        """

        def send() -> httpx.Response:
            with recording.open("rb") as file:
                return self._http.post("/v1/uploads", content=file)

        return known(Upload, self._insist(send).json())

    def submit(
        self, job: Mapping[str, Any], *, hold: bool = False, idempotency_key: str | None = None
    ) -> Job:
        """Hand in a render job. Sent again, by itself or by the caller with the same key, it is the same job.

        Raises:
            FarmRefused: With every mistake in the job.
            FarmUnreachable: Whether it was handed in is not known; the same key makes sure of it later.
        """
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        return Job.of(self._ask("POST", "/v1/jobs", json=dict(job), headers=headers, params={"hold": hold}))

    def job(self, name: str) -> Job:
        """Where a job stands."""
        return Job.of(self._ask("GET", f"/v1/jobs/{name}"))

    def jobs(
        self,
        *,
        state: str | None = None,
        name: str | None = None,
        project: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """Some of the studio's jobs, the newest first."""
        given = {"state": state, "name": name, "project": project, "limit": limit, "cursor": cursor}
        params = {field: value for field, value in given.items() if value is not None}
        told = self._ask("GET", "/v1/jobs", params=params)
        return JobPage(jobs=tuple(Job.of(each) for each in told["jobs"]), next_cursor=told["next_cursor"])

    def all_jobs(self, *, state: str | None = None) -> Iterator[Job]:
        """Every job of the studio, the newest first."""
        page = self.jobs(state=state, limit=200)
        yield from page.jobs
        while page.next_cursor is not None:
            page = self.jobs(state=state, limit=200, cursor=page.next_cursor)
            yield from page.jobs

    def why(self, name: str) -> Why:
        """Why nothing, or nothing more, of a job runs."""
        return known(Why, self._ask("GET", f"/v1/jobs/{name}/why"))

    def pause(self, name: str, *, idempotency_key: str | None = None) -> Asked:
        """Start no other segment of a job."""
        return self._change(name, "pause", idempotency_key=idempotency_key)

    def resume(
        self, name: str, *, max_gpu_seconds: float | None = None, idempotency_key: str | None = None
    ) -> Asked:
        """Go on with a job that is paused or held."""
        body = {"max_gpu_seconds": max_gpu_seconds}
        return self._change(name, "resume", body, idempotency_key=idempotency_key)

    def choose(self, name: str, take: int, *, idempotency_key: str | None = None) -> Asked:
        """Render one take of a job that waits for a choice, and none of the others."""
        return self._change(name, "choose", {"take": take}, idempotency_key=idempotency_key)

    def contact_sheet(self, sketch: Sketch) -> bytes:
        """Key frames of a take that can be chosen, a JPEG."""
        return self._insist(lambda: self._http.get(sketch.sheet_url)).content

    def playback(self, sketch: Sketch) -> bytes:
        """A take that can be chosen, in lines and with the speech, an MP4."""
        return self._insist(lambda: self._http.get(sketch.playback_url)).content

    def cancel(self, name: str, *, idempotency_key: str | None = None) -> Asked:
        """End a job."""
        return self._change(name, "cancel", idempotency_key=idempotency_key)

    def retry(self, name: str, *, idempotency_key: str | None = None) -> Asked:
        """Try again what failed or was given up."""
        return self._change(name, "retry", idempotency_key=idempotency_key)

    def requeue(
        self, name: str, *, first_frame: int, last_frame: int, idempotency_key: str | None = None
    ) -> Asked:
        """Put segments with these frames that were given up or waived back in line."""
        frames = {"first_frame": first_frame, "last_frame": last_frame}
        return self._change(name, "segments/requeue", frames, idempotency_key=idempotency_key)

    def waive(
        self, name: str, *, first_frame: int, last_frame: int, idempotency_key: str | None = None
    ) -> Asked:
        """Do without the segments with these frames."""
        frames = {"first_frame": first_frame, "last_frame": last_frame}
        return self._change(name, "segments/waive", frames, idempotency_key=idempotency_key)

    def watch(self, name: str, *, after: int | None = None) -> Iterator[Event]:
        """Everything that happens to a job from its beginning, or after an event, until it is over.

        Raises:
            FarmRefused: There is no such job, or the key ended.
            FarmUnreachable: Nothing answered for as long as the client's patience.
        """
        reader = EventReader(after)
        for event in self._events(f"/v1/jobs/{name}/events", reader):
            yield event
            # One that failed may have been retried since.
            if event.ends_job and self.job(name).is_over:
                return

    def events(self, *, after: int | None = None) -> Iterator[Event]:
        """Everything that happens to the studio's jobs from now on, or after an event. Raises as `watch`."""
        return self._events("/v1/events", EventReader(after))

    def wait(self, name: str, *, timeout_s: float | None = None) -> Job:
        """The job, once it is over.

        Raises:
            TimeoutError: It is not, and the time is up.
            FarmRefused, FarmUnreachable: As every call.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not (job := self.job(name)).is_over:
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"{name} is {job.state}")
            time.sleep(1.0 if until is None else min(1.0, max(0.0, until - time.monotonic())))
        return job

    def download(self, name: str, *, folder: Path) -> list[Path]:
        """Fetch every master of a job that is delivered, and its captions; what is there already is left alone.

        Returns:
            The files: ``hello-7.mp4``, ``hello-7.captions.srt``, ``hello-7.take2.mp4``.

        Raises:
            FileExistsError: A file of that name holds something else.
            FarmRefused, FarmUnreachable: As every call.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for master in self.job(name).masters:
            suffix = "" if master.take == 1 else f".take{master.take}"
            path = folder / f"{name}{suffix}.mp4"
            self.fetch(master, path)
            paths.append(path)
            if master.captions_url is not None:
                paths.append(self._fetch_captions(master.captions_url, folder / f"{name}{suffix}.captions"))
        return paths

    def captions(self, master: Master) -> bytes:
        """The captions of a master, as they were handed in.

        Raises:
            FarmRefused: With code ``no_captions`` where it has none; or as every call.
            FarmUnreachable: As every call.
        """
        url = master.captions_url or f"{master.url}/captions"
        return self._insist(lambda: self._http.get(url)).content

    def _fetch_captions(self, url: str, stem: Path) -> Path:
        answer = self._insist(lambda: self._http.get(url))
        is_vtt = answer.headers["content-type"].startswith("text/vtt")
        path = stem.with_name(stem.name + (".vtt" if is_vtt else ".srt"))
        if not path.exists():
            path.write_bytes(answer.content)
        elif path.read_bytes() != answer.content:
            raise FileExistsError(errno.EEXIST, "holds something else", str(path))
        return path

    def fetch(self, master: Master, path: Path, *, replace: bool = False) -> None:
        """Fetch one master; what was cut off before goes on where it was.

        Args:
            path: Where it goes; its folder is there.
            replace: Whatever lies there may go.

        Raises:
            FileExistsError: The path holds something else.
            FarmRefused, FarmUnreachable: As every call.
        """
        self._patiently(partial(fetch, self._http, master, path, replace=replace))

    def watched_file(self, name: str, file: str = "main.m3u8", *, take: int = 1) -> bytes:
        """A file of a job's HLS stream: the playlist that a player opens, or one that playlists name.

        While nothing of the job is rendered, this waits as long as the client's patience.

        Raises:
            FarmRefused: With code ``nothing_to_watch`` where it was not rendered meanwhile; or as every call.
            FarmUnreachable: As every call.
        """
        return self._insist(lambda: self._http.get(f"/v1/jobs/{name}/hls/{take}/{file}")).content

    def submit_batch(
        self,
        name: str,
        template: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        *,
        hold: bool = False,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Hand in a job for each row, or none and a refusal with every mistake of every row.

        Args:
            template: A render job with ``${column}`` in its values.
            rows: Columns and plain values.
        """
        body = {"name": name, "template": dict(template), "rows": [dict(row) for row in rows]}
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        return Batch.of(self._ask("POST", "/v1/batches", json=body, headers=headers, params={"hold": hold}))

    def batch(self, name: str) -> Batch:
        """One batch: how far it is, and where each of its jobs stands."""
        return Batch.of(self._ask("GET", f"/v1/batches/{name}"))

    def batches(self) -> list[Batch]:
        """The studio's batches, the newest first, without their jobs."""
        return [Batch.of(each) for each in self._ask("GET", "/v1/batches")["batches"]]

    def cancel_batch(self, name: str) -> int:
        """End every job of a batch that has not ended; returns how many."""
        return int(self._ask("POST", f"/v1/batches/{name}/cancel")["asked"])

    def add_webhook(self, url: str, *, label: str = "", types: Sequence[str] = ()) -> tuple[str, Webhook]:
        """Have a receiver told of what happens from now on; returns the secret, shown this once, that signs it."""
        body = {"url": url, "label": label, "types": list(types)}
        told = self._ask("POST", "/v1/webhooks", json=body)
        return told["secret"], Webhook.of(told)

    def webhooks(self) -> list[Webhook]:
        """The studio's receivers, oldest first."""
        return [Webhook.of(each) for each in self._ask("GET", "/v1/webhooks")["webhooks"]]

    def remove_webhook(self, webhook_id: str) -> Webhook:
        """Remove a receiver, with its secrets and messages."""
        return Webhook.of(self._ask("DELETE", f"/v1/webhooks/{webhook_id}"))

    def rotate_secret(self, webhook_id: str, *, overlap_s: int = 86_400) -> str:
        """Another secret for a receiver; those before it sign as well for so long."""
        told = self._ask("POST", f"/v1/webhooks/{webhook_id}/secret", json={"overlap_s": overlap_s})
        return str(told["secret"])

    def deliveries(
        self, webhook_id: str, *, state: str | None = None, limit: int = 50, before: int | None = None
    ) -> list[Delivery]:
        """Messages to a receiver, the newest first; `before` a number."""
        given = {"state": state, "limit": limit, "before": before}
        params = {field: value for field, value in given.items() if value is not None}
        told = self._ask("GET", f"/v1/webhooks/{webhook_id}/deliveries", params=params)
        return [Delivery.of(each) for each in told["deliveries"]]

    def resend(self, webhook_id: str, number: int) -> Delivery:
        """Have a message sent once more, now, whatever became of it."""
        return Delivery.of(self._ask("POST", f"/v1/webhooks/{webhook_id}/deliveries/{number}/resend"))

    def _change(
        self, name: str, change: str, body: Mapping[str, Any] | None = None, *, idempotency_key: str | None
    ) -> Asked:
        """Sent again with the same key, it is one request, whose answer is waited for once more."""
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        return known(Asked, self._ask("POST", f"/v1/jobs/{name}/{change}", json=body, headers=headers))

    def _ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        told: dict[str, Any] = self._insist(lambda: self._http.request(method, path, **given)).json()
        return told

    def _insist(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        return self._patiently(lambda: checked(send()))

    def _events(self, path: str, reader: EventReader) -> Iterator[Event]:
        waits = _Waits(self._patience_s)
        while True:
            headers = {} if reader.last is None else {"Last-Event-ID": str(reader.last)}
            try:
                with self._http.stream("GET", path, headers=headers, timeout=_SILENCE_S) as answer:
                    checked(answer)
                    for event in reader.read(answer.iter_lines()):
                        waits = _Waits(self._patience_s)
                        yield event
            except (httpx.TransportError, FarmRefused, FarmUnreachable) as error:
                waits.next(error)
            else:
                # The server was stopped, or its connection cut by something between.
                waits.next(FarmUnreachable(f"{self._http.base_url}: the stream ended"))

    def _patiently(self, attempt: Callable[[], Result]) -> Result:
        waits = _Waits(self._patience_s)
        while True:
            try:
                return attempt()
            except (httpx.TransportError, FarmRefused, FarmUnreachable) as error:
                waits.next(error)


class _Waits:
    """Waits between tries, longer and longer, until the patience is over."""

    def __init__(self, patience_s: float) -> None:
        self._until = time.monotonic() + patience_s
        self._wait_s = _FIRST_WAIT_S

    def next(self, error: Exception) -> None:
        """Wait, where trying again can help.

        Raises:
            FarmRefused: It cannot, or the patience is over.
            FarmUnreachable: The patience is over.
        """
        is_final = isinstance(error, FarmRefused) and (
            error.is_final_answer or error.retry not in ("later", "elsewhere")
        )
        if is_final or time.monotonic() + self._wait_s > self._until:
            if isinstance(error, httpx.TransportError):
                raise FarmUnreachable(f"nothing answers: {str(error) or type(error).__name__}") from error
            raise error
        time.sleep(self._wait_s)
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
