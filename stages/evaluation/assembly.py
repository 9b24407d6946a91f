"""From what was seen in two videos to the figures and notes of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from stages.evaluation.face_comparison import FaceComparison, face_trace
from stages.evaluation.figures import Evaluation, PairFigures, SyncFigures, VideoFigures
from stages.evaluation.first_look import FirstLook, same_shape
from stages.evaluation.picture_pass import PictureTraces, mean_decibels
from stages.evaluation.same_person import likeness
from stages.evaluation.sync import SyncJudgement
from stages.evaluation.traces import Traces
from stages.evaluation.watch import Watched
from stages.metrics.blinking import blinking
from stages.metrics.head_motion import head_motion
from stages.payloads import FRAMES_PER_SECOND

_FEW_FRAMES: Final = 3
"""Lengths that differ by more are worth a warning: encoders add or drop a frame or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that was seen and heard of one video."""

    watched: Watched
    sync: SyncJudgement


def assemble(
    ours: Seen,
    truth: Seen,
    faces: FaceComparison,
    pictures: PictureTraces | None,
    *,
    speech: Path | None,
    missing: Sequence[str],
) -> Evaluation:
    """Put an evaluation together.

    Args:
        ours: the generated video.
        truth: the true one.
        faces: landmarks of one against the other.
        pictures: the same of pictures, where they were compared.
        speech: the sound that sync was judged by.
        missing: why something was not measured on either.
    """
    generated, true = ours.watched, truth.watched
    looks, common = (generated.look, true.look), len(true.found_T)
    return Evaluation(
        generated=_video_figures(generated, true, ours.sync.figures),
        truth=_video_figures(true, true, truth.sync.figures),
        pair=_pair_figures(generated, true, faces, pictures),
        speech=None if speech is None else str(speech),
        notes=(
            *_length_notes(*looks, common=common),
            *_picture_notes(*looks),
            *(f"generated: {sentence}" for sentence in generated.look.told),
            *(f"truth: {sentence}" for sentence in true.look.told),
            *missing,
            *(f"generated: {note}" for note in ours.sync.notes),
            *(f"truth: {note}" for note in truth.sync.notes),
        ),
        traces=_traces(generated, true, faces, pictures),
    )


def _length_notes(ours: FirstLook, truth: FirstLook, *, common: int) -> list[str]:
    """Of `common` frames that were compared, fewer than both have where another take is shorter still."""
    difference = ours.frames - truth.frames
    left_out = min(ours.frames, truth.frames) - common
    if left_out:
        warning = "warning: " if left_out > _FEW_FRAMES else ""
        return [f"{warning}another take is shorter: the {common} frames that all have were compared"]
    if difference == 0:
        return []
    warning = "warning: " if abs(difference) > _FEW_FRAMES else ""
    longer = "generated" if difference > 0 else "true"
    seconds = abs(difference) / FRAMES_PER_SECOND
    return [
        f"{warning}the {longer} video is {seconds:.2f} s longer: the {common} frames from the start were compared"
    ]


def _picture_notes(ours: FirstLook, truth: FirstLook) -> list[str]:
    theirs, true = (f"{look.facts.width} x {look.facts.height}" for look in (ours, truth))
    if theirs == true:
        return []
    if same_shape(ours.facts, truth.facts):
        return [f"the generated picture ({theirs} px) was measured at the truth's size, {true} px"]
    left_out = (
        "they were not compared (PSNR, SSIM, TCM); NIQE, sharpness and flicker are each at their own size"
    )
    return [f"warning: the pictures differ in shape ({theirs} and {true} px): {left_out}"]


def _video_figures(watched: Watched, truth: Watched, sync: SyncFigures | None) -> VideoFigures:
    """A video alone; its identity beside `truth`, which may be itself."""
    facts = watched.look.facts
    identity = None
    if watched.embeddings_ME is not None and truth.embeddings_ME is not None:
        identity = likeness(watched.embeddings_ME, truth.embeddings_ME)
    lids_T = face_trace(watched).eyes_T[watched.found_T]
    return VideoFigures(
        file=str(watched.look.path),
        width=facts.width,
        height=facts.height,
        fps=round(float(facts.fps), 3),
        frames=watched.look.frames,
        face_share=float(watched.found_T.mean()),
        niqe=watched.niqe,
        sharpness=watched.sharpness,
        flicker=watched.steadiness.flicker,
        frozen_share=watched.steadiness.frozen_share,
        black_share=watched.steadiness.black_share,
        identity=identity,
        sync=sync,
        head=head_motion(watched.head_T7[:, :3], watched.found_T),
        blinks=blinking(lids_T),
    )


def _pair_figures(
    ours: Watched, truth: Watched, faces: FaceComparison, pictures: PictureTraces | None
) -> PairFigures:
    flicker, true_flicker = ours.steadiness.flicker, truth.steadiness.flicker
    comparable = same_shape(ours.look.facts, truth.look.facts)
    terms_T = np.array([]) if pictures is None else pictures.consistency_T[~np.isnan(pictures.consistency_T)]
    return PairFigures(
        frames=len(truth.found_T),
        face_frames=faces.face_frames,
        lmd=faces.lmd,
        lmd_v=faces.lmd_v,
        ma=faces.ma,
        ma_outer=faces.ma_outer,
        opening_correlation=faces.opening_correlation,
        psnr=None if pictures is None else mean_decibels(pictures.psnr_T),
        mouth_psnr=None if pictures is None else mean_decibels(pictures.mouth_psnr_T),
        ssim=None if pictures is None else float(pictures.ssim_T.mean()),
        tcm=float(terms_T.mean()) if len(terms_T) else None,
        sharpness_share=None if pictures is None else float(pictures.sharpness_T[truth.found_T].mean()),
        flicker_share=flicker / true_flicker if comparable and flicker is not None and true_flicker else None,
    )


def _traces(ours: Watched, truth: Watched, faces: FaceComparison, pictures: PictureTraces | None) -> Traces:
    unmeasured_T = np.full(len(truth.found_T), np.nan)
    return Traces(
        generated=face_trace(ours),
        truth=face_trace(truth),
        lip_error_T=faces.lip_error_T,
        psnr_T=unmeasured_T if pictures is None else pictures.psnr_T,
        ssim_T=unmeasured_T if pictures is None else pictures.ssim_T,
    )
