"""A generated video against its reference: every measure, from two files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from stages.errors import WeightsError
from stages.evaluation.face_comparison import FaceComparison, compare_faces, face_trace
from stages.evaluation.figures import Evaluation, PairFigures, SyncFigures, VideoFigures
from stages.evaluation.first_look import FirstLook, first_look, same_shape
from stages.evaluation.identity import FaceEmbedder, likeness
from stages.evaluation.options import EvaluationOptions, Part, Progress
from stages.evaluation.picture_pass import PictureTraces, compare_pictures, mean_decibels
from stages.evaluation.side_by_side import Crew
from stages.evaluation.sync import SyncPair, judge_pair
from stages.evaluation.traces import Traces
from stages.evaluation.watch import Watched, WatchPlan, watch
from stages.metrics.blinking import blinking
from stages.metrics.head_motion import head_motion
from stages.payloads import FRAMES_PER_SECOND

_FEW_FRAMES: Final = 3
"""Lengths that differ by more are worth a warning: encoders add or drop a frame or two."""


def evaluate_pair(
    generated: Path,
    reference: Path,
    *,
    speech: Path | None = None,
    options: EvaluationOptions | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a generated video on the frames that it and its reference have in common.

    Args:
        generated: any system's video.
        reference: the true one, of the same speech from the same moment on.
        speech: the sound to judge sync by; each video's own where it is not given.
        options: what to measure, and how.
        progress: told how far each step is.

    Raises:
        SubjectError: a video cannot be read (``clip.not-found``, ``clip.not-media``, ``clip.no-picture``), or there
            is no face in it (``clip.no-face``), or never in both at once (``clip.no-common-face``).
        SpeechError: the speech cannot be read.
        WeightsError: a model file is not installed, or altered.
    """
    options = options or EvaluationOptions()
    crew = Crew(workers=options.workers, progress=progress)
    looks = crew.run(
        [
            partial(first_look, path, tick=crew.counter(f"look at {name}", total=0))
            for name, path in (("generated", generated), ("reference", reference))
        ]
    )
    notes = _length_notes(*looks)
    embedder, missing = _embedder(options)
    watched = crew.run(
        [
            partial(watch, look, plan, tick=crew.counter(name, total=plan.frames))
            for name, look, plan in zip(
                ("generated", "reference"), looks, _plans(looks, options, embedder), strict=True
            )
        ]
    )
    ours, truth = watched
    faces = compare_faces(ours, truth)
    pictures = None
    if Part.PICTURES in options.parts and same_shape(ours.look.facts, truth.look.facts):
        pictures = compare_pictures(ours, truth, crew=crew, blocks=options.workers)
    sync = SyncPair(generated=None, reference=None, notes=())
    if Part.SYNC in options.parts:
        sync = judge_pair(ours, truth, speech=speech)
    return Evaluation(
        generated=_video_figures(ours, truth, sync.generated),
        reference=_video_figures(truth, truth, sync.reference),
        pair=_pair_figures(ours, truth, faces, pictures),
        speech=None if speech is None else str(speech),
        notes=(*notes, *_picture_notes(*looks), *missing, *sync.notes),
        traces=_traces(ours, truth, faces, pictures),
    )


def _plans(
    looks: list[FirstLook], options: EvaluationOptions, embedder: FaceEmbedder | None
) -> list[WatchPlan]:
    """Both at the reference's size; a picture of another shape at its own."""
    frames = min(look.frames for look in looks)
    truth = looks[1].facts
    sizes = [truth if same_shape(look.facts, truth) else look.facts for look in looks]
    return [
        WatchPlan(
            frames=frames,
            width=size.width,
            height=size.height,
            niqe_every=options.sample_every if Part.NIQE in options.parts else 0,
            embedder=embedder,
        )
        for size in sizes
    ]


def _embedder(options: EvaluationOptions) -> tuple[FaceEmbedder | None, list[str]]:
    """The network of the identity, or why there is none."""
    if Part.IDENTITY not in options.parts:
        return None, []
    try:
        return FaceEmbedder(), []
    except WeightsError as error:
        if error.code != "weights.asset-missing":
            raise
        return None, [f"identity was not measured: {error.where} is not installed ({error.hint})"]


def _length_notes(ours: FirstLook, truth: FirstLook) -> list[str]:
    difference = ours.frames - truth.frames
    if difference == 0:
        return []
    warning = "warning: " if abs(difference) > _FEW_FRAMES else ""
    longer = "generated" if difference > 0 else "reference"
    seconds = abs(difference) / FRAMES_PER_SECOND
    common = min(ours.frames, truth.frames)
    return [
        f"{warning}the {longer} video is {seconds:.2f} s longer: the {common} frames from the start were compared"
    ]


def _picture_notes(ours: FirstLook, truth: FirstLook) -> list[str]:
    theirs, true = (f"{look.facts.width} x {look.facts.height}" for look in (ours, truth))
    if theirs == true:
        return []
    if same_shape(ours.facts, truth.facts):
        return [f"the generated picture ({theirs} px) was measured at the reference's size, {true} px"]
    left_out = (
        "they were not compared (PSNR, SSIM, TCM); NIQE, sharpness and flicker are each at their own size"
    )
    return [f"warning: the pictures differ in shape ({theirs} and {true} px): {left_out}"]


def _video_figures(watched: Watched, truth: Watched, sync: SyncFigures | None) -> VideoFigures:
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
        sharpness_share=None if pictures is None else float(pictures.sharpness_T.mean()),
        flicker_share=flicker / true_flicker if comparable and flicker is not None and true_flicker else None,
    )


def _traces(ours: Watched, truth: Watched, faces: FaceComparison, pictures: PictureTraces | None) -> Traces:
    unmeasured_T = np.full(len(truth.found_T), np.nan)
    return Traces(
        generated=face_trace(ours),
        reference=face_trace(truth),
        lip_error_T=faces.lip_error_T,
        psnr_T=unmeasured_T if pictures is None else pictures.psnr_T,
        ssim_T=unmeasured_T if pictures is None else pictures.ssim_T,
    )
