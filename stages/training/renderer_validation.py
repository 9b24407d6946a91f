"""How a renderer does on the end of its clips that no training saw, driven by true landmarks.

Legend: B batch, T frames, C channels, H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import LIPS
from stages.metrics.pictures import PictureScores, score_frame
from stages.render.generator import Generator
from stages.training.renderer_data import Batch, RendererClip, collate
from stages.training.trainer import Validation
from stages.video.unfit import fit_frames

Frame = NDArray[np.uint8]
Box = tuple[slice, slice]

FRAMES_A_CLIP: Final = 12
"""Frames of each clip's end that a validation looks at, evenly spaced."""

_SHEET_COLUMNS: Final = 6
_MOUTH_MARGIN: Final = 10


def validate_renderer(
    generator: Generator,
    clips: Mapping[str, RendererClip],
    *,
    reconstruction: Callable[[Tensor, Batch], float],
) -> Validation:
    """Scores over a sample of held-out frames; `reconstruction` is the weighted loss that is minimised."""
    device = next(generator.parameters()).device
    losses: list[float] = []
    scores: list[PictureScores] = []
    rows: list[Frame] = []
    for clip in clips.values():
        truth, rendered = [], []
        for frame in held_out_frames(clip, count=FRAMES_A_CLIP):
            batch = collate([(clip, frame, clip.reference_frame)], crop=clip.face_crop).to(device)
            with torch.inference_mode():
                picture_BCHW = generator(batch.condition_BCHW, batch.reference_BCHW, batch.frames_B).float()
                losses.append(reconstruction(picture_BCHW, batch))
            rendered.append(as_frame(picture_BCHW))
            truth.append(np.asarray(clip.frames_THW3[frame]))
            scores.append(score_clip_frame(clip, frame, rendered[-1]))
        rows.append(sheet(truth, rendered))
    means = {name: float(np.mean([asdict(score)[name] for score in scores])) for name in asdict(scores[0])}
    loss = float(np.mean(losses))
    by_clip = np.array([score.psnr for score in scores]).reshape(len(clips), -1).mean(axis=1)
    means |= {f"psnr {name}": float(value) for name, value in zip(clips, by_clip, strict=True)}
    return Validation(losses={"loss": loss, **means}, score=loss, sheet_HW3=np.vstack(rows))


def held_out_frames(clip: RendererClip, *, count: int | None = None) -> list[int]:
    """Frames of a clip's end that no training sees; `count` of them evenly spaced, or all."""
    held_out = range(clip.trained_frames, clip.frame_count)
    # A clip whose end is unfit throughout is judged by it all the same.
    frames = fit_frames(clip.unfit, start=held_out.start, stop=held_out.stop) or list(held_out)
    if count is None:
        return frames
    return [frames[int(pick)] for pick in np.linspace(0, len(frames) - 1, count)]


def as_frame(picture_1CHW: Tensor) -> Frame:
    """One picture (1, 3, H, W) in [-1, 1] as (H, W, 3) uint8 RGB."""
    levels_CHW = ((picture_1CHW[0] + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels_CHW.permute(1, 2, 0).cpu().numpy())


def score_clip_frame(clip: RendererClip, frame: int, rendered_HW3: Frame) -> PictureScores:
    """A rendered frame against the clip's own."""
    points_N2 = clip.mesh_TN3[frame, :, :2] * (clip.size / CANVAS)
    face = _box(points_N2, 0, clip.size)
    mouth = _box(points_N2[LIPS], _MOUTH_MARGIN * clip.size // CANVAS, clip.size)
    return score_frame(rendered_HW3, np.asarray(clip.frames_THW3[frame]), face=face, mouth=mouth)


def sheet(truth: list[Frame], rendered: list[Frame], *, columns: int = _SHEET_COLUMNS) -> Frame:
    """True frames above rendered ones, evenly picked."""
    picks = np.linspace(0, len(rendered) - 1, columns).astype(int)
    return np.vstack([np.hstack([frames[int(pick)] for pick in picks]) for frames in (truth, rendered)])


def _box(points_N2: NDArray[np.floating], margin: int, size: int) -> Box:
    (left, top), (right, bottom) = points_N2.min(0) - margin, points_N2.max(0) + margin
    return slice(max(0, int(top)), min(size, int(bottom) + 1)), slice(
        max(0, int(left)), min(size, int(right) + 1)
    )
