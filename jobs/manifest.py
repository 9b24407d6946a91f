"""The record that travels with a master: what it was made from, piece by piece, for anyone to check.

Other files that the farm writes have a smaller one beside them: it says which they are, and so which are not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from jobs.errors import StoreError
from jobs.inspection import InspectionRecord
from jobs.manifest_model import Count, ManifestModel, PositiveCount

PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Rational = Annotated[str, Field(pattern=r"^[0-9]+(/[1-9][0-9]*)?$")]  # "25" or "30000/1001", never a float


class MediaRecord(ManifestModel):
    """The account of a recording.

    Attributes:
        told: What a user should know of it, in sentences; empty for an ordinary file.
        found: What was found in its sound and its picture, and done about it, by the names of `stages.media.account`.
    """

    told: Annotated[list[str], Field(default_factory=list)]
    found: Annotated[dict[str, Any], Field(default_factory=dict)]


class SpeechRecord(ManifestModel):
    """The speech that was spoken.

    Attributes:
        sha256: Hash of the file as it was handed in.
        source_rate: Samples per second of the file.
        source_samples: Samples per channel that were read, silence that was filled in included; with the rate this is
            the exact duration.
        frame_count: Frames that cover it.
        media: The account of the file; empty in manifests of earlier versions.
    """

    sha256: Sha256
    source_rate: PositiveCount
    source_samples: PositiveCount
    frame_count: PositiveCount
    media: Annotated[MediaRecord, Field(default_factory=MediaRecord)]


class MotionLimitsRecord(ManifestModel):
    """The most by which a head moves from its usual pose, to either side.

    Attributes:
        yaw, pitch, roll: Degrees.
        shift_px: Of its centre, px of a picture of 512, each axis for itself.
        scale: Of its size, which is about 1.
    """

    yaw: PositiveNumber
    pitch: PositiveNumber
    roll: PositiveNumber
    shift_px: PositiveNumber
    scale: PositiveNumber


class SubjectRecord(ManifestModel):
    """Who is shown, and on whose word.

    Attributes:
        name: Name of the subject.
        sha256: Hash of the subject package.
        consent: The consent record that the package names.
        untrained: It was drawn by warping pictures of it, which no network repaired.
        motion_limits: How far its head may move; None where that is not limited, and in manifests of earlier versions.
    """

    name: str
    sha256: Sha256
    consent: Annotated[str, Field(min_length=1)]
    untrained: bool = False
    motion_limits: MotionLimitsRecord | None = None


class SegmentRecord(ManifestModel):
    """One committed segment.

    Attributes:
        index: Place in the video, from 0.
        first_frame: Its first frame.
        frame_count: Its number of frames.
        key: Its key in the store.
        sha256: Hash of its bytes.
        size_bytes: Number of its bytes.
        inspection: What was found in its pictures; none where nothing is known of it.
        found: Another plan had rendered it.
    """

    index: Count
    first_frame: Count
    frame_count: PositiveCount
    key: str
    sha256: Sha256
    size_bytes: PositiveCount
    inspection: InspectionRecord | None = None
    found: bool = False


class FilledRecord(ManifestModel):
    """One segment that was not rendered: a frame of its neighbour stands still in its place.

    Attributes:
        index: Place in the video, from 0.
        first_frame: Its first frame.
        frame_count: Its number of frames.
        shown_frame: The frame of the video that stands still there.
    """

    index: Count
    first_frame: Count
    frame_count: PositiveCount
    shown_frame: Count


class MasterRecord(ManifestModel):
    """The finished video.

    Attributes:
        uri: Where the job asked for it, as written in the job.
        sha256: Hash of the whole file.
        size_bytes: Size of the file.
        frame_count: Number of frames.
        fps: Frames per second as a fraction; with the frames this is its exact duration.
        size_px: Width and height.
    """

    uri: str
    sha256: Sha256
    size_bytes: PositiveCount
    frame_count: PositiveCount
    fps: Rational
    size_px: PositiveCount


class CaptionsRecord(ManifestModel):
    """The captions that go with a master.

    Attributes:
        uri: Where they lie beside the master, spelled as the master is in the job.
        sha256: Hash of the file, which is as it was handed in.
        size_bytes: Size of the file.
        form: ``srt`` or ``vtt``.
        language: Tag of their language; empty where nobody said.
        cue_count: Number of cues.
    """

    uri: str
    sha256: Sha256
    size_bytes: PositiveCount
    form: str
    language: str = ""
    cue_count: PositiveCount


class Manifest(ManifestModel):
    """``manifest.json`` of one take.

    It holds no dates, hosts or durations of work: but for what was found, the same job gives the same manifest.

    Attributes:
        schema_version: Version of this form; the first knew nothing of what was found, nor of untrained subjects.
        synthetic: Always true: no frame of the master was recorded.
        engine_version: Version of the code that rendered it.
        device_kind: Kind of processor that rendered it.
        job: The render job with every default filled in.
        plan_hash: Hash of all that decides the bytes of the segments.
        seed: Seed of the job.
        take: Number of this take, from 1.
        takes: Takes the job asked for.
        speech: The speech.
        subject: The subject.
        weights_sha256: Hash of each set of weights, by stage.
        encoder: Settings of the video encoder.
        segments: In order; with those that are filled, they tile the master.
        filled: Segments that were given up or waived, in order; none in most masters.
        master: The finished video.
        captions: What is a track of it, and a file beside it; None where there are none.
        draft: Every picture carries the word DRAFT.
        background: What is behind the person: a colour, or the hash of a picture; empty for their own background.
    """

    schema_version: Literal["farm.manifest/v2", "farm.manifest/v1"] = "farm.manifest/v2"
    synthetic: Literal[True] = True
    engine_version: str
    device_kind: str
    job: dict[str, Any]
    plan_hash: Sha256
    seed: Count
    take: PositiveCount
    takes: PositiveCount
    speech: SpeechRecord
    subject: SubjectRecord
    weights_sha256: dict[str, Sha256]
    encoder: dict[str, str | int]
    segments: Annotated[list[SegmentRecord], Field(min_length=1)]
    filled: Annotated[list[FilledRecord], Field(default_factory=list)]
    master: MasterRecord
    captions: CaptionsRecord | None = None
    draft: bool = False
    background: str = ""

    def to_json(self) -> bytes:
        """The manifest as it is stored: UTF-8, two spaces of indentation, a line feed at the end."""
        return self.model_dump_json(indent=2).encode("utf-8") + b"\n"

    @classmethod
    def from_json(cls, data: bytes, *, where: str = "manifest.json") -> Manifest:
        """Read a stored manifest.

        Raises:
            StoreError: The bytes are no manifest of this version.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the document"
            raise StoreError(
                f"is not a manifest this version reads: {field}: {first['msg']}",
                where=where,
                code="bad_manifest",
                hint="render the job again, or read it with the engine version that wrote it",
            ) from error


class WrittenFile(ManifestModel):
    """One file that a command wrote.

    Attributes:
        name: Its path from the folder of the manifest, with slashes.
        sha256: Hash of its bytes.
        size_bytes: Number of them.
    """

    name: str
    sha256: Sha256
    size_bytes: Count


class WrittenManifest(ManifestModel):
    """The manifest of weights, reports and plots, beside them.

    Attributes:
        schema_version: Version of this form.
        engine_version: Version of the code that wrote them.
        by: The command.
        of: What they were made from, in the words of the command; empty while they are being replaced.
        files: The files. While they are being replaced, both the old and the new.
    """

    schema_version: Literal["farm.written/v1"] = "farm.written/v1"
    engine_version: str
    by: str
    of: str = ""
    files: list[WrittenFile]

    def to_json(self) -> bytes:
        """The manifest as it is written."""
        return self.model_dump_json(indent=2).encode("utf-8") + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> WrittenManifest | None:
        """Read one; None where the bytes are none of this version."""
        try:
            return cls.model_validate_json(data)
        except ValidationError:
            return None


class _Hashed(BaseModel):
    sha256: Sha256
    size_bytes: Count


class _AnyManifest(BaseModel):
    """What every version of either manifest has."""

    schema_version: Annotated[str, Field(pattern=r"^farm\.(manifest|written)/")]
    master: _Hashed | None = None
    captions: _Hashed | None = None
    files: list[_Hashed] = []


def files_in_manifest(data: bytes) -> dict[str, int] | None:
    """Every file that a manifest of any version says the farm wrote, its size by its SHA-256; None for other bytes."""
    try:
        found = _AnyManifest.model_validate_json(data)
    except ValidationError:
        return None
    written = [*found.files, *(each for each in (found.master, found.captions) if each is not None)]
    return {each.sha256: each.size_bytes for each in written}
