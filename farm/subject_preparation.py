"""A subject prepared from a clip or a photo: what `farm subject prepare` and a prepare job of the queue do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.translation import translated
from jobs.errors import DiskFull
from jobs.places import check_places
from jobs.prepare_job import Preparing

if TYPE_CHECKING:
    from stages.subject.preparation_request import Progress
    from stages.subject.quality_report import QualityReport


def prepare_package(preparing: Preparing, *, progress: Progress) -> QualityReport:
    """Prepare a subject, or go on preparing it; returns the quality report.

    Args:
        preparing: What is prepared from what.
        progress: Told of every step. What it raises comes through, as an error of the farm.

    Raises:
        OutputRefused: The package would replace what it is made of.
        SubjectRefused: No consent, or a clip or a photo that is refused; it leaves its report, and no package.
        InputNotFound: There is no such clip.
        OutputError: The folder cannot be written.
        FarmError: Whatever else the stages raise.
    """
    check_places(preparing.places())
    # Loads torch, MediaPipe and matplotlib: not before they are needed.
    with translated(str(preparing.clip)):
        from stages.subject.photo_file import picture_kind
        from stages.subject.photo_preparation import prepare_photo
        from stages.subject.preparation import prepare_subject
        from stages.subject.preparation_request import SubjectRequest

        request = SubjectRequest(
            clip=preparing.clip,
            name=preparing.name,
            consent=preparing.consent,
            out=preparing.out,
            audio_lag=preparing.audio_lag,
            audio_track=preparing.audio_track,
            overwrite=preparing.overwrite,
        )
        prepare = prepare_photo if picture_kind(request.clip) else prepare_subject
        try:
            return prepare(request, progress=progress)
        except OSError as error:
            raise DiskFull.or_unwritable(error, where=str(request.out), hint="give another folder") from error
