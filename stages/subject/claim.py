"""Who a folder of a subject belongs to: the inputs it was begun with, so that work goes on with the same and no other.

Kept in `preparation.json`, with the time that finished steps took.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from stages.errors import SubjectError
from stages.files import check_types, is_plain_file, read_record
from stages.whole_files import written_whole

_FILE: Final = "preparation.json"
_LEFT_IN_FOLDER: Final = (
    _FILE,
    "subject.yaml",
    "template.npz",
    "reference.png",
    "references.safetensors",
    "renderer.safetensors",
    "renderer.safetensors.manifest.json",
    "inspection.json",
    "clip/frames.mp4",
    "clip/observed.npz",
    "clip/tracks.npz",
    "clip/clip.json",
    "clip/frames-[0-9]*.npy",
    f"clip/*-{8 * '[0-9a-f]'}.npy",
    "report/report.json",
    "report/report.png",
    "report/index.html",
)
"""What a subject's folder holds of its preparation and of trainings on it, beside its consent record.

Arrays that a training left of an old clip would be taken for those of the new one.
"""

_LARGEST_RECORD: Final = 1 << 30
_LOOKED_AT: Final = 1_000_000
"""Bytes of a consent record, of which some must be more than blanks."""

_VERSION: Final = 3
"""Counted up when preparation changes what it writes: work begun by another version is not gone on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a subject is prepared from.

    Attributes:
        clip: path of the clip.
        clip_sha256: of its bytes.
        name: of the subject.
        consent_sha256: of the consent record.
        audio_lag: frames, in parts of one, by which the user says the sound lags; None to find out.
        audio_track: the audio track that the user names; None where none is named.
        seconds: spent so far.
        processor_seconds: spent so far, over all threads.
        peak_memory_mb: most memory any of it held.
        version: of the preparation.
    """

    clip: str
    clip_sha256: str
    name: str
    consent_sha256: str
    audio_lag: float | None
    audio_track: int | str | None = None
    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    version: int = _VERSION

    def same_inputs(self, other: Claim) -> bool:
        """Whether both are of the same clip, wherever it lies, subject, consent and settings."""
        ours, theirs = (
            replace(each, clip="", seconds=0.0, processor_seconds=0.0, peak_memory_mb=0.0)
            for each in (self, other)
        )
        return ours == theirs

    def with_work(self, *, seconds: float, processor_seconds: float, peak_memory_mb: float) -> Claim:
        """After some more work."""
        return replace(
            self,
            seconds=self.seconds + seconds,
            processor_seconds=self.processor_seconds + processor_seconds,
            peak_memory_mb=max(self.peak_memory_mb, peak_memory_mb),
        )

    def save(self, folder: Path) -> None:
        """Write it into a subject's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(folder / _FILE) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The claim on a folder, None where there is none.

        Raises SubjectError (``subject_occupied``) when it cannot be read.
        """
        path = folder / _FILE
        if not path.is_file():
            return None
        try:
            claim = cls(**json.loads(read_record(path)))
            check_types(claim)
            return claim
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise _occupied(folder, "it holds a preparation that cannot be read") from error


def take_folder(folder: Path, wanted: Claim, *, overwrite: bool = False) -> Claim:
    """Claim a folder, or find that it is ours already; returns the claim with the work done so far.

    Args:
        folder: of the subject.
        wanted: what is to be prepared in it.
        overwrite: whether what the folder holds of another subject is removed; files of other names stay.

    Raises SubjectError (``subject_occupied``) when it holds anything else.
    """
    held = _claim_to_keep(folder, wanted, overwrite=overwrite)
    if held is not None:
        if held.same_inputs(wanted):
            return held
        raise _occupied(
            folder, f"it holds the subject {held.name!r}, prepared from {_difference(held, wanted)}"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise _occupied(folder, "it is not an empty folder")
    wanted.save(folder)
    return wanted


def _claim_to_keep(folder: Path, wanted: Claim, *, overwrite: bool) -> Claim | None:
    """The claim that a folder is under; of one that may be overwritten only the same as is wanted."""
    if not overwrite or not folder.is_dir():
        return Claim.load(folder)
    try:
        held = Claim.load(folder)
    except SubjectError:
        held = None
    if held is not None and held.same_inputs(wanted):
        return held
    _clear(folder, held)
    wanted.save(folder)
    return wanted


def _clear(folder: Path, held: Claim | None) -> None:
    """Remove every file that a preparation or a training leaves in a subject's folder, and no other."""
    left = [path for pattern in _LEFT_IN_FOLDER for path in folder.glob(pattern)]
    if held is not None:
        # Copied there under a name that its own suffix decides.
        left += [path for path in folder.glob("consent.*") if _is_kept_consent(path, held)]
    for path in left:
        if path.is_file() or path.is_symlink():
            path.unlink()


def _is_kept_consent(path: Path, held: Claim) -> bool:
    try:
        return file_sha256(path) == held.consent_sha256
    except SubjectError:
        return False


def keep_consent(consent: Path, folder: Path) -> str:
    """Copy the consent record into a subject's folder; returns the name it has there."""
    kept = f"consent{consent.suffix.lower()}"
    with written_whole(folder / kept) as partial:
        shutil.copyfile(consent, partial)
    return kept


def check_consent(consent: Path) -> str:
    """sha256 of a consent record.

    Raises SubjectError (``subject_no_consent``) when there is no such file, or nothing in it.
    """
    # What is no file may never end.
    if not is_plain_file(consent):
        raise _no_consent(consent, "there is no such consent record")
    try:
        if consent.stat().st_size > _LARGEST_RECORD:
            raise _no_consent(consent, f"the consent record is larger than {_LARGEST_RECORD} bytes")
        with consent.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            is_empty = not file.read(_LOOKED_AT).strip()
    except OSError as error:
        raise _no_consent(consent, f"the consent record cannot be read: {error.strerror}") from error
    if is_empty:
        raise _no_consent(consent, "the consent record is empty")
    return digest


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes. Raises SubjectError when it cannot be read."""
    if not is_plain_file(path):
        raise SubjectError(
            code="clip_not_found", what="there is no such file", hint="check the path", where=str(path)
        )
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SubjectError(
            code="clip_unreadable",
            what="the file may not be read",
            hint="check its permissions",
            where=str(path),
        ) from error


def _difference(held: Claim, wanted: Claim) -> str:
    for field, said in (
        ("clip_sha256", "another clip"),
        ("name", "a clip of another name"),
        ("consent_sha256", "another consent record"),
        ("audio_lag", "the same clip with another --audio-lag"),
        ("audio_track", "the same clip with another --audio-track"),
    ):
        if getattr(held, field) != getattr(wanted, field):
            return said
    return "the same clip by another version of the farm"


def _occupied(folder: Path, what: str) -> SubjectError:
    return SubjectError(
        code="subject_occupied",
        where=str(folder),
        what=what,
        hint="give an empty folder, or --overwrite to replace the subject in this one",
    )


def _no_consent(consent: Path, what: str) -> SubjectError:
    return SubjectError(
        code="subject_no_consent",
        where=str(consent),
        what=what,
        hint="name the document in which the person agrees; no face is prepared without one",
    )
