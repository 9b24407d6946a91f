"""The batches of a studio by its server: recordings of this machine are uploaded, each once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import moda_client
from farm.cli.connections.batch_access import BatchJobView, BatchTerms, BatchView, TemplateFile
from farm.cli.connections.network_jobs import UPLOADED, background_of, only_local, recording_of
from farm.cli.connections.server_errors import told
from farm.cli.connections.views import WAITS_FOR_FARM
from jobs.batch import BatchRow, columns_of
from jobs.errors import InputError, SpecError, SpecMistake
from jobs.parse import LoadedJob
from moda_client import Client

_SPEECH: Final = "speech_of_row"
"""A column of ours: what the row's speech is called once it is uploaded."""


class ServerBatches:
    """See `BatchAccess`."""

    def __init__(self, client: Client, *, address: str) -> None:
        self._client = client
        self._address = address

    def check(self, template: Path, rows: Sequence[BatchRow]) -> Sequence[str]:
        """See `BatchAccess`."""
        return [job.job.metadata.name for job in TemplateFile.read(template).jobs(rows, check=_check)]

    def submit(self, template: Path, rows: Sequence[BatchRow], terms: BatchTerms) -> BatchView:
        """See `BatchAccess`; the server makes the jobs of the rows, as it does for anybody."""
        read = TemplateFile.read(template)
        jobs = read.jobs(rows, check=_check)
        uploads: dict[Path, str] = {}
        with told(self._address):
            speeches = [self._uploaded(job, uploads) for job in jobs]
            sent = _with_speech(read.value)
            columns = columns_of(sent)
            made = self._client.submit_batch(
                terms.name,
                sent,
                [
                    {name: value for name, value in row.values.items() if name in columns} | {_SPEECH: speech}
                    for row, speech in zip(rows, speeches, strict=True)
                ],
                hold=terms.hold,
                idempotency_key=terms.token or secrets.token_hex(16),
            )
        return _view(made)

    def all(self) -> Sequence[BatchView]:
        """See `BatchAccess`."""
        with told(self._address):
            return [_view(each) for each in self._client.batches()]

    def get(self, batch: str) -> BatchView:
        """See `BatchAccess`."""
        with told(self._address):
            return _view(self._client.batch(batch))

    def cancel(self, batch: str) -> int:
        """See `BatchAccess`."""
        with told(self._address):
            return self._client.cancel_batch(batch)

    def _uploaded(self, job: LoadedJob, uploads: dict[Path, str]) -> str:
        uri = job.job.spec.speech.uri
        if uri.startswith(UPLOADED):
            return uri
        recording = recording_of(job)
        if recording not in uploads:
            uploads[recording] = self._client.upload(recording).uri
        return uploads[recording]


def _check(job: LoadedJob) -> None:
    """See that a server may take the job of a row.

    Raises:
        SpecError: It may not, or there is no such recording.
    """
    mistakes = list(only_local(job))
    mistakes += [
        SpecMistake(
            path=path,
            code="not_an_upload",
            message="must be upload:ID in a batch that a server takes",
            hint="upload them first: POST /v1/uploads",
        )
        for path in _not_uploaded(job)
    ]
    if not mistakes and not job.job.spec.speech.uri.startswith(UPLOADED):
        try:
            recording_of(job)
        except InputError as error:
            mistakes.append(
                SpecMistake(path=error.where, code=error.code, message=error.message, hint=error.hint)
            )
    if mistakes:
        raise SpecError(mistakes=mistakes)


def _not_uploaded(job: LoadedJob) -> Iterator[str]:
    """Fields that name files of this machine beside the speech."""
    output = job.job.spec.output
    if output.captions is not None and not output.captions.uri.startswith(UPLOADED):
        yield "spec.output.captions"
    if background_of(job) is not None:
        yield "spec.output.background"


def _with_speech(template: Any) -> Any:
    """The template with the speech of our column."""
    sent = deepcopy(template)
    speech, place = sent["spec"]["speech"], f"${{{_SPEECH}}}"
    sent["spec"]["speech"] = {**speech, "uri": place} if isinstance(speech, dict) else place
    return sent


def _view(batch: moda_client.Batch) -> BatchView:
    return BatchView(
        batch=batch.batch,
        name=batch.name,
        created_at=batch.created_at.timestamp(),
        percent=batch.percent,
        jobs=tuple(
            BatchJobView(
                row=job.row,
                job=job.job,
                state=WAITS_FOR_FARM if job.state == "waiting" else job.state,
                code=job.code,
            )
            for job in batch.jobs
        ),
    )
