"""Score the renderer on the held-out tail of its clips, driven by true landmarks.

`python -m stages.training.evaluate_renderer --work DIR [--sheet OUT.png]`
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import LIPS
from stages.metrics.pictures import PictureScores, score_frame
from stages.payloads import PosedFace
from stages.render.generator import Generator
from stages.render.renderer_stage import RendererStage
from stages.training.checkpoint import load_checkpoint
from stages.training.renderer_data import RendererClip
from stages.training.report import markdown_table
from stages.training.train_renderer import RendererTraining

Frame = NDArray[np.uint8]
Box = tuple[slice, slice]

_MOUTH_MARGIN = 10


def boxes(clip: RendererClip, frame: int) -> tuple[Box, Box]:
    """(rows, columns) of the face and of the mouth in a true frame."""
    points_N2 = clip.mesh_TN3[frame, :, :2] * (clip.size / CANVAS)
    return _box(points_N2, 0, clip.size), _box(
        points_N2[LIPS], _MOUTH_MARGIN * clip.size // CANVAS, clip.size
    )


def _box(points_N2: NDArray[np.floating], margin: int, size: int) -> Box:
    (left, top), (right, bottom) = points_N2.min(0) - margin, points_N2.max(0) + margin
    return slice(max(0, int(top)), min(size, int(bottom) + 1)), slice(
        max(0, int(left)), min(size, int(right) + 1)
    )


def evaluate(
    stage: RendererStage, clip: RendererClip, *, every: int = 1
) -> tuple[list[PictureScores], list[Frame]]:
    """Scores and rendered frames of the tail no training has seen."""
    frames = range(clip.trained_frames, len(clip.frames_THW3), every)
    scores, rendered = [], []
    for frame in frames:
        one = slice(frame, frame + 1)
        face = PosedFace(mesh_TN3=clip.mesh_TN3[one], torso_TN3=clip.torso_TN3[one])
        (picture_HW3,) = stage.render(face, first_frame=frame)
        face_box, mouth_box = boxes(clip, frame)
        scores.append(score_frame(picture_HW3, clip.frames_THW3[frame], face=face_box, mouth=mouth_box))
        rendered.append(picture_HW3)
    return scores, rendered


def contact_sheet(clip: RendererClip, rendered: list[Frame], *, every: int, columns: int = 6) -> Frame:
    """True frames above rendered ones, evenly picked."""
    picks = np.linspace(0, len(rendered) - 1, columns).astype(int)
    truth = [clip.frames_THW3[clip.trained_frames + int(pick) * every] for pick in picks]
    return np.vstack([np.hstack(truth), np.hstack([rendered[int(pick)] for pick in picks])])


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder with prepared tracks and the checkpoint"
    )
    parser.add_argument("--clips", default="actor_a")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th frame only")
    parser.add_argument(
        "--sheet", type=Path, help="write a contact sheet of the first clip, truth above ours"
    )
    options = parser.parse_args()
    state = load_checkpoint(options.work / "renderer" / "checkpoint.pt")
    if state is None:
        parser.error("no checkpoint of the renderer in this folder: run stages.training.train_renderer first")
    generator = Generator(RendererTraining().generator)
    generator.load_state_dict(state["average"])
    table = []
    for index, name in enumerate(options.clips.split(",")):
        clip = RendererClip(options.work / "tracks" / name, size=generator.config.size)
        stage = RendererStage(
            generator,
            reference_HW3=clip.frames_THW3[clip.reference_frame],
            trained_frames=clip.trained_frames,
            device=torch.device("cpu"),
        )
        scores, rendered = evaluate(stage, clip, every=options.every)
        means = {key: np.mean([asdict(score)[key] for score in scores]) for key in asdict(scores[0])}
        digits = {"psnr": 2, "ssim": 4, "mouth_psnr": 2, "sharpness": 2}
        table.append(
            [name, str(len(scores)), *(f"{means[key]:.{places}f}" for key, places in digits.items())]
        )
        if options.sheet is not None and index == 0:
            sheet_HW3 = contact_sheet(clip, rendered, every=options.every)
            cv2.imwrite(str(options.sheet), cv2.cvtColor(sheet_HW3, cv2.COLOR_RGB2BGR))
    sys.stdout.write(f"Held-out tails, true landmarks, {state['step']} steps\n\n")
    columns = ["clip", "frames", "PSNR dB", "SSIM", "mouth PSNR dB", "sharpness"]
    sys.stdout.write(markdown_table(columns, table) + "\n")


if __name__ == "__main__":
    main()
