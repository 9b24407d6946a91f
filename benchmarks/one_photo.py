"""Print how near a subject made from one photo comes to true frames, by how far the head has turned from the photo.

`python -m benchmarks.one_photo --clip FOLDER --donors FOLDER... [--frame N] [--every N] [--sheet FILE]`

The photo is a frame of a prepared clip, its reference where none is named; the rest of the clip is the truth, and its
true points drive the drawing. Beside each other: the photo as it is, the photo moved by itself, and the photo with the
mouth of one of the donors, packages with libraries. A bin holds the frames whose yaw and pitch are so many degrees from
the photo's, whichever is farther. LMD is the distance in px of the lips that are found in a drawn face from those found
in the true one, both in canonical space. Identity is the cosine of FaceNet's vectors of drawn faces to the mean of all
true ones, and beside it what share it is of the bin's true faces' own; without FaceNet both are left out. The sheet
shows truth and the three, a row for each bin.
Legend: S side of a picture (512 px), N mesh points, K frames, E width of an embedding, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stages.errors import WeightsError
from stages.evaluation.same_person import FaceEmbedder, likeness
from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import LIPS
from stages.inspection.detector import FaceDetector
from stages.metrics.landmarks import landmark_distance
from stages.metrics.pictures import PictureScores, score_frame
from stages.payloads import PosedFace
from stages.render.warped_stage import WarpedStage
from stages.subject.donor import Donor, choose_donor
from stages.subject.frames import clip_frames
from stages.subject.framing import Framing, resized
from stages.subject.package import SubjectPackage
from stages.subject.photo_preparation import library_of_photo
from stages.subject.photo_view import PhotoFaces, PhotoView
from stages.subject.prepare import canonicalised
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


@dataclass(slots=True, kw_only=True)
class Measured:
    """What was measured on the frames of one bin, drawn in one way.

    Attributes:
        scores: against the true pictures.
        lip_px: distances of lips, of frames in which a face was found.
        faces: embeddings of the drawn faces.
    """

    scores: list[PictureScores] = field(default_factory=list)
    lip_px: list[float] = field(default_factory=list)
    faces: list[Floats] = field(default_factory=list)

    def cells(self, *, truth_KE: Floats, bin_KE: Floats) -> list[str]:
        """Means as text; the embeddings of all true faces and of those of the bin, or none."""
        means = [
            f"{np.mean([getattr(score, name) for score in self.scores]):.{digits}f}"
            for name, digits in (("psnr", 2), ("ssim", 4), ("mouth_psnr", 2), ("sharpness", 2))
        ]
        means.append(f"{np.mean(self.lip_px):.2f}" if self.lip_px else "-")
        if not (self.faces and len(bin_KE)):
            return [*means, "-", "-"]
        alike, own = likeness(np.stack(self.faces), truth_KE), likeness(bin_KE, truth_KE)
        return [*means, f"{alike:.3f}", f"{alike / own:.1%}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Finds faces anew in pictures, and tells whose they are where FaceNet is installed."""

    detector: FaceDetector
    embedder: FaceEmbedder | None

    def face(self, picture_SS3: Picture) -> tuple[Floats, Floats | None] | None:
        """Canonical lips (K, 2) and the embedding (E,) of the face that is found; None where none is."""
        mesh_N3 = self.detector.find(picture_SS3)
        if mesh_N3 is None:
            return None
        canonical_1N3, _ = canonicalised(mesh_N3[None])
        embedding = None if self.embedder is None else self.embedder.embed(picture_SS3, box(mesh_N3[:, :2]))
        return canonical_1N3[0, LIPS, :2], embedding


def measured(
    truth: Truth, stages: Sequence[WarpedStage], photo_SS3: Picture, *, every: int, watcher: Watcher
) -> tuple[list[list[str]], list[Picture]]:
    """Rows of the table, and a row of the sheet for each bin that has frames."""
    bins, shown = [], []
    for low, high in BINS:
        frames = np.flatnonzero((truth.turned_T >= low) & (truth.turned_T < high))[::every]
        if not len(frames):
            continue
        ways, own = [Measured() for _ in _WAYS], list[Floats]()
        widest, widest_row = -1.0, None
        for frame in map(int, frames):
            true_SS3 = truth.picture(frame)
            # Each frame by itself: neighbours in a bin are no neighbours in time.
            drawn = [photo_SS3, *(next(stage.render(_one(truth, frame), first_frame=0)) for stage in stages)]
            seen = watcher.face(true_SS3)
            if seen is not None and seen[1] is not None:
                own.append(seen[1])
            for way, drawn_SS3 in zip(ways, drawn, strict=True):
                way.scores.append(truth.scores(frame, drawn_SS3))
                found = watcher.face(drawn_SS3)
                if seen is None or found is None:
                    continue
                way.lip_px.append(landmark_distance(found[0], seen[0]))
                way.faces += [] if found[1] is None else [found[1]]
            opening = float(np.ptp(truth.mesh_TN3[frame, [13, 14], 1]))
            if opening > widest:
                widest, widest_row = opening, np.hstack([true_SS3, *drawn])
        assert widest_row is not None
        shown.append(widest_row)
        bins.append((f"{low:.0f} to {high:.0f}", len(frames), ways, own))
    every_KE = np.array([face for *_, own in bins for face in own])
    rows = [
        [degrees, name, str(count), *way.cells(truth_KE=every_KE, bin_KE=np.array(own))]
        for degrees, count, ways, own in bins
        for name, way in zip(_WAYS, ways, strict=True)
    ]
    return rows, shown


def _one(truth: Truth, frame: int) -> PosedFace:
    return PosedFace(mesh_TN3=truth.mesh_TN3[frame : frame + 1], torso_TN3=truth.torso_TN3[frame : frame + 1])


def _embedder() -> FaceEmbedder | None:
    try:
        return FaceEmbedder()
    except WeightsError as error:
        if error.code != "weights_asset_missing":
            raise
        sys.stderr.write(f"identity is not measured: {error}\n")
        return None


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
    with FaceDetector() as detector:
        watcher = Watcher(detector=detector, embedder=_embedder())
        rows, shown = measured(truth, stages, view.picture_SS3, every=options.every, watcher=watcher)
    sys.stdout.write(f"photo: frame {chosen}; donor: {name}\n\n")
    figures = ["PSNR", "SSIM", "mouth PSNR", "sharpness", "LMD", "identity", "of the truth's own"]
    head = ["degrees from the photo", "drawn by", "frames", *figures]
    sys.stdout.write(markdown_table(head, rows) + "\n")
    if options.sheet is not None:
        sheet_HW3 = cv2.cvtColor(np.vstack(shown), cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(options.sheet), sheet_HW3):
            parser.error(f"{options.sheet} cannot be written")


if __name__ == "__main__":
    main()
