"""The prepare job: which clip or photo becomes whose subject package, as it is written in YAML or JSON.

    apiVersion: farm/v1
    kind: PrepareJob
    metadata: {name: jane, project: demo}
    spec:
      clip: ../recordings/jane.mp4
      consent: ../recordings/jane-consent.pdf
      output: {uri: ../subjects/jane}

``name`` is what the subject is called, where that is another name than the job's.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from jobs.locations import builtin_name, check_location, is_s3
from jobs.spec_model import Metadata, SpecModel

LONGEST_LAG: Final = 250.0
"""Frames: ten seconds."""


def _checked_path(location: str) -> str:
    check_location(location)
    if is_s3(location) or builtin_name(location) is not None:
        raise ValueError("must be a path on this machine or on a disk that every worker has")
    return location


LocalPath = Annotated[str, AfterValidator(_checked_path)]


class PackageOutput(SpecModel):
    """Where the package goes: a folder, called like the job beside the job's file when not given."""

    uri: LocalPath | None = None


class PrepareSpec(SpecModel):
    """The work itself.

    Attributes:
        clip: A video of the subject speaking, or one photo.
        consent: The document in which the person agrees.
        name: What the subject is called; the job's name when not given.
        audio_lag: Frames of 40 ms, in parts of one, by which the sound lags the lips; found out when not given.
        audio_track: The audio track that is heard: its number, from 1, or its language tag; the first with sound
            when not given.
        output: Place of the package.
    """

    clip: LocalPath
    consent: LocalPath
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    audio_lag: Annotated[float, Field(ge=-LONGEST_LAG, le=LONGEST_LAG, allow_inf_nan=False)] | None = None
    audio_track: Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)] | None = None
    output: PackageOutput = PackageOutput()


class PrepareJob(SpecModel):
    """One prepare job, exactly as written; ``jobs.prepare_job`` reads it and resolves its paths."""

    api_version: Literal["farm/v1"] = Field(alias="apiVersion")
    kind: Literal["PrepareJob"]
    metadata: Metadata
    spec: PrepareSpec

    @property
    def subject_name(self) -> str:
        """What the subject is called."""
        return self.spec.name or self.metadata.name

    @property
    def package_uri(self) -> str:
        """Where the package goes, as written or by default."""
        return self.spec.output.uri or self.metadata.name

    def as_record(self) -> dict[str, Any]:
        """The job as plain data with every default filled in; parsing it again gives an equal job."""
        record = self.model_dump(mode="json", by_alias=True)
        record["spec"]["name"] = self.subject_name
        record["spec"]["output"]["uri"] = self.package_uri
        return record
