"""The forms of the network that repairs, one against another: `python -m benchmarks.form_time [--every N]`.

Frames of the shipped example are repaired in every form in turn, so that whatever else this machine does slows all of
them; what counts is the ratio of their medians, in processor time. Then come the differences of their pictures from the
exact ones: PSNR of frame and mouth, the worst of all frames, and sharpness of the face as a share of the exact one's.
Legend: S side of a picture, 3 = RGB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.segment_time import Work
from stages.builtin import builtin_subject, builtin_subject_names
from stages.errors import WeightsError
from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import LIPS
from stages.inspection.look import face_box, face_sharpness
from stages.render.renderer_loading import load_renderer
from stages.render.repairing import Repairer, RepairForm, RepairInput
from stages.render.warped_stage import WarpedStage
from stages.subject.package import SubjectPackage
from stages.tables import markdown_table
from stages.threads import use_one_thread

Picture = NDArray[np.uint8]

_MARGIN_PX = 10
"""Around the lips, so that what is seen of a mouth is within."""


@dataclass(slots=True)
class Tally:
    """What was measured of one form.

    Attributes:
        seconds: Processor time of each frame.
        psnr, mouth_psnr: Against the exact picture, dB.
        sharpness: As a share of the exact picture's.
    """

    seconds: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    mouth_psnr: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormRow:
    """One form of one subject; see the module."""

    subject: str
    form: str
    frames: int
    milliseconds: float
    times_faster: float
    worst_psnr: float
    worst_mouth_psnr: float
    least_sharpness: float
    most_sharpness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a frame is repaired from, and where its face is."""

    given: RepairInput
    mesh_N3: NDArray[np.float32]


def measure(subject: str, *, speech: Path, every: int) -> list[FormRow]:
    """The rows of a subject that ships with the project; forms that this machine lacks have none."""
    package = SubjectPackage.load(builtin_subject(subject))
    repairers = dict(_repairers(package))
    tallies = {form: Tally() for form in repairers}
    stage = load_renderer(subject=package, device="cpu")
    assert isinstance(stage, WarpedStage)
    with tempfile.TemporaryDirectory() as store:
        work = Work.of(speech, subject=subject, store=Path(store), profile="full")
    for frame in _frames(stage, work, every=every):
        pictures = {}
        for form, repairer in repairers.items():
            begun = time.process_time()
            pictures[form] = repairer.repaired([frame.given]).frames_TSS3[0]
            tallies[form].seconds.append(time.process_time() - begun)
        for form, picture_SS3 in pictures.items():
            _compare(picture_SS3, pictures[RepairForm.EXACT], frame.mesh_N3, tallies[form])
    exact = float(np.median(tallies[RepairForm.EXACT].seconds))
    return [_row(subject, form, tally, exact=exact) for form, tally in tallies.items()]


def _repairers(package: SubjectPackage) -> Iterator[tuple[RepairForm, Repairer]]:
    for form in RepairForm:
        try:
            stage = load_renderer(subject=package, device="cpu", form=form)
        except WeightsError as error:
            sys.stderr.write(f"{error}\n")
            continue
        assert isinstance(stage, WarpedStage)
        assert stage.repairer is not None
        yield form, stage.repairer


def _frames(stage: WarpedStage, work: Work, *, every: int) -> Iterator[Frame]:
    for segment, face in zip(work.plan, work.faces, strict=True):
        lead = segment.frames.start - segment.faces.start
        frames = range(lead, lead + len(segment.frames), every)
        for t, given in zip(frames, stage.inputs(face, frames=frames), strict=True):
            yield Frame(given=given, mesh_N3=face.mesh_TN3[t])


def _compare(picture_SS3: Picture, exact_SS3: Picture, mesh_N3: NDArray[np.float32], tally: Tally) -> None:
    points_L2 = mesh_N3[LIPS, :2]
    grown_L2 = np.concatenate([points_L2 - _MARGIN_PX, points_L2 + _MARGIN_PX])
    mouth = face_box(grown_L2, size=CANVAS)
    tally.psnr.append(_psnr(picture_SS3, exact_SS3))
    tally.mouth_psnr.append(_psnr(picture_SS3[mouth], exact_SS3[mouth]))
    tally.sharpness.append(face_sharpness(picture_SS3, mesh_N3) / face_sharpness(exact_SS3, mesh_N3))


def _psnr(one: Picture, other: Picture) -> float:
    error = float(((one.astype(np.float64) - other) ** 2).mean())
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def _row(subject: str, form: RepairForm, tally: Tally, *, exact: float) -> FormRow:
    median = float(np.median(tally.seconds))
    return FormRow(
        subject=subject,
        form=form.value,
        frames=len(tally.seconds),
        milliseconds=1e3 * median,
        times_faster=exact / median,
        worst_psnr=min(tally.psnr),
        worst_mouth_psnr=min(tally.mouth_psnr),
        least_sharpness=min(tally.sharpness),
        most_sharpness=max(tally.sharpness),
    )


def markdown(rows: Sequence[FormRow]) -> str:
    """The table."""
    columns = [
        "form of a subject",
        "frames",
        "ms",
        "times faster",
        "worst dB",
        "worst dB, mouth",
        "sharpness",
    ]
    lines = [
        [
            f"{row.form}, {row.subject}",
            str(row.frames),
            f"{row.milliseconds:.0f}",
            f"{row.times_faster:.2f}",
            f"{row.worst_psnr:.1f}",
            f"{row.worst_mouth_psnr:.1f}",
            f"{row.least_sharpness:.3f} to {row.most_sharpness:.3f}",
        ]
        for row in rows
    ]
    return markdown_table(columns, lines)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, default=Path("examples/hello.wav"))
    parser.add_argument("--subjects", nargs="+", default=list(builtin_subject_names()))
    parser.add_argument("--every", type=int, default=5, help="look at every n-th frame only")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    use_one_thread()
    cv2.setNumThreads(1)
    rows = [
        row
        for subject in options.subjects
        for row in measure(subject, speech=options.speech, every=options.every)
    ]
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    sys.stdout.write(markdown(rows) + "\n")


if __name__ == "__main__":
    main()
