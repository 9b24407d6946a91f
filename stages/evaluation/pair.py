"""A generated video against the true one: every measure, from the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stages.errors import WeightsError
from stages.evaluation.assembly import Seen, assemble
from stages.evaluation.face_comparison import compare_faces
from stages.evaluation.figures import Evaluation
from stages.evaluation.first_look import FirstLook, check_same_face_size, first_look, same_shape
from stages.evaluation.options import EvaluationOptions, Part, Progress
from stages.evaluation.picture_pass import compare_pictures
from stages.evaluation.same_person import FaceEmbedder
from stages.evaluation.side_by_side import PassRunner
from stages.evaluation.sync import SyncJudges, no_sync
from stages.evaluation.take_diversity import TakeDiversity, diversity_of
from stages.evaluation.watch import WatchPlan, watch


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesEvaluation:
    """Takes of the same speech against one true video, and how far they are apart; None for a single take."""

    takes: tuple[Evaluation, ...]
    diversity: TakeDiversity | None


def evaluate_pair(
    generated: Path,
    truth: Path,
    *,
    speech: Path | None = None,
    options: EvaluationOptions | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a generated video on the frames that it and the true one have in common.

    Args:
        generated: any system's video.
        truth: the true one, of the same speech from the same moment on.
        speech: the sound to judge sync by; each video's own where it is not given.
        options: what to measure, and how.
        progress: told how far each step is.

    Raises:
        SubjectError: a video cannot be read (``clip_not_found``, ``clip_not_media``, ``clip_no_picture``), or there
            is no face in it (``clip_no_face``), never one in both at once (``clip_no_common_face``), several people
            (``clip_several_faces``), one on their head (``clip_upside_down``), or of another size (``clip_face_size``).
        SpeechError: the speech cannot be read.
        WeightsError: a model file is not installed, or altered.
    """
    judged = evaluate_takes([generated], truth, speech=speech, options=options, progress=progress)
    return judged.takes[0]


def evaluate_takes(
    generated: Sequence[Path],
    truth: Path,
    *,
    speech: Path | None = None,
    options: EvaluationOptions | None = None,
    progress: Progress | None = None,
) -> TakesEvaluation:
    """Judge several takes of one speech, each as `evaluate_pair` does, on the frames that all have in common.

    Raises what `evaluate_pair` raises.
    """
    options = options or EvaluationOptions()
    # First, so that what cannot be used is told before the videos are watched.
    judges = SyncJudges(speech=speech, syncnet=options.syncnet) if Part.SYNC in options.parts else None
    runner = PassRunner(workers=options.workers, progress=progress)
    names = [*_take_names(len(generated)), "truth"]
    looks = runner.run(
        [
            partial(first_look, path, tick=runner.counter(f"{name}: look", total=0))
            for name, path in zip(names, (*generated, truth), strict=True)
        ]
    )
    for look in looks[:-1]:
        check_same_face_size(look, looks[-1])
    embedder, missing = _embedder(options)
    frames = min(look.frames for look in looks)
    watched = runner.run(
        [
            partial(
                watch,
                look,
                _plan(look, looks[-1], options, frames=frames, embedder=embedder),
                tick=runner.counter(f"{name}: faces", total=frames),
            )
            for name, look in zip(names, looks, strict=True)
        ]
    )
    *takes, true = watched
    sounds = [no_sync() if judges is None else judges.judge(each) for each in watched]
    evaluations = []
    for name, take, sound in zip(names, takes, sounds, strict=False):
        faces = compare_faces(take, true)
        pictures = None
        if Part.PICTURES in options.parts and same_shape(take.look.facts, true.look.facts):
            tick = runner.counter(f"{name}: pictures", total=frames)
            pictures = compare_pictures(take, true, runner=runner, tick=tick, blocks=options.workers)
        evaluations.append(
            assemble(
                Seen(watched=take, sync=sound),
                Seen(watched=true, sync=sounds[-1]),
                faces,
                pictures,
                speech=speech,
                missing=missing,
            )
        )
    return TakesEvaluation(
        takes=tuple(evaluations), diversity=diversity_of(takes) if len(takes) > 1 else None
    )


def _take_names(count: int) -> list[str]:
    return ["generated"] if count == 1 else [f"take {take}" for take in range(1, count + 1)]


def _plan(
    look: FirstLook,
    truth: FirstLook,
    options: EvaluationOptions,
    *,
    frames: int,
    embedder: FaceEmbedder | None,
) -> WatchPlan:
    """At the truth's size; a picture of another shape at its own."""
    size = truth.facts if same_shape(look.facts, truth.facts) else look.facts
    return WatchPlan(
        frames=frames,
        width=size.width,
        height=size.height,
        niqe_every=options.sample_every if Part.NIQE in options.parts else 0,
        embedder=embedder,
    )


def _embedder(options: EvaluationOptions) -> tuple[FaceEmbedder | None, list[str]]:
    """The network of the identity, or why there is none."""
    if Part.IDENTITY not in options.parts:
        return None, []
    try:
        return FaceEmbedder(), []
    except WeightsError as error:
        if error.code != "weights_asset_missing":
            raise
        return None, [f"identity was not measured: {error.where} is not installed ({error.hint})"]
