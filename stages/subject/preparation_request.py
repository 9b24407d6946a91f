"""What a subject is to be prepared from, and how the work on it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from stages.errors import SubjectError
from stages.subject.claim import check_consent
from stages.subject.package_files import is_text

LONGEST_TOLD_LAG: Final = 250
"""Frames: ten seconds."""


class PrepareStep(StrEnum):
    """What a preparation is made of, in order."""

    LOOK = "look"
    TRACK = "track"
    LISTEN = "listen"
    PICTURES = "pictures"
    REFINE = "refine"
    LIBRARY = "library"
    LIMITS = "limits"
    REPORT = "report"


Progress = Callable[[PrepareStep, int, int], None]
"""Called with a step, units done and units in all (0 where that is not known)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRequest:
    """What to prepare.

    Attributes:
        clip: the recording, or the photo.
        name: of the subject.
        consent: document in which the person agrees.
        out: folder of the package to be.
        audio_lag: frames, in parts of one, by which the sound lags the lips; None to find out.
        audio_track: number of the audio track that is heard, from 1, or its language tag; None: by the rule of
            `stages.media.tracks`.
        overwrite: whether what the folder holds of another subject is removed.
    """

    clip: Path
    name: str
    consent: Path
    out: Path
    audio_lag: float | None = None
    audio_track: int | str | None = None
    overwrite: bool = False

    def check(self) -> str:
        """sha256 of the consent record, once all that needs no look at the clip was found to be well.

        Raises:
            SubjectError: no consent (``subject_no_consent``), no name (``subject_no_name``) or no such lag
                (``subject_bad_lag``).
        """
        consent_sha256 = check_consent(self.consent)
        if not self.name.strip() or not is_text(self.name):
            raise SubjectError(
                code="subject_no_name",
                what="a subject needs a name",
                hint="give one with --name",
                where="--name",
            )
        if self.audio_lag is not None and not abs(self.audio_lag) <= LONGEST_TOLD_LAG:
            raise SubjectError(
                code="subject_bad_lag",
                what=f"sound cannot lag by {self.audio_lag:g} frames",
                hint=f"give a number from -{LONGEST_TOLD_LAG} to {LONGEST_TOLD_LAG}",
                where="--audio-lag",
            )
        return consent_sha256
