"""Print how near a subject made from one photo comes to true frames, by how far the head has turned from the photo.

`python -m benchmarks.one_photo --clip FOLDER --donors FOLDER... [--frame N] [--every N] [--sheet FILE]`

The photo is a frame of a prepared clip, its reference where none is named; the rest of the clip is the truth, and its
true points drive the drawing. Beside each other: the photo as it is, the photo moved by itself, and the photo with the
mouth of one of the donors, packages with libraries. A bin holds the frames whose yaw and pitch are so many degrees from
the photo's, whichever is farther. The sheet shows truth and the three, a row for each bin.
Legend: S side of a picture (512 px), N mesh points, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import LIPS
from stages.metrics.pictures import PictureScores, score_frame
from stages.payloads import PosedFace
from stages.render.warped_stage import WarpedStage
from stages.subject.donor_mouths import Donor, choose_donor
from stages.subject.frames import clip_frames
from stages.subject.framing import Framing, resized
from stages.subject.package import SubjectPackage
from stages.subject.photo_preparation import library_of_photo
from stages.subject.photo_view import PhotoFaces, PhotoView
from stages.subject.tracks import ClipTracks
from stages.tables import markdown_table

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

BINS: Final = ((0.0, 5.0), (5.0, 10.0), (10.0, 90.0))
"""Degrees from the photo's pose; a render stays in the first two."""

_MOUTH_MARGIN_PX: Final = 22
_WAYS: Final = ("still photo", "without donor", "with donor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """True frames in the square of the photo.

    Attributes:
        frames_TSS3: of the clip, memory-mapped.
        mesh_TN3, torso_TN3: true points, px of the photo's square.
        turned_T: degrees from the photo's pose.
        framing: of the photo within the clip's pictures.
    """

    frames_TSS3: Picture
    mesh_TN3: Floats
    torso_TN3: Floats
    turned_T: Floats
    framing: Framing

    @classmethod
    def of(cls, folder: Path, *, photo: int, framing: Framing) -> Self:
        """Of a prepared clip."""
        tracks = ClipTracks.load(folder)
        corner_3 = np.array([framing.left, framing.top, 0], dtype=np.float32)
        scale = np.float32(CANVAS / framing.side)
        turned_T2 = np.abs(tracks.head_T7[:, :2] - tracks.head_T7[photo, :2])
        return cls(
            frames_TSS3=clip_frames(folder, size=CANVAS),
            mesh_TN3=(pose(tracks.canonical_TN3, tracks.head_T7) - corner_3) * scale,
            torso_TN3=(tracks.torso_TN3 - corner_3) * scale,
            turned_T=turned_T2.max(axis=1),
            framing=framing,
        )

    def picture(self, frame: int) -> Picture:
        """A true frame (S, S, 3)."""
        top, left, side = self.framing.top, self.framing.left, self.framing.side
        return resized(
            np.ascontiguousarray(self.frames_TSS3[frame, top : top + side, left : left + side]), CANVAS
        )

    def scores(self, frame: int, drawn_SS3: Picture) -> PictureScores:
        """A drawn frame against it."""
        points_N2 = self.mesh_TN3[frame, :, :2]
        face, mouth = box(points_N2), box(points_N2[LIPS], margin=_MOUTH_MARGIN_PX)
        return score_frame(drawn_SS3, self.picture(frame), face=face, mouth=mouth)


def box(points_N2: Floats, *, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns that hold points."""
    low_2 = np.clip(np.floor(points_N2.min(axis=0)).astype(int) - margin, 0, CANVAS - 1)
    high_2 = np.clip(np.ceil(points_N2.max(axis=0)).astype(int) + margin, low_2 + 1, CANVAS)
    return slice(int(low_2[1]), int(high_2[1])), slice(int(low_2[0]), int(high_2[0]))


def drawers(view: PhotoView, donors: Sequence[Donor]) -> tuple[str, list[WarpedStage]]:
    """The name of the donor that was chosen, and what draws without and with it."""
    donor = choose_donor(donors, face=view.face, picture_SS3=view.picture_SS3)
    stages = []
    for each in (None, donor):
        template, references = library_of_photo(view, each)
        stages.append(
            WarpedStage(None, library=references.opened(), template=template, device=torch.device("cpu"))
        )
    return "none" if donor is None else donor.name, stages


def measured(
    truth: Truth, stages: Sequence[WarpedStage], photo_SS3: Picture, *, every: int
) -> tuple[list[list[str]], list[Picture]]:
    """Rows of the table, and a row of the sheet for each bin that has frames."""
    rows, shown = [], []
    for low, high in BINS:
        frames = np.flatnonzero((truth.turned_T >= low) & (truth.turned_T < high))[::every]
        if not len(frames):
            continue
        # Each frame by itself: neighbours in a bin are no neighbours in time.
        drawn = [
            [photo_SS3, *(next(stage.render(_one(truth, int(frame)), first_frame=0)) for stage in stages)]
            for frame in frames
        ]
        for place, way in enumerate(_WAYS):
            scores = [
                truth.scores(int(frame), pictures[place])
                for frame, pictures in zip(frames, drawn, strict=True)
            ]
            means = [
                f"{np.mean([getattr(score, name) for score in scores]):.{digits}f}"
                for name, digits in (("psnr", 2), ("ssim", 4), ("mouth_psnr", 2), ("sharpness", 2))
            ]
            rows.append([f"{low:.0f} to {high:.0f}", way, str(len(frames)), *means])
        widest = int(np.argmax([np.ptp(truth.mesh_TN3[frame, [13, 14], 1]) for frame in frames]))
        shown.append(np.hstack([truth.picture(int(frames[widest])), *drawn[widest]]))
    return rows, shown


def _one(truth: Truth, frame: int) -> PosedFace:
    return PosedFace(mesh_TN3=truth.mesh_TN3[frame : frame + 1], torso_TN3=truth.torso_TN3[frame : frame + 1])


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, required=True, help="folder of a prepared clip")
    parser.add_argument("--donors", type=Path, nargs="*", default=[], help="packages that lend a mouth")
    parser.add_argument("--frame", type=int, help="frame that is the photo; default: the clip's reference")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th frame only")
    parser.add_argument("--sheet", type=Path, help="write pictures there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    chosen = (
        options.frame if options.frame is not None else ClipTracks.load(options.clip).facts.reference_frame
    )
    if chosen is None:
        parser.error("the clip names no reference: give --frame")
    photo_SS3 = np.array(clip_frames(options.clip, size=CANVAS)[chosen])
    faces = PhotoFaces.of(photo_SS3)
    framing = faces.framing(where=str(options.clip))
    view = PhotoView.of(photo_SS3, faces=faces, framing=framing)
    if view is None:
        parser.error(f"no face was found in frame {chosen}")
    donors = [Donor.of(SubjectPackage.load(folder)) for folder in options.donors]
    name, stages = drawers(view, donors)
    truth = Truth.of(options.clip, photo=chosen, framing=framing)
    rows, shown = measured(truth, stages, view.picture_SS3, every=options.every)
    sys.stdout.write(f"photo: frame {chosen}; donor: {name}\n\n")
    head = ["degrees from the photo", "drawn by", "frames", "PSNR", "SSIM", "mouth PSNR", "sharpness"]
    sys.stdout.write(markdown_table(head, rows) + "\n")
    if options.sheet is not None:
        sheet_HW3 = cv2.cvtColor(np.vstack(shown), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(options.sheet), sheet_HW3):
            parser.error(f"{options.sheet} cannot be written")


if __name__ == "__main__":
    main()
