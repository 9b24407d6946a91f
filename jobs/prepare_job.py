"""A prepare job from text or a file, or from what a command line says, with its paths resolved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from jobs.kinds import PREPARE_JOB
from jobs.locations import resolve_location
from jobs.places import JobPlaces, Place
from jobs.prepare_spec import PrepareJob
from jobs.reading import read_document, read_file, validated


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """What is prepared from what, whoever says so: a job, or options of a command, whose names need be no text.

    Attributes:
        clip: The recording, or the photo.
        consent: The document in which the person agrees.
        out: Folder of the package.
        name: What the subject is called.
        audio_lag, audio_track: See `PrepareSpec`.
        overwrite: Whether what the folder holds of another subject is removed.
        fields: How the clip, the consent and the folder are called in errors.
        file: The job's file, which is read as well.
    """

    clip: Path
    consent: Path
    out: Path
    name: str
    audio_lag: float | None = None
    audio_track: int | str | None = None
    overwrite: bool = False
    fields: tuple[str, str, str] = ("spec.clip", "spec.consent", "spec.output.uri")
    file: Path | None = None

    def places(self, *, name: str = "") -> JobPlaces:
        """What it reads and writes.

        Args:
            name: What to call the job beside others.
        """
        clip, consent, out = self.fields
        reads = [
            Place(location=str(self.clip.absolute()), field=clip),
            Place(location=str(self.consent.absolute()), field=consent),
        ]
        if self.file is not None:
            reads.append(Place(location=str(self.file.absolute()), field="the job's file"))
        writes = (Place(location=str(self.out.absolute()), field=out, is_folder=True),)
        return JobPlaces(job=name, reads=tuple(reads), writes=writes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPreparation:
    """A prepare job together with the folder its relative paths start from.

    Attributes:
        job: The job exactly as written.
        folder: Absolute folder of the job's file.
        file: The job's file; None for text of another origin.
        overwrite: Whether what the folder holds of another subject is removed. No part of the job.
    """

    job: PrepareJob
    folder: Path
    file: Path | None = None
    overwrite: bool = False

    @property
    def preparing(self) -> Preparing:
        """What is prepared from what."""
        spec = self.job.spec
        return Preparing(
            clip=self._path(spec.clip),
            consent=self._path(spec.consent),
            out=self._path(self.job.package_uri),
            name=self.job.subject_name,
            audio_lag=spec.audio_lag,
            audio_track=spec.audio_track,
            overwrite=self.overwrite,
            file=self.file,
        )

    def _path(self, location: str) -> Path:
        return Path(resolve_location(location, folder=self.folder))


def load_preparation(path: Path, *, overwrite: bool = False) -> LoadedPreparation:
    """Read a prepare job from a YAML or JSON file.

    Args:
        path: The file.
        overwrite: Whether what the folder holds of another subject is removed.

    Raises:
        SpecError: The file cannot be read, or the job in it has mistakes.
    """
    text, folder, json_only = read_file(path, PREPARE_JOB)
    loaded = parse_preparation(text, folder=folder, where=str(path), json_only=json_only)
    return replace(loaded, file=path, overwrite=overwrite)


def parse_preparation(
    text: str, *, folder: Path, where: str = "", json_only: bool = False
) -> LoadedPreparation:
    """Read a prepare job from YAML or JSON text.

    Args:
        text: One document.
        folder: Absolute folder that relative paths in the job start from.
        where: What to call the text in errors.
        json_only: Whether YAML is out of the question, so that messages speak of JSON.

    Raises:
        SpecError: With every mistake that was found.
    """
    document = read_document(text, json_only=json_only, where=where)
    return LoadedPreparation(job=validated(document, PREPARE_JOB, where=where), folder=folder)
