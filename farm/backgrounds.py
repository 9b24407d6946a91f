"""What a job wants behind its person, found and read, and what else is done to its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.fetch import fetch_file
from jobs.background_spec import is_colour
from jobs.errors import InputChanged, InputError, SubjectRefused
from jobs.identity import sha256_of_file
from jobs.installation import INSTALL_ALL
from jobs.parse import LoadedJob
from jobs.picture_extras import PictureExtras
from stages.encode.draft_mark import DRAFT_MARK
from stages.errors import SubjectError
from stages.warp.reach import BACKGROUND_LOOK

_FIELD: Final = "spec.output.background"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBackground:
    """What is behind the person.

    Attributes:
        source: A colour, or the absolute path of a picture on this machine.
        identity: The colour, or the hash of the picture's file.
        told: What was done to the picture, in sentences.
    """

    source: str
    identity: str
    told: tuple[str, ...] = ()


def read_job_background(loaded: LoadedJob, *, cache: Path) -> JobBackground | None:
    """The background of a job; None where the person keeps their own.

    Raises:
        InputNotFound: There is no such picture, or it may not be read.
        InputError: It cannot be used.
    """
    wanted = loaded.background
    if wanted is None or is_colour(wanted):
        return None if wanted is None else JobBackground(source=wanted, identity=wanted)
    path = fetch_file(wanted, cache=cache, where=_FIELD)
    # Imported here: most jobs have none, and OpenCV takes long to load.
    from stages.warp.background import read_background

    identity = sha256_of_file(path)
    try:
        told = read_background(str(path))[1]
    except ModuleNotFoundError as error:
        raise InputError(
            f"reading a picture needs {error.name}, which is not installed",
            where=_FIELD,
            code="picture_reader_missing",
            hint=INSTALL_ALL,
        ) from error
    except SubjectError as error:
        raise InputError(error.what, where=_FIELD, hint=error.hint, code=error.code) from error
    check_unchanged(str(path), sha256=identity)
    return JobBackground(source=str(path), identity=identity, told=told)


def check_unchanged(source: str, *, sha256: str) -> None:
    """See that a background is still the one that a job was planned with: what is drawn goes under the key of that one.

    Args:
        source: A colour, or the path of a picture.
        sha256: Of the picture's file then.

    Raises:
        InputChanged: It is another picture, or there is none any more.
    """
    if is_colour(source):
        return
    path = Path(source)
    if not path.is_file() or sha256_of_file(path) != sha256:
        raise InputChanged(
            f"the picture '{path.name}' is not what it was when the job was planned",
            where=_FIELD,
            hint="put it back and retry the job, or submit it again with the new one",
        )


def check_cut_out(subject: str, *, why_not: str) -> None:
    """See that a subject can be shown before another background.

    Args:
        subject: Its name.
        why_not: The reason why it cannot; empty where it can.

    Raises:
        SubjectRefused: It cannot.
    """
    if why_not:
        raise SubjectRefused(
            f"{subject} cannot be shown before another background: {why_not}",
            where=_FIELD,
            code="background_fixed",
            hint="leave spec.output.background out, or choose a subject that was cut out",
        )


def picture_extras(loaded: LoadedJob, background: JobBackground | None) -> PictureExtras:
    """What is done to the pictures of a job after they were rendered."""
    return PictureExtras(
        draft=DRAFT_MARK if loaded.job.spec.output.draft else "",
        background="" if background is None else f"{BACKGROUND_LOOK} {background.identity}",
    )
