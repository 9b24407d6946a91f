"""Print how near warped references come to frames that nothing was learnt from, driven by true landmarks.

`python -m benchmarks.warped_quality --clips FOLDER... [--weights NAME=FILE...] [--drawn NAME=FILE...] [--every N]`

The warp alone, networks that repair it (`--weights`), and the paper's renderer scaled up (`--drawn`), each on all
frames of the held-out ends at 512 px: PSNR, SSIM, PSNR of the mouth, sharpness as a share of the truth's, NIQE less the
truth's, differences of consecutive frames as a share of the truth's (background; forehead and cheeks brought into one
place), and the milliseconds of a frame. Names say what the reader should know of the weights, such as the minutes they
learnt.
Legend: S side of a picture (512 px), 3 = RGB.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.metrics.niqe import niqe
from stages.payloads import PosedFace
from stages.render.generator import Generator, channels_last
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_facts import EXPECTED, EXPECTED_WARPED
from stages.render.renderer_stage import RendererStage
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.tables import markdown_table
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import RendererClip
from stages.training.renderer_validation import as_frame, held_out_frames, score_clip_frame
from stages.training.warped_config import WarpedTraining
from stages.training.warped_data import WarpedClip, warped_batch
from stages.weights import build_network, load_weights
from stages.weights_header import read_sizes

Picture = NDArray[np.uint8]
Painter = Callable[[int], Picture]
"""The picture (S, S, 3) of a frame."""

_FOREHEAD: Final = (108, 151, 337, 336, 9, 107)
_CHEEKS: Final = ((50, 205, 187, 123, 117), (280, 425, 411, 352, 346))
_FAR_PX: Final = 15
"""Side of the brush by which a person is grown: what is beyond it is background in every frame."""

_STEADY: Final = 0.05
"""Levels per frame that no eye sees: a truth that is stiller counts as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRow:
    """Means of one way to draw one clip; see the module."""

    clip: str
    drawn_by: str
    frames: int
    psnr: float
    ssim: float
    mouth_psnr: float
    sharpness: float
    niqe_more: float
    background: float
    forehead: float
    cheeks: float
    milliseconds: float


class SteadyRegions:
    """Differences of consecutive frames of a clip, by region."""

    def __init__(self, clip: WarpedClip) -> None:
        self._clip = clip
        mesh_N3, self._points_P2 = clip.template_points()
        self._raster = clip.maker.control.raster(self._points_P2, depth_N=mesh_N3[:, 2])
        person_SS = clip.maker.library.layers_RSS4[..., 3].max(axis=0)
        away_SS = cv2.dilate(person_SS, np.ones((_FAR_PX, _FAR_PX), np.uint8)) < 20
        self._regions = {
            "background": away_SS,
            "forehead": _inside(mesh_N3, _FOREHEAD),
            "cheeks": np.logical_or(*(_inside(mesh_N3, ring) for ring in _CHEEKS)),
        }

    def differences(self, frames: Sequence[int], pictures: Sequence[Picture]) -> dict[str, float]:
        """Mean levels by which consecutive frames differ; NaN for a region that the clip has not."""
        in_place = [self._in_place(*pair) for pair in zip(frames, pictures, strict=True)]
        found = {}
        for name, region_SS in self._regions.items():
            these = pictures if name == "background" else in_place
            steps = [
                np.abs(these[k][region_SS].astype(np.int16) - these[k + 1][region_SS]).mean()
                for k in range(len(frames) - 1)
                if frames[k + 1] == frames[k] + 1 and region_SS.any()
            ]
            found[name] = float(np.mean(steps)) if steps else float("nan")
        return found

    def _in_place(self, frame: int, picture_SS3: Picture) -> Picture:
        field = self._raster.field_from(self._clip.points(frame))
        return field.move(picture_SS3, interpolation=cv2.INTER_LINEAR)


def _inside(mesh_N3: NDArray[np.float32], ring: Sequence[int]) -> NDArray[np.bool_]:
    region_SS = np.zeros((CANVAS, CANVAS), np.uint8)
    cv2.fillPoly(region_SS, [np.round(mesh_N3[list(ring), :2]).astype(np.int32)], 1)
    return region_SS > 0


def warped_by(clip: WarpedClip) -> Painter:
    """The better candidate as it is."""
    return lambda frame: clip.candidates(frame).head_SS3


def repaired_by(weights: Path, clip: WarpedClip) -> Painter:
    """A network that repairs, as a render on a CPU has it."""
    network = build_network(weights, RepairConfig, RepairNetwork)
    load_weights(weights, network, expected=EXPECTED_WARPED)
    network = channels_last(network.eval().requires_grad_(False))

    def painted(frame: int) -> Picture:
        batch = warped_batch([(clip, frame)], crop=CANVAS)
        with torch.inference_mode():
            return as_frame(network(*batch.inputs))

    return painted


def drawn_by(weights: Path, folder: Path) -> Painter:
    """The paper's renderer, scaled up to the canvas."""
    sizes = read_sizes(weights, GeneratorConfig)
    clip, generator = RendererClip(folder, config=RendererTraining(generator=sizes)), Generator(sizes)
    load_weights(weights, generator, expected=EXPECTED)
    stage = RendererStage(
        generator,
        reference_HW3=np.array(clip.frames_THW3[clip.reference_frame]),
        trained_frames=clip.trained_frames,
        device=torch.device("cpu"),
    )

    def painted(frame: int) -> Picture:
        one = slice(frame, frame + 1)
        face = PosedFace(mesh_TN3=clip.mesh_TN3[one], torso_TN3=clip.torso_TN3[one])
        (picture_HW3,) = stage.render(face, first_frame=frame)
        larger_SS3 = cv2.resize(picture_HW3, (CANVAS, CANVAS), interpolation=cv2.INTER_CUBIC)
        return np.asarray(larger_SS3, dtype=np.uint8)

    return painted


def mean_niqe(pictures: Sequence[Picture]) -> float:
    """Over the pictures that have one; NaN where all are flat."""
    values = np.array([niqe(each) for each in pictures])
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def quality_rows(clip: WarpedClip, painters: dict[str, Painter], *, every: int) -> list[QualityRow]:
    """One row for each way to draw the clip."""
    frames, regions = held_out_frames(clip.drawn)[::every], SteadyRegions(clip)
    truth = [np.asarray(clip.drawn.frames_THW3[frame]) for frame in frames]
    true_niqe, true_steps = mean_niqe(truth), regions.differences(frames, truth)
    rows = []
    for name, painted in painters.items():
        spent, pictures = [], []
        for frame in frames:
            begun = time.thread_time()
            pictures.append(painted(frame))
            spent.append(time.thread_time() - begun)
        scores = [asdict(score_clip_frame(clip.drawn, *pair)) for pair in zip(frames, pictures, strict=True)]
        steps = regions.differences(frames, pictures)
        rows.append(
            QualityRow(
                clip=clip.drawn.speaker,
                drawn_by=name,
                frames=len(frames),
                niqe_more=mean_niqe(pictures) - true_niqe,
                milliseconds=float(1e3 * np.median(spent)),
                **{figure: float(np.mean([score[figure] for score in scores])) for figure in scores[0]},
                **{region: steps[region] / max(true_steps[region], _STEADY) for region in steps},
            )
        )
    return rows


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of prepared clips")
    parser.add_argument("--weights", nargs="*", default=[], metavar="NAME=FILE", help="networks that repair")
    parser.add_argument("--drawn", nargs="*", default=[], metavar="NAME=FILE", help="the paper's renderers")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th frame only")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows: list[QualityRow] = []
    for folder in options.clips:
        clip = WarpedClip(folder, config=WarpedTraining())
        painters = {"warp alone": warped_by(clip)}
        for given, kind in ((options.weights, "weights"), (options.drawn, "drawn")):
            for argument in given:
                name, _, path = argument.partition("=")
                painters[name] = (
                    repaired_by(Path(path), clip) if kind == "weights" else drawn_by(Path(path), folder)
                )
        rows += quality_rows(clip, painters, every=options.every)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    digits = {"psnr": 2, "mouth_psnr": 2, "ssim": 4, "milliseconds": 0, "frames": 0}
    columns = [field.name for field in fields(QualityRow)]
    table = [
        [row.clip, row.drawn_by, *(f"{getattr(row, name):.{digits.get(name, 2)}f}" for name in columns[2:])]
        for row in rows
    ]
    sys.stdout.write(markdown_table([name.replace("_", " ") for name in columns], table) + "\n")


if __name__ == "__main__":
    main()
