"""Jobs from text or a file, with their places resolved; one pair of functions for each kind of job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.background_spec import is_colour
from jobs.captions_spec import captions_location
from jobs.documents import FieldPath, with_fields
from jobs.errors import SpecError
from jobs.evaluate_spec import PLOTS_FOLDER, REPORT_FILES, EvaluateJob
from jobs.evaluation_pairs import EvaluationPair, find_pairs
from jobs.folders import FoundClips, find_clips, matches
from jobs.kinds import EVALUATE_JOB, RENDER_JOB, TRAIN_JOB
from jobs.locations import builtin_name, is_s3, manifest_location, resolve_location, take_location
from jobs.mistakes import mistake_at
from jobs.places import JobPlaces, Place
from jobs.reading import read_document, read_file, validated
from jobs.spec import RenderJob
from jobs.train_spec import BASE, WRITTEN_TO_SUBJECT, TrainJob, weights_manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedJob:
    """A render job together with the folder its relative paths start from.

    Attributes:
        job: The job exactly as written.
        folder: Absolute folder of the job's file.
        file: The job's file; None for text of another origin.
        overwrite: Whether files that the farm did not write may be replaced. No part of the job.
    """

    job: RenderJob
    folder: Path
    file: Path | None = None
    overwrite: bool = False

    @property
    def speech(self) -> str:
        """Absolute path or ``s3://`` URI of the speech."""
        return resolve_location(self.job.spec.speech.uri, folder=self.folder)

    @property
    def subject(self) -> str:
        """``builtin:NAME``, or the absolute path or ``s3://`` URI of the subject package."""
        return resolve_location(self.job.spec.subject, folder=self.folder)

    def master(self, *, take: int) -> str:
        """Absolute path or ``s3://`` URI of a take's master; takes count from 1."""
        return take_location(resolve_location(self.job.master_uri, folder=self.folder), take=take)

    @property
    def captions(self) -> str | None:
        """Absolute path or ``s3://`` URI of the captions; None where there are none."""
        captions = self.job.spec.output.captions
        return None if captions is None else resolve_location(captions.uri, folder=self.folder)

    def delivered_captions(self, *, take: int) -> str | None:
        """Absolute path or ``s3://`` URI of the captions beside a take's master; None where there are none."""
        captions = self.job.spec.output.captions
        return None if captions is None else captions_location(self.master(take=take), captions.known_form)

    @property
    def background(self) -> str | None:
        """A colour, or absolute path or ``s3://`` URI of the picture behind the person; None: their own background."""
        background = self.job.spec.output.background
        if background is None or is_colour(background):
            return background
        return resolve_location(background, folder=self.folder)

    def places(self, *, name: str = "") -> JobPlaces:
        """What it reads and writes.

        Args:
            name: What to call the job beside others.
        """
        reads = [Place(location=self.speech, field="spec.speech"), *_own_file(self.file)]
        if self.captions is not None:
            reads.append(Place(location=self.captions, field="spec.output.captions"))
        if self.background is not None and not is_colour(self.background):
            reads.append(Place(location=self.background, field="spec.output.background"))
        if builtin_name(self.subject) is None:
            reads.append(Place(location=self.subject, field="spec.subject", is_folder=True))
        given = self.job.spec.output.uri is not None
        field = "spec.output.uri" if given else "metadata.name (it names the master)"
        writes = []
        for take in range(1, self.job.spec.takes + 1):
            master = self.master(take=take)
            said = field if take == 1 else f"{field} (take {take})"
            writes += [
                Place(location=master, field=said),
                Place(location=manifest_location(master), field=f"{said} (manifest)"),
            ]
            if (beside := self.delivered_captions(take=take)) is not None:
                writes.append(Place(location=beside, field=f"{said} (captions)"))
        return JobPlaces(job=name, reads=tuple(reads), writes=tuple(writes))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTraining:
    """A train job together with the folder its relative paths start from.

    Attributes:
        job: The job exactly as written.
        folder: Absolute folder of the job's file.
        file: The job's file; None for text of another origin.
        overwrite: Whether files that the farm did not write may be replaced. No part of the job.
    """

    job: TrainJob
    folder: Path
    file: Path | None = None
    overwrite: bool = False

    @property
    def clip_patterns(self) -> tuple[str, ...]:
        """Absolute paths of the clips; ``*`` and ``?`` match within one name."""
        return tuple(resolve_location(clip, folder=self.folder) for clip in self.job.spec.clips)

    @property
    def held_out_patterns(self) -> tuple[str, ...]:
        """Absolute paths of the clips for validation alone."""
        return tuple(resolve_location(clip, folder=self.folder) for clip in self.job.spec.held_out)

    @property
    def start_from(self) -> str | None:
        """The word ``base``, the absolute path or ``s3://`` URI of weights, or None for a start from scratch."""
        start = self.job.spec.start_from
        return start if start is None or start == BASE else resolve_location(start, folder=self.folder)

    @property
    def subject(self) -> Path | None:
        """Absolute folder of the package that receives the weights, or None."""
        subject = self.job.spec.subject
        return None if subject is None else Path(resolve_location(subject, folder=self.folder))

    @property
    def output(self) -> str:
        """Absolute path or ``s3://`` URI of the weights that the run writes."""
        return resolve_location(self.job.weights_uri, folder=self.folder)

    def find_clips(self) -> FoundClips:
        """The folders that the patterns match now.

        Raises:
            InputNotFound: A pattern matches nothing, or nothing is left to learn from.
        """
        return find_clips(self.clip_patterns, held_out=self.held_out_patterns)

    def places(self) -> JobPlaces:
        """What it reads and writes.

        Raises:
            InputNotFound: A pattern matches nothing, or nothing is left to learn from.
        """
        return JobPlaces(reads=tuple(self._reads()), writes=self._weights())

    def places_in_subject(self) -> JobPlaces:
        """What it writes into the package that receives the weights, and what it reads elsewhere.

        Raises:
            InputNotFound: A pattern matches nothing, or nothing is left to learn from.
        """
        subject = self.subject
        if subject is None:
            return JobPlaces(reads=(), writes=())
        others = [each for each in self._reads() if not _is_same_folder(each, subject)]
        return JobPlaces(reads=tuple(others), writes=self._written_to_subject())

    def outputs(self) -> tuple[Place, ...]:
        """All that it writes; no disk is asked."""
        return (*self._weights(), *self._written_to_subject())

    def _weights(self) -> tuple[Place, ...]:
        given = self.job.spec.output.uri is not None
        field = "spec.output.uri" if given else "metadata.name (it names the weights)"
        return (
            Place(location=self.output, field=field),
            Place(location=weights_manifest(self.output), field=f"{field} (manifest)"),
        )

    def _written_to_subject(self) -> tuple[Place, ...]:
        subject = self.subject
        names = () if subject is None else WRITTEN_TO_SUBJECT
        return tuple(Place(location=f"{subject}/{name}", field="spec.subject") for name in names)

    def _reads(self) -> list[Place]:
        found = self.find_clips()
        reads = list(_own_file(self.file))
        reads += [Place(location=str(clip), field="spec.clips", is_folder=True) for clip in found.training]
        reads += [Place(location=str(clip), field="spec.held_out", is_folder=True) for clip in found.held_out]
        start = self.start_from
        if start is not None and start != BASE:
            reads.append(Place(location=start, field="spec.start_from"))
        return reads


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEvaluation:
    """An evaluate job together with the folder its relative paths start from.

    Attributes:
        job: The job exactly as written.
        folder: Absolute folder of the job's file.
        file: The job's file; None for text of another origin.
        overwrite: Whether files that the farm did not write may be replaced. No part of the job.
    """

    job: EvaluateJob
    folder: Path
    file: Path | None = None
    overwrite: bool = False

    @property
    def output(self) -> str:
        """Absolute folder or ``s3://`` URI of the report."""
        return resolve_location(self.job.output_uri, folder=self.folder)

    @property
    def syncnet(self) -> Path | None:
        """Absolute folder of SyncNet's weights; None where our own judge is wanted."""
        folder = self.job.spec.syncnet
        return None if folder is None else Path(resolve_location(folder, folder=self.folder))

    def find_pairs(self) -> tuple[EvaluationPair, ...]:
        """The pairs that the job means now, in the order of its systems.

        Raises:
            InputNotFound: A folder, a video or its counterpart is missing.
            SpecError: Two videos of a system would have one name.
        """
        return find_pairs(self.job.spec, folder=self.folder)

    def places(self, pairs: Sequence[EvaluationPair]) -> JobPlaces:
        """What it reads and writes.

        Args:
            pairs: What `find_pairs` found.
        """
        spec, output = self.job.spec, self.output.rstrip("/")
        reads = list(_own_file(self.file))
        if self.syncnet is not None:
            reads.append(Place(location=str(self.syncnet), field="spec.syncnet", is_folder=True))
        for pair in pairs:
            videos = dict.fromkeys((*pair.generated, pair.truth, pair.speech))
            reads += [Place(location=video, field=pair.field) for video in videos if video is not None]
        writes, field = list(self.outputs()), self._output_field
        if spec.output.plots and not is_s3(output):
            writes += [
                Place(location=f"{output}/{PLOTS_FOLDER}/{pair}", field=field, is_folder=True)
                for pair in pairs
            ]
        return JobPlaces(reads=tuple(dict.fromkeys(reads)), writes=tuple(writes))

    def outputs(self) -> tuple[Place, ...]:
        """The files of the report; no disk is asked."""
        output = self.output.rstrip("/")
        return tuple(Place(location=f"{output}/{name}", field=self._output_field) for name in REPORT_FILES)

    @property
    def _output_field(self) -> str:
        given = self.job.spec.output.uri is not None
        return "spec.output.uri" if given else "metadata.name (it names the folder of the report)"


def _own_file(file: Path | None) -> Iterator[Place]:
    if file is not None:
        yield Place(location=str(file.absolute()), field="the job's file")


def _is_same_folder(place: Place, folder: Path) -> bool:
    try:
        return place.is_folder and folder.samefile(place.location)
    except OSError:
        return False


def load_job(path: Path, *, overwrite: bool = False) -> LoadedJob:
    """Read a render job from a YAML or JSON file.

    Args:
        path: The file.
        overwrite: Whether files that the farm did not write may be replaced.

    Raises:
        SpecError: The file cannot be read, or the job in it has mistakes.
    """
    text, folder, json_only = read_file(path, RENDER_JOB)
    loaded = parse_job(text, folder=folder, where=str(path), json_only=json_only)
    return replace(loaded, file=path, overwrite=overwrite)


def parse_job(text: str, *, folder: Path, where: str = "", json_only: bool = False) -> LoadedJob:
    """Read a render job from YAML or JSON text.

    Args:
        text: One document.
        folder: Absolute folder that relative paths in the job start from.
        where: What to call the text in errors.
        json_only: Whether YAML is out of the question, so that messages speak of JSON.

    Raises:
        SpecError: With every mistake that was found.
    """
    document = read_document(text, json_only=json_only, where=where)
    return LoadedJob(job=validated(document, RENDER_JOB, where=where), folder=folder)


def load_training(path: Path, *, fields: Mapping[FieldPath, Any] | None = None) -> LoadedTraining:
    """Read a train job from a YAML or JSON file.

    Args:
        path: The file.
        fields: Values that replace those of the file, by the path of their field.

    Raises:
        SpecError: The file cannot be read, or the job in it has mistakes.
    """
    text, folder, json_only = read_file(path, TRAIN_JOB)
    loaded = parse_training(text, folder=folder, where=str(path), json_only=json_only, fields=fields)
    return replace(loaded, file=path)


def parse_training(
    text: str,
    *,
    folder: Path,
    where: str = "",
    json_only: bool = False,
    fields: Mapping[FieldPath, Any] | None = None,
) -> LoadedTraining:
    """Read a train job from YAML or JSON text.

    Args:
        text: One document.
        folder: Absolute folder that relative paths in the job start from.
        where: What to call the text in errors.
        json_only: Whether YAML is out of the question, so that messages speak of JSON.
        fields: Values that replace those of the text, by the path of their field.

    Raises:
        SpecError: With every mistake that was found.
    """
    document = with_fields(read_document(text, json_only=json_only, where=where), fields or {})
    loaded = LoadedTraining(job=validated(document, TRAIN_JOB, where=where), folder=folder)
    subject = loaded.subject
    if subject is not None and not any(matches(subject, pattern) for pattern in loaded.clip_patterns):
        stray = mistake_at(
            ("spec", "subject"),
            document,
            code="bad_value",
            message="must be one of spec.clips: a package gets weights that have seen its person",
            hint="add it to spec.clips",
        )
        raise SpecError(mistakes=[stray], where=where)
    return loaded


def load_evaluation(path: Path, *, overwrite: bool = False) -> LoadedEvaluation:
    """Read an evaluate job from a YAML or JSON file.

    Args:
        path: The file.
        overwrite: Whether files that the farm did not write may be replaced.

    Raises:
        SpecError: The file cannot be read, or the job in it has mistakes.
    """
    text, folder, json_only = read_file(path, EVALUATE_JOB)
    loaded = parse_evaluation(text, folder=folder, where=str(path), json_only=json_only)
    return replace(loaded, file=path, overwrite=overwrite)


def parse_evaluation(
    text: str, *, folder: Path, where: str = "", json_only: bool = False
) -> LoadedEvaluation:
    """Read an evaluate job from YAML or JSON text.

    Args:
        text: One document.
        folder: Absolute folder that relative paths in the job start from.
        where: What to call the text in errors.
        json_only: Whether YAML is out of the question, so that messages speak of JSON.

    Raises:
        SpecError: With every mistake that was found.
    """
    document = read_document(text, json_only=json_only, where=where)
    return LoadedEvaluation(job=validated(document, EVALUATE_JOB, where=where), folder=folder)
