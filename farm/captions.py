"""The captions that a job names, read and held against its master."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from farm.translation import translated
from infra.fetch import fetch_file
from jobs.parse import LoadedJob
from stages.encode.captions import Captions, read_captions


def read_job_captions(loaded: LoadedJob, *, cache: Path) -> Captions | None:
    """The captions of a job; None where it has none.

    Raises:
        InputNotFound: They may not be read.
        InputError: They are broken.
    """
    asked, location = loaded.job.spec.output.captions, loaded.captions
    if asked is None or location is None:
        return None
    path = fetch_file(location, cache=cache, where="spec.output.captions")
    with translated("spec.output.captions"):
        return read_captions(path, form=asked.known_form.value, language=asked.language or "")


def notes_of_captions(captions: Captions | None, *, frame_count: int, fps: Fraction) -> tuple[str, ...]:
    """What to tell of captions that are held against the length of the master.

    Raises:
        InputError: They are those of another speech.
    """
    if captions is None:
        return ()
    with translated("spec.output.captions"):
        told = captions.check_length(frame_count=frame_count, fps=fps)
    return tuple(f"the captions: {sentence}" for sentence in told)
