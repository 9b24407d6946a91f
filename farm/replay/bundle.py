"""What a replay bundle says: `bundle.json`, the table of contents and the record of what went wrong.

A bundle is a folder of plain files: `bundle.json`, the posed face as `face.safetensors`, and a copy of the subject
package below `subjects`. Nothing in it is ever unpickled or executed.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from infra.storage.base import is_key
from jobs.errors import FarmError
from jobs.forms import NetworkForm
from jobs.manifest import Sha256
from jobs.manifest_model import Count, ManifestModel, PositiveCount
from jobs.spec import InspectionPolicy, Profile

SCHEMA: Final = "farm.bundle/v3"
RECORD_NAME = "bundle.json"
FACE_NAME = "face.safetensors"
SUBJECTS_NAME = "subjects"
BACKGROUND_NAME: Final = "background"

MOST_FRAMES = 1_000  # of a segment and its context; it has 50
MOST_FILES = 200
MOST_TRIES = 100
LARGEST_FILE = 2 << 30  # bytes; weights are the largest
_LONGEST_NUMBER = 20
_DEEPEST_PATH = 4
_FASTEST = 240


def _checked_key(key: str) -> str:
    if not is_key(key):
        raise ValueError("is no key of an object")
    return key


def _checked_path(path: str) -> str:
    parts = path.split("/")
    is_safe = all(part not in ("", ".", "..") and part.isprintable() and "\\" not in part for part in parts)
    if not is_safe or len(parts) > _DEEPEST_PATH or len(path) > 500:
        raise ValueError("is no path of a file in a bundle")
    return path


def _checked_rate(text: str) -> str:
    if len(text) > _LONGEST_NUMBER or not 1 <= Fraction(text) <= _FASTEST:
        raise ValueError(f"must be a rate from 1 to {_FASTEST}")
    return text


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,120}$")]
Key = Annotated[str, AfterValidator(_checked_key)]
FilePath = Annotated[str, AfterValidator(_checked_path)]
FrameRate = Annotated[str, Field(pattern=r"^[0-9]+(/[1-9][0-9]*)?$"), AfterValidator(_checked_rate)]
FrameNumber = Annotated[int, Field(ge=0, le=10**9)]
Text = Annotated[str, Field(max_length=20_000)]


class EndKind(StrEnum):
    """How a segment failed."""

    CRASHED = "crashed"  # the process ended
    RAISED = "raised"  # the stage, the inspection or the store raised an error
    HUNG = "hung"  # it made no progress, or took too long


class Failure(ManifestModel):
    """One failure of a segment.

    Attributes:
        kind: How it failed.
        code: Code of the error where one was raised; empty otherwise.
        message: One line for people.
    """

    kind: EndKind
    code: Text = ""
    message: Text

    @classmethod
    def crash(cls, reason: str) -> Self:
        """The process ended, for a reason such as the one of `Gone`."""
        return cls(kind=EndKind.CRASHED, message=_cut(reason))

    @classmethod
    def hang(cls, reason: str) -> Self:
        """It did not end by itself."""
        return cls(kind=EndKind.HUNG, message=_cut(reason))

    @classmethod
    def of(cls, error: FarmError) -> Self:
        """An error was raised."""
        return cls(kind=EndKind.RAISED, code=error.code, message=_cut(error.message))

    def is_like(self, other: Failure) -> bool:
        """Whether both failed in the same way; the words may differ."""
        return (self.kind, self.code) == (other.kind, other.code)

    def __str__(self) -> str:
        return f"raised [{self.code}] {self.message}" if self.code else f"{self.kind}: {self.message}"


class TryRecord(ManifestModel):
    """One try of the segment on the farm.

    Attributes:
        replica: Where it ran.
        failure: What it came to.
    """

    replica: Text
    failure: Failure


class FileRecord(ManifestModel):
    """One file of the bundle, its path relative to the bundle's folder."""

    path: FilePath
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0, le=LARGEST_FILE)]


class BundleRecord(ManifestModel):
    """`bundle.json`.

    Attributes:
        schema_version: Version of this form.
        engine_version, device_kind: Of the farm that gave the segment up.
        job: The job's name in the farm.
        take: Take of the segment, from 1.
        index: Place of the segment in its take, from 0.
        first_frame, frame_count: Its frames.
        lead: How many frames of the posed face come before these.
        face_frames: Frames of the posed face.
        key, inspection_key: Where the farm would have committed it.
        profile, fps, inspection, form, draft: What its replica was set up with.
        background: The colour behind the person, or the name of the picture in the bundle; empty: their own background.
        subject: Folder of the subject package in the bundle.
        weights_sha256: The shared weights that the farm had; none of them draws a segment.
        failure: Why it was given up.
        tries: Its last tries, in order, as far as they are known.
        files: Every other file of the bundle.
    """

    schema_version: Literal["farm.bundle/v3"] = SCHEMA
    engine_version: Text
    device_kind: Text
    job: Name
    take: PositiveCount
    index: Count
    first_frame: FrameNumber
    frame_count: Annotated[int, Field(ge=1, le=MOST_FRAMES)]
    lead: Annotated[int, Field(ge=0, le=MOST_FRAMES)]
    face_frames: Annotated[int, Field(ge=1, le=MOST_FRAMES)]
    key: Key
    inspection_key: Key
    profile: Profile
    fps: FrameRate
    inspection: InspectionPolicy
    form: NetworkForm = NetworkForm.EXACT
    draft: bool = False
    background: Annotated[str, Field(pattern=rf"^(#[0-9a-f]{{6}}|{BACKGROUND_NAME})?$")] = ""
    subject: FilePath
    weights_sha256: dict[str, Sha256]
    failure: Failure
    tries: Annotated[list[TryRecord], Field(max_length=MOST_TRIES)]
    files: Annotated[list[FileRecord], Field(max_length=MOST_FILES)]

    @model_validator(mode="after")
    def _holds_the_segment(self) -> Self:
        if self.lead + self.frame_count > self.face_frames:
            raise ValueError("the posed face does not hold all frames of the segment")
        return self


def _cut(text: str) -> str:
    return text[:2000]
