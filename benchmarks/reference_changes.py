"""Whether a picture jumps where a subject's references change: `python -m benchmarks.reference_changes PACKAGE...`.

What the shipped networks make of a speech, drawn by the renderers of packages that have a reference library. A step is
the mean difference of a frame from the one before, in levels: of the whole picture, and of boxes about lips and eyes.
The largest step to a frame whose references for the part are not those of the frame before; the largest of any frame if
it had kept the references of the one before, which is what motion alone makes; and the largest difference that a change
alone makes. Then the milliseconds of the candidates of a frame.

Legend: T frames, N points, S side of a picture (512 px), 3 = RGB or (x, y, z).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.edited_speech import FaceMaker, make_faces
from farm.execution.stages import RealStages
from stages.geometry.canonical import CANVAS, straightened
from stages.geometry.landmarks import OUTER_LIP_RING
from stages.payloads import PosedFace
from stages.render.warped_stage import WarpedStage
from stages.speech.decode import read_speech
from stages.speech.level import gain_to_training_level, speech_level_db
from stages.subject.library_file import read_library
from stages.subject.library_making import control_of
from stages.subject.package import SubjectPackage
from stages.tables import markdown_table
from stages.warp.candidates import CandidateMaker
from stages.warp.control_mesh import LEFT_EYE_RING, RIGHT_EYE_RING
from stages.warp.references import FrameReferences, choose_references

Floats = NDArray[np.float32]

_MARGIN_PX: Final = 20
_RINGS: Final = {"mouth": OUTER_LIP_RING, "eyes": np.concatenate([RIGHT_EYE_RING, LEFT_EYE_RING])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Steps of one part, in levels.

    Attributes:
        changed_T: whether the frame's references are not those of the frame before; the first frame has none.
        drawn_T: how far the picture is from the one before.
        kept_T: how far it would be if the references had been kept.
        alone_T: how far these two are from each other.
    """

    changed_T: NDArray[np.bool_]
    drawn_T: NDArray[np.float64]
    kept_T: NDArray[np.float64]
    alone_T: NDArray[np.float64]

    def row(self) -> list[str]:
        """The figures of a table."""
        largest = (self.drawn_T[self.changed_T].max(initial=0.0), self.kept_T.max(), self.alone_T.max())
        return [str(int(self.changed_T.sum())), *(f"{step:.2f}" for step in largest)]


def steps_of(face: PosedFace, *, subject: SubjectPackage) -> dict[str, Steps]:
    """Steps of the whole picture, the mouth and the eyes while a subject that warps references shows a run of faces."""
    stage = WarpedStage.load(subject=subject, device="cpu")
    head_T7, references = _references(face, subject=subject)
    frames = range(face.frame_count)
    pictures = stage.draw(face, head_T7=head_T7, references=references, frames=frames)
    same = stage.draw(face, head_T7=head_T7, references=[references[0], *references[:-1]], frames=frames)
    found: dict[str, list[tuple[bool, float, float, float]]] = {"picture": [], "mouth": [], "eyes": []}
    before_SS3 = next(pictures).astype(np.int16)
    next(same)
    for t, pair in enumerate(zip(pictures, same, strict=True), start=1):
        now_SS3, same_SS3 = (each.astype(np.int16) for each in pair)
        drawn_SS3, kept_SS3, alone_SS3 = (
            np.abs(one - other)
            for one, other in ((now_SS3, before_SS3), (same_SS3, before_SS3), (now_SS3, same_SS3))
        )
        for part, box in _boxes(face.mesh_TN3[t - 1 : t + 1]).items():
            old, new = references[t - 1], references[t]
            changed = old != new if part == "picture" else getattr(old, part) != getattr(new, part)
            drawn, kept, alone = (float(each[box].mean()) for each in (drawn_SS3, kept_SS3, alone_SS3))
            found[part].append((changed, drawn, kept, alone))
        before_SS3 = now_SS3
    return {part: _joined(rows) for part, rows in found.items()}


def _joined(rows: Sequence[tuple[bool, float, float, float]]) -> Steps:
    changed_T, drawn_T, kept_T, alone_T = (np.array(column) for column in zip(*rows, strict=True))
    return Steps(changed_T=changed_T, drawn_T=drawn_T, kept_T=kept_T, alone_T=alone_T)


def _references(face: PosedFace, *, subject: SubjectPackage) -> tuple[Floats, list[FrameReferences]]:
    """Head vectors (T, 7), and what every frame is made of."""
    assert subject.library is not None
    library = read_library(subject.library, template=subject.template).opened()
    canonical_TN3, head_T7 = straightened(face.mesh_TN3, template_N3=subject.template.mesh_N3)
    return head_T7, choose_references(library, canonical_TN3=canonical_TN3, head_T7=head_T7)


def _boxes(mesh_2N3: Floats) -> dict[str, tuple[slice, slice]]:
    """Rows and columns of each part in two frames."""
    boxes = {"picture": (slice(CANVAS), slice(CANVAS))}
    for part, ring in _RINGS.items():
        points_P2 = mesh_2N3[:, ring, :2].reshape(-1, 2)
        (left, top), (right, bottom) = (
            np.clip(edge_2, 0, CANVAS).astype(int)
            for edge_2 in (points_P2.min(axis=0) - _MARGIN_PX, points_P2.max(axis=0) + _MARGIN_PX)
        )
        boxes[part] = (slice(top, bottom), slice(left, right))
    return boxes


def milliseconds_of(face: PosedFace, *, subject: SubjectPackage) -> float:
    """Of one core, for the candidates of a frame, the mean over a run."""
    assert subject.library is not None
    library = read_library(subject.library, template=subject.template).opened()
    maker = CandidateMaker(library=library, control=control_of(subject.template))
    head_T7, references = _references(face, subject=subject)
    begun = time.thread_time()
    for t in range(face.frame_count):
        maker.make(
            mesh_N3=face.mesh_TN3[t],
            head_7=head_T7[t],
            torso_18x3=face.torso_TN3[t],
            references=references[t],
        )
    return 1e3 * (time.thread_time() - begun) / face.frame_count


def spoken_face(speech: Path, *, subject: SubjectPackage) -> PosedFace:
    """What the shipped networks make of a speech for a subject."""
    stages = RealStages()
    weights = stages.shared_weights()
    maker = FaceMaker(
        stages=stages,
        motion=stages.load_motion(weights=weights.motion, device="cpu"),
        composer=stages.load_composer(weights=weights.composer, device="cpu"),
        subject=subject,
    )
    samples_S = read_speech(speech).samples_S
    faces = make_faces(samples_S, gain_db=gain_to_training_level(speech_level_db(samples_S)), maker=maker)
    parts = []
    for segment, face in zip(faces.plan, faces.segments, strict=True):
        lead = segment.frames.start - segment.faces.start
        parts.append(face.slice(lead, lead + len(segment.frames)))
    return PosedFace(
        mesh_TN3=np.concatenate([part.mesh_TN3 for part in parts]),
        torso_TN3=np.concatenate([part.torso_TN3 for part in parts]),
    )


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", type=Path, nargs="+", help="folders of subject packages with a library")
    parser.add_argument("--speech", type=Path, default=Path("examples/hello.wav"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows = []
    for folder in options.packages:
        subject = SubjectPackage.load(folder)
        face = spoken_face(options.speech, subject=subject)
        spent = milliseconds_of(face, subject=subject)
        for part, steps in steps_of(face, subject=subject).items():
            rows.append([subject.name, part, *steps.row(), f"{spent:.1f}"])
    columns = ["subject", "part", "changes", "step at a change", "motion alone", "the change alone", "ms"]
    sys.stdout.write(markdown_table(columns, rows) + "\n")


if __name__ == "__main__":
    main()
