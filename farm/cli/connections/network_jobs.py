"""A job's file as a server takes it: recording and captions are uploaded, and nothing names a place on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.fetch import fetch_file
from jobs.background_spec import is_colour
from jobs.errors import SpecError, SpecMistake
from jobs.locations import builtin_name, is_s3
from jobs.parse import LoadedJob, load_job

UPLOADED: Final = "upload:"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkJob:
    """A job that a server may take.

    Attributes:
        spec: Its file.
        recording: The speech on this machine; None where it is uploaded already.
        captions: The captions on this machine; None where there are none, or they are uploaded already.
        background: The picture behind the person, likewise.
        written: As it is written in the file.
    """

    spec: Path
    recording: Path | None
    captions: Path | None
    background: Path | None
    written: dict[str, Any]

    def document(self, upload: Callable[[Path], str]) -> dict[str, Any]:
        """The job with its speech and captions uploaded; `upload` returns what a job calls a file."""
        document = deepcopy(self.written)
        if self.recording is not None:
            spec, uri = document["spec"], upload(self.recording)
            spec["speech"] = uri if isinstance(spec["speech"], str) else {**spec["speech"], "uri": uri}
        if self.captions is not None:
            output, uri = document["spec"]["output"], upload(self.captions)
            written = output["captions"]
            output["captions"] = uri if isinstance(written, str) else {**written, "uri": uri}
        if self.background is not None:
            document["spec"]["output"]["background"] = upload(self.background)
        return document


def network_job(spec: Path) -> NetworkJob:
    """Read a job's file for a server; nothing is sent.

    Raises:
        SpecError: With every mistake in it, and with every field that only works on the farm's own machine.
        InputNotFound: There is no such recording, or it may not be read.
    """
    loaded = load_job(spec)
    mistakes = list(only_local(loaded))
    if mistakes:
        raise SpecError(mistakes=mistakes, where=str(spec))
    uri = loaded.job.spec.speech.uri
    is_uploaded = uri.startswith(UPLOADED)
    return NetworkJob(
        spec=spec,
        recording=None if is_uploaded else recording_of(loaded),
        captions=captions_of(loaded),
        background=background_of(loaded),
        written=loaded.job.model_dump(mode="json", by_alias=True, exclude_unset=True),
    )


def recording_of(loaded: LoadedJob) -> Path:
    """The job's speech on this machine.

    Raises:
        InputNotFound: There is no such recording, or it may not be read.
    """
    # No address is fetched: it is a file by now.
    return fetch_file(loaded.speech, cache=Path(), where="spec.speech")


def captions_of(loaded: LoadedJob) -> Path | None:
    """The job's captions on this machine; None where there are none to upload.

    Raises:
        InputNotFound: There is no such file, or it may not be read.
    """
    written = loaded.job.spec.output.captions
    if written is None or loaded.captions is None or written.uri.startswith(UPLOADED):
        return None
    return fetch_file(loaded.captions, cache=Path(), where="spec.output.captions")


def background_of(loaded: LoadedJob) -> Path | None:
    """The picture behind the job's person on this machine; None where there is none to upload.

    Raises:
        InputNotFound: There is no such file, or it may not be read.
    """
    written = loaded.job.spec.output.background
    if written is None or loaded.background is None or is_colour(written) or written.startswith(UPLOADED):
        return None
    return fetch_file(loaded.background, cache=Path(), where="spec.output.background")


def only_local(loaded: LoadedJob) -> Iterator[SpecMistake]:
    """What of a job works beside the farm alone."""
    written = loaded.job.spec
    if is_s3(written.speech.uri):
        yield _mistake("spec.speech", "not_an_upload", "lies in a bucket, which no server reads")
    if is_s3(written.output.background or ""):
        yield _mistake("spec.output.background", "not_an_upload", "lies in a bucket, which no server reads")
    if written.output.captions is not None and is_s3(written.output.captions.uri):
        yield _mistake("spec.output.captions", "not_an_upload", "lie in a bucket, which no server reads")
    if builtin_name(written.subject) is None:
        yield _mistake("spec.subject", "not_builtin", "must be builtin:NAME where a server renders it")
    if written.output.uri is not None:
        yield _mistake(
            "spec.output.uri",
            "output_is_the_farms",
            "is a place of this machine",
            hint="leave it out: farm download fetches the master",
        )


def _mistake(path: str, code: str, message: str, hint: str = "name a file of this machine") -> SpecMistake:
    return SpecMistake(path=path, code=code, message=message, hint=hint)
