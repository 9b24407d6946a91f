"""From a prepared clip to the file of its reference library, with the segmenter that ships."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.subject.face_tracker import PersonSegmenter
from stages.subject.framing import Frame
from stages.subject.library_file import write_library
from stages.subject.library_making import LibraryPlan, make_references
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.warp.plate import BackgroundPlate


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLibrary:
    """What a library came to: how many references, bytes of its file, and the background."""

    references: int
    size_bytes: int
    plate: BackgroundPlate


def make_library(
    path: Path, tracks: ClipTracks, frames: Iterable[Frame], *, template: Template
) -> MadeLibrary:
    """Write the library of a clip.

    Args:
        path: of the file.
        tracks: of the clip, as they will stay.
        frames: the clip's square RGB frames (512, 512, 3) in order; only those that become references are kept.
        template: of the subject's package.

    Raises:
        SubjectError: nothing may be learnt from the clip (``clip_unfit``), it has fewer pictures than tracks
            (``clip_frames_missing``), or its references do not fit into the file (``clip_too_noisy``).
        WeightsError: the segmenter is not installed.
    """
    plan = LibraryPlan.of(tracks, template=template)
    with PersonSegmenter() as segmenter:
        made = make_references(plan, frames, segmenter=segmenter, where=tracks.facts.speaker)
    write_library(path, made, template=template)
    return MadeLibrary(references=len(plan.frames), size_bytes=path.stat().st_size, plate=made.plate)
