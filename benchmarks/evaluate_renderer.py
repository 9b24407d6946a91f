"""Score a renderer on the held-out end of its clips, driven by true landmarks.

`python -m benchmarks.evaluate_renderer --weights FILE --clips FOLDER... [--every N] [--sheet OUT.png]`
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch

from stages.metrics.pictures import PictureScores
from stages.payloads import FRAMES_PER_SECOND, PosedFace
from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_stage import Frame, RendererStage
from stages.tables import markdown_table
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import RendererClip
from stages.training.renderer_validation import held_out_frames, score_clip_frame, sheet
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

_DIGITS: Final = {"psnr": 2, "ssim": 4, "mouth_psnr": 2, "sharpness": 2}
_COLUMNS: Final = ["clip", "frames", "PSNR dB", "SSIM", "mouth PSNR dB", "sharpness"]


def evaluate(
    stage: RendererStage, clip: RendererClip, *, every: int = 1
) -> tuple[list[PictureScores], Frame]:
    """Scores of every n-th frame that no training saw, and a contact sheet, truth above ours."""
    scores, rendered, truth = [], [], []
    for frame in held_out_frames(clip)[::every]:
        one = slice(frame, frame + 1)
        face = PosedFace(mesh_TN3=clip.mesh_TN3[one], torso_TN3=clip.torso_TN3[one])
        (picture_HW3,) = stage.render(face, first_frame=frame)
        scores.append(score_clip_frame(clip, frame, picture_HW3))
        rendered.append(picture_HW3)
        truth.append(np.asarray(clip.frames_THW3[frame]))
    return scores, sheet(truth, rendered)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="the renderer's weights")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of prepared clips")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th frame only")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet, truth above ours")
    options = parser.parse_args()
    header, sizes = read_header(options.weights), read_sizes(options.weights, GeneratorConfig)
    composed = header.facts.get("composed_face", True) is not False
    config = RendererTraining(generator=sizes, composed_face=composed)
    table, sheets = [], []
    for folder in options.clips:
        clip = RendererClip(folder, config=config)
        generator = Generator(sizes)
        load_weights(
            options.weights, generator, expected={"architecture": "renderer", "fps": FRAMES_PER_SECOND}
        )
        stage = RendererStage(
            generator,
            reference_HW3=np.array(clip.frames_THW3[clip.reference_frame]),
            trained_frames=clip.trained_frames,
            device=torch.device("cpu"),
        )
        scores, sheet_HW3 = evaluate(stage, clip, every=options.every)
        means = {name: np.mean([asdict(score)[name] for score in scores]) for name in _DIGITS}
        figures = [f"{means[name]:.{digits}f}" for name, digits in _DIGITS.items()]
        table.append([clip.speaker, str(len(scores)), *figures])
        sheets.append(sheet_HW3)
    if options.sheet is not None:
        cv2.imwrite(str(options.sheet), cv2.cvtColor(np.vstack(sheets), cv2.COLOR_RGB2BGR))
    sys.stdout.write(f"Held-out ends, true landmarks, {header.facts.get('steps')} steps\n\n")
    sys.stdout.write(markdown_table(_COLUMNS, table) + "\n")


if __name__ == "__main__":
    main()
