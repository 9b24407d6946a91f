"""The figures of the paper's ablations (Tables 3, 4 and 5) for one set of weights.

Legend: T frames, H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from stages.builtin import builtin_weights
from stages.faco.composer_stage import ComposerStage
from stages.metrics.niqe import niqe
from stages.metrics.temporal import TemporalConsistency
from stages.payloads import PosedFace
from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_stage import Frame, RendererStage
from stages.training.motion_data import motion_clip
from stages.training.motion_judging import Contestant, ContestantRow, reference_rows, rows_of
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import RendererClip
from stages.training.renderer_validation import held_out_frames, score_clip_frame
from stages.weights import load_weights
from stages.weights_header import read_sizes

_NIQE_EVERY = 5

Progress = Callable[[int, int], None]
"""Called with frames done and frames in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionFigures:
    """Table 3: means over clips.

    Attributes:
        lmd, lmd_v: distance of lip points and of their steps, canonical px.
        diverse: variance of the posed face over takes, px^2; None where there is only one take, the truth.
        opening: correlation of the inner-lip opening with the truth's.
    """

    lmd_v: float
    lmd: float
    diverse: float | None
    opening: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFigures:
    """Tables 4 and 5: means over the frames that no training saw, driven by true landmarks.

    Attributes:
        ssim, psnr, sharpness: see `stages.metrics.pictures.PictureScores`.
        niqe: of every fifth frame.
        tcm: MODA eq. 16.
    """

    ssim: float
    psnr: float
    niqe: float
    tcm: float
    sharpness: float


def motion_figures(weights: Path, clips: Sequence[Path], *, takes: int) -> MotionFigures:
    """Judge MODA on prepared clips.

    Raises:
        SubjectError: a folder holds no prepared clip.
        WeightsError: the weights cannot be read, or their speech encoder is missing.
    """
    contestant = Contestant(weights)
    composer = ComposerStage.load(weights=builtin_weights("faco"), device="cpu")
    judged = [motion_clip(folder, contestant.encoder) for folder in clips]
    own, _shuffled = rows_of(contestant, judged, composer, takes=takes)
    return _figures(own)


def true_motion_figures(clips: Sequence[Path]) -> MotionFigures:
    """The truth held against itself."""
    _still, truth = reference_rows([motion_clip(folder, None) for folder in clips])
    return _figures(truth)


def _figures(row: ContestantRow) -> MotionFigures:
    return MotionFigures(
        lmd_v=row.scores.lmd_v,
        lmd=row.scores.lmd,
        diverse=None if row.diversity is None else row.diversity.face,
        opening=row.scores.opening,
    )


def picture_figures(
    weights: Path, folder: Path, *, composed_face: bool, progress: Progress
) -> PictureFigures:
    """Judge a renderer on the end of a prepared clip.

    Args:
        weights: of the renderer.
        folder: of the clip, whose first part it was trained on.
        composed_face: whether it draws from whole faces, or from lips and eyes pasted into the template.
        progress: called frame by frame.
    """
    generator = Generator(read_sizes(weights, GeneratorConfig))
    load_weights(weights, generator, expected={"architecture": "renderer"})
    config = replace(RendererTraining.preset("cpu"), generator=generator.config, composed_face=composed_face)
    clip = RendererClip(folder, config=config)
    stage = RendererStage(
        generator,
        reference_HW3=np.array(clip.frames_THW3[clip.reference_frame]),
        trained_frames=clip.trained_frames,
        device=torch.device("cpu"),
    )
    return _judge(clip, _rendered(stage, clip), progress=progress)


def true_picture_figures(folder: Path, *, progress: Progress) -> PictureFigures:
    """The true frames held against themselves."""
    clip = RendererClip(folder, config=RendererTraining.preset("cpu"))
    truth = (np.asarray(clip.frames_THW3[frame]) for frame in held_out_frames(clip))
    return _judge(clip, truth, progress=progress)


def _rendered(stage: RendererStage, clip: RendererClip) -> Iterator[Frame]:
    for frame in held_out_frames(clip):
        one = slice(frame, frame + 1)
        face = PosedFace(mesh_TN3=clip.mesh_TN3[one], torso_TN3=clip.torso_TN3[one])
        yield from stage.render(face, first_frame=frame)


def _judge(clip: RendererClip, pictures: Iterator[Frame], *, progress: Progress) -> PictureFigures:
    frames = held_out_frames(clip)
    consistency = TemporalConsistency()
    scores, naturalness = [], []
    for count, (frame, picture_HW3) in enumerate(zip(frames, pictures, strict=True)):
        scores.append(score_clip_frame(clip, frame, picture_HW3))
        consistency.add(picture_HW3, np.asarray(clip.frames_THW3[frame]))
        if count % _NIQE_EVERY == 0:
            naturalness.append(niqe(picture_HW3))
        progress(count + 1, len(frames))
    return PictureFigures(
        ssim=float(np.mean([score.ssim for score in scores])),
        psnr=float(np.mean([score.psnr for score in scores])),
        niqe=float(np.mean(naturalness)),
        tcm=consistency.mean(),
        sharpness=float(np.mean([score.sharpness for score in scores])),
    )
