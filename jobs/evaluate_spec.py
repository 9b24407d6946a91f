"""The evaluate job: which videos are judged against which true ones, as it is written in YAML or JSON.

    apiVersion: farm/v1
    kind: EvaluateJob
    metadata: {name: table1, project: demo}
    spec:
      truth: ../test/clips
      systems:
        ours: ../out/ours
        wav2lip: ../out/wav2lip
      measures: [pictures, niqe, sync, identity]
      sample_every: 5
      output: {uri: ../out/table1}

Each system's folder holds a video for every true one, under the same file name. Videos that lie otherwise
are named one by one:

    spec:
      pairs:
        - {system: ours, generated: ../out/a.mp4, truth: ../test/a.mp4, speech: ../test/a.wav}

One of the two forms must be given; both may be.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from jobs.locations import builtin_name, check_location, is_s3, is_slug
from jobs.spec_model import Metadata, SpecModel, finding

Measure = Literal["pictures", "niqe", "sync", "identity"]

ALL_MEASURES: Final[tuple[Measure, ...]] = ("pictures", "niqe", "sync", "identity")

REPORT_FILES: Final = ("report.json", "report.md", "manifest.json")
PLOTS_FOLDER: Final = "plots"
"""What lies in the folder of a report; the plots of a pair in one of their own, by system and clip."""

MOST_WORKERS = 1024
MOST_TAKES = 99  # as in a render job
MOST_SYSTEMS = 100  # rows of a table that can still be read

TRUTH: Final = "ground-truth"
"""The row of the true videos themselves; no system can be called that."""


def _checked_video(location: str) -> str:
    check_location(location)
    if builtin_name(location) is not None:
        raise ValueError("must be the path or s3:// URI of a video")
    return location


def _checked_pattern(location: str) -> str:
    _checked_video(location)
    if is_s3(location) and ("*" in location or "?" in location):
        raise ValueError("must name one object: patterns are for paths")
    if "**" in location:
        raise ValueError("must not hold **; * matches within one name, so write one pattern for each depth")
    return location


def _checked_folder(folder: str) -> str:
    _checked_video(folder)
    if is_s3(folder):
        raise ValueError(
            "must be a folder on this machine or on a disk that every worker has; name objects in spec.pairs"
        )
    return folder


def _checked_system(name: str) -> str:
    if not is_slug(name):
        raise ValueError(
            "must be 1 to 63 letters, digits, '.', '_' or '-', start with a letter or digit, not end in '.'"
        )
    if name == TRUTH:
        raise ValueError("must be another than that of the true videos' own row")
    return name


def _checked_output(uri: str) -> str:
    check_location(uri)
    if builtin_name(uri) is not None:
        raise ValueError("must be a folder, or the s3:// URI of one")
    return uri


Folder = Annotated[str, AfterValidator(_checked_folder)]
VideoLocation = Annotated[str, AfterValidator(_checked_video)]
VideoPattern = Annotated[str, AfterValidator(_checked_pattern)]
SystemName = Annotated[str, AfterValidator(_checked_system)]
OutputLocation = Annotated[str, AfterValidator(_checked_output)]


class VideoPair(SpecModel):
    """One system's video, or several of one pattern, against a true one.

    Attributes:
        system: Name of the system; a row of the table.
        generated: Path or ``s3://`` URI of the video; ``*`` and ``?`` match within one name of a path.
        truth: Path or ``s3://`` URI of the true video.
        speech: Path or ``s3://`` URI of the sound that sync is judged by; each video's own when not given.
    """

    system: SystemName
    generated: VideoPattern
    truth: VideoLocation
    speech: VideoLocation | None = None


class EvaluationOutput(SpecModel):
    """What is written and where.

    Attributes:
        uri: Folder, or ``s3://`` URI of one, for ``report.md``, ``report.json`` and plots;
            ``<name>-evaluation`` beside the job's file when not given.
        plots: Whether every pair's plots are drawn. With an ``s3://`` output they go to the store.
    """

    uri: OutputLocation | None = None
    plots: bool = True


class EvaluateSpec(SpecModel):
    """The work itself.

    Attributes:
        systems: Folder of each system's videos, by the name of the system.
        truth: Folder of the true videos; a system's are matched with them by file name, whatever the suffix.
        speech: Folder of recordings, matched likewise, that sync is judged by; each video's own sound when not
            given.
        takes: How many takes of each video ``systems`` hold: ``a.mp4``, ``a.take2.mp4``, ...
        pairs: Videos named one by one.
        measures: What is measured besides face points.
        syncnet: Folder with SyncNet's weights, to judge sync by it; our own judge when not given.
        sample_every: NIQE is measured on every so many frames.
        workers: Actors that judge side by side; one for each core when not given. Changes the time, not a figure.
        output: Place of the report.
    """

    # First, because the validators of what goes with them look at them.
    systems: Annotated[dict[SystemName, Folder], Field(default_factory=dict, max_length=MOST_SYSTEMS)]
    truth: Annotated[Folder | None, Field(validate_default=True)] = None
    speech: Folder | None = None
    takes: Annotated[int, Field(ge=1, le=MOST_TAKES)] = 1
    # Strict mode takes tuples only, and a file can hold nothing but lists.
    pairs: Annotated[tuple[VideoPair, ...], Field(strict=False, validate_default=True)] = ()
    measures: Annotated[tuple[Measure, ...], Field(strict=False)] = ALL_MEASURES
    syncnet: Folder | None = None
    sample_every: Annotated[int, Field(ge=1, le=10_000)] = 5
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] | None = None
    output: EvaluationOutput = EvaluationOutput()

    @field_validator("truth", "speech", "takes")
    @classmethod
    def _goes_with_systems(cls, value: str | int | None, info: ValidationInfo) -> str | int | None:
        systems = info.data.get("systems")
        if systems == {} and value not in (None, 1):
            hint = "give spec.systems, or say it in each of spec.pairs"
            raise finding("without_systems", "goes with spec.systems, and there are none", hint=hint)
        if systems and value is None and info.field_name == "truth":
            hint = "give the folder of the true videos that the systems are judged against"
            raise finding("missing_field", "is missing", hint=hint)
        return value

    @field_validator("syncnet")
    @classmethod
    def _judges_something(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "sync" not in info.data.get("measures", ALL_MEASURES):
            hint = "add sync to spec.measures, or leave it out"
            raise finding("without_sync", "goes with the measure sync, which is not asked for", hint=hint)
        return value

    @field_validator("pairs")
    @classmethod
    def _something_is_judged(
        cls, pairs: tuple[VideoPair, ...], info: ValidationInfo
    ) -> tuple[VideoPair, ...]:
        if not pairs and info.data.get("systems") == {}:
            hint = "give truth and systems, or pairs; see examples/evaluate.yaml"
            raise finding("missing_field", "is missing, and so is spec.systems", hint=hint)
        return pairs


class EvaluateJob(SpecModel):
    """One evaluate job, exactly as written; ``jobs.parse`` reads it and resolves its paths."""

    api_version: Literal["farm/v1"] = Field(alias="apiVersion")
    kind: Literal["EvaluateJob"]
    metadata: Metadata
    spec: EvaluateSpec

    @property
    def output_uri(self) -> str:
        """Where the report goes, as written or by default."""
        return self.spec.output.uri or f"{self.metadata.name}-evaluation"

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems' names in the order of the job, each once."""
        named = [*self.spec.systems, *(pair.system for pair in self.spec.pairs)]
        return tuple(dict.fromkeys(named))

    def as_record(self) -> dict[str, Any]:
        """The job as plain data with every default filled in; parsing it again gives an equal job."""
        record = self.model_dump(mode="json", by_alias=True)
        record["spec"]["output"]["uri"] = self.output_uri
        return record
