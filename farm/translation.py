"""The one place where an error of a stage becomes one of the farm: with owner, exit code and whether to try again."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from farm.crashes import said_by, traceback_of
from jobs.errors import (
    DiskFull,
    FarmError,
    FormUnavailable,
    InfrastructureError,
    InputError,
    InputNotFound,
    NotSpeech,
    OutputUnwritable,
    SegmentFailed,
    SubjectRefused,
    UnknownSubject,
    WeightsMismatch,
)
from jobs.spelling import hint_where_missing
from stages.errors import CaptionsError, EncodeError, SpeechError, StageError, SubjectError, WeightsError

# Codes that belong to another family than their class says; everything else goes by class.
_BY_CODE: dict[str, type[FarmError]] = {
    "captions_unreadable": InputNotFound,
    "speech_not_found": InputNotFound,
    "speech_unreadable": InputNotFound,
    "clip_not_found": InputNotFound,
    "clip_unreadable": InputNotFound,
    "photo_not_found": InputNotFound,
    "photo_unreadable": InputNotFound,
    "subject_not_found": UnknownSubject,
    "subject_unknown": UnknownSubject,
    "form_unavailable": FormUnavailable,
    "encode_disk_full": DiskFull,
    "encode_output_unwritable": OutputUnwritable,
}
_BY_CLASS: tuple[tuple[type[StageError], type[FarmError]], ...] = (
    (SpeechError, NotSpeech),
    (SubjectError, SubjectRefused),
    (WeightsError, WeightsMismatch),
    (CaptionsError, InputError),
    (EncodeError, SegmentFailed),
    (StageError, SegmentFailed),
)


def translate(error: Exception, *, where: str, otherwise: type[FarmError] = SegmentFailed) -> FarmError:
    """The farm's error for anything that a stage or the store raised. Raises nothing, whatever the exception does.

    Args:
        error: What was raised; an error of the farm comes back as it is.
        where: What was worked on; used where the error does not know it.
        otherwise: What it is where nobody foresaw it; it carries the traceback then.
    """
    if isinstance(error, FarmError):
        return error
    if isinstance(error, StageError):
        kind = _BY_CODE.get(error.code) or next(
            ours for theirs, ours in _BY_CLASS if isinstance(error, theirs)
        )
        hint = error.hint
        if error.code.endswith("_not_found"):
            hint = hint_where_missing(error.where, otherwise=hint)
        return kind(error.what, where=error.where or where, hint=hint, code=error.code)
    if isinstance(error, MemoryError):
        return InfrastructureError(
            "the machine is out of memory",
            where=where,
            hint="use fewer replicas",
            traceback=traceback_of(error),
        )
    hint = f"raised at {_origin(error)}"
    return otherwise(said_by(error), where=where, hint=hint, traceback=traceback_of(error))


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Stage errors of the block leave it as errors of the farm; other exceptions are bugs and pass."""
    try:
        yield
    except (StageError, MemoryError) as error:
        raise translate(error, where=where) from error


def _origin(error: Exception) -> str:
    """File and line that raised, for a bug report of one line."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
