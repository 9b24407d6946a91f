"""From a request in plain values to a stage's trainer with its data loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeVar

import torch

from stages.builtin import builtin_weights
from stages.errors import SubjectError, WeightsError
from stages.render.renderer_facts import Architecture
from stages.speech.loading import load_encoder
from stages.training.composer_trainer import ComposerTrainer, ComposerTraining
from stages.training.motion_config import MotionTraining
from stages.training.motion_data import motion_clip
from stages.training.motion_trainer import MotionTrainer
from stages.training.renderer_config import Losses, Preset, RendererTraining
from stages.training.renderer_data import RendererClip
from stages.training.renderer_trainer import RendererTrainer
from stages.training.sound_variety import sounds_without_speech
from stages.training.trainer import Trainer, Workers
from stages.training.warped_config import WarpedTraining
from stages.training.warped_data import WarpedClip
from stages.training.warped_trainer import WarpedTrainer
from stages.weights_header import read_header, read_sizes

Stage = Literal["moda", "faco", "renderer"]
Attention = Literal["dual", "specific", "probabilistic", "lstm"]
Posterior = Literal["paper", "cvae"]
RendererKind = Literal["warped", "paper"]
Clip = TypeVar("Clip")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What to train, on what, and how; None leaves a value to the preset.

    Attributes:
        stage, preset, losses: which network and recipe.
        clips: folders of prepared clips to learn from.
        held_out: folders of prepared clips for validation alone (moda, faco).
        start_from: weights to go on from.
        attention, posterior, encoder: MODA's branches, what its posterior sees, the speech encoder's name.
        temporal_encoding, composed_face: the inputs of the paper's renderer.
        renderer: a network that repairs warped references, or the paper's; None: see `_renderer_kind`.
    """

    stage: Stage
    clips: tuple[Path, ...]
    held_out: tuple[Path, ...] = ()
    preset: Preset = "cpu"
    losses: Losses = "preset"
    start_from: Path | None = None
    seed: int = 0
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    attention: Attention | None = None
    posterior: Posterior | None = None
    encoder: str | None = None
    temporal_encoding: bool = True
    composed_face: bool = True
    renderer: RendererKind | None = None


def build_trainer(request: TrainingRequest, *, workers: Workers, device: str) -> Trainer:
    """The trainer of a stage, at its first step.

    Raises:
        SubjectError: a folder holds no prepared clip, clips are too short, or two of a renderer's are of one subject.
        WeightsError: `start_from` does not fit, or a model file of others is missing.
    """
    build = {"moda": _motion, "faco": _composer, "renderer": _renderer}[request.stage]
    return build(request, workers, device)


def _renderer_kind(request: TrainingRequest) -> RendererKind:
    """The one that is asked for, by name or by what only the paper's has; else that of the weights to start from.

    Raises WeightsError (``weights_mismatch``) where these are of the other one.
    """
    has_papers_choices = (
        not (request.temporal_encoding and request.composed_face) or request.losses != "preset"
    )
    asked = request.renderer or ("paper" if request.preset == "paper" or has_papers_choices else None)
    if request.start_from is None:
        return asked or "warped"
    held = _KINDS.get(read_header(request.start_from).architecture)
    if asked is not None and held is not None and asked != held:
        raise WeightsError(
            code="weights_mismatch",
            where=str(request.start_from),
            what=f"these are weights of the renderer {held}, and {asked} is to be trained",
            hint=f"set spec.renderer: {held}, or leave start_from out",
        )
    # Weights of no renderer at all are refused where they are loaded.
    return asked or held or "warped"


_KINDS: Final[Mapping[str, RendererKind]] = {Architecture.WARPED: "warped", Architecture.DRAWN: "paper"}


def _renderer(request: TrainingRequest, workers: Workers, device: str) -> Trainer:
    if _renderer_kind(request) == "warped":
        return _warped(request, workers, device)
    config = RendererTraining.preset(request.preset, losses=request.losses)
    generator = config.generator
    if request.start_from is not None:
        generator = read_sizes(request.start_from, type(generator))
    generator = replace(generator, temporal_encoding=request.temporal_encoding)
    config = replace(
        config,
        seed=request.seed,
        steps=request.steps or config.steps,
        epochs=None if request.steps else config.epochs,
        batch_size=request.batch_size or config.batch_size,
        learning_rate=request.learning_rate or config.learning_rate,
        composed_face=request.composed_face,
        generator=generator,
        discriminator=replace(config.discriminator, temporal_encoding=request.temporal_encoding),
    )
    clips = [RendererClip(folder, config=config) for folder in request.clips]
    by_speaker = _by_speaker({clip.speaker: clip for clip in clips}, [clip.speaker for clip in clips])
    return RendererTrainer(config, by_speaker, workers=workers, device=device, start_from=request.start_from)


def _warped(request: TrainingRequest, workers: Workers, device: str) -> Trainer:
    config = WarpedTraining()
    network = config.network
    if request.start_from is not None:
        network = read_sizes(request.start_from, type(network))
    config = replace(
        config,
        seed=request.seed,
        steps=request.steps or config.steps,
        batch_size=request.batch_size or config.batch_size,
        learning_rate=request.learning_rate or config.learning_rate,
        network=network,
    )
    clips = [WarpedClip(folder, config=config) for folder in request.clips]
    speakers = [clip.drawn.speaker for clip in clips]
    by_speaker = _by_speaker(dict(zip(speakers, clips, strict=True)), speakers)
    return WarpedTrainer(config, by_speaker, workers=workers, device=device, start_from=request.start_from)


def _by_speaker(by_speaker: dict[str, Clip], speakers: list[str]) -> dict[str, Clip]:
    """The clips by who speaks in them.

    Raises SubjectError (``clip_same_subject``) where somebody speaks in two.
    """
    if len(by_speaker) < len(speakers):
        raise SubjectError(
            code="clip_same_subject",
            where=next(name for name in speakers if speakers.count(name) > 1),
            what="two of the clips are of this subject, and a renderer learns one clip of each",
            hint="leave one out, or join the recordings before they are prepared",
        )
    return by_speaker


def _motion(request: TrainingRequest, workers: Workers, device: str) -> Trainer:
    name = request.encoder or read_header(builtin_weights("moda")).encoder
    encoder = load_encoder(name, device=torch.device(device))
    config = MotionTraining.preset(request.preset, speech_width=encoder.width, losses=request.losses)
    network = config.network
    if request.start_from is not None:
        network = read_sizes(request.start_from, type(network))
    network = replace(
        network, attention=request.attention or network.attention, mode=request.posterior or network.mode
    )
    config = replace(
        config,
        seed=request.seed,
        steps=request.steps or config.steps,
        epochs=None if request.steps else config.epochs,
        frames_a_batch=request.batch_size * max(config.lengths)
        if request.batch_size
        else config.frames_a_batch,
        learning_rate=request.learning_rate or config.learning_rate,
        network=network,
    )
    return MotionTrainer(
        config,
        [motion_clip(folder, encoder, voices=config.voices) for folder in request.clips],
        [motion_clip(folder, encoder) for folder in request.held_out],
        encoder=encoder.name,
        workers=workers,
        device=device,
        start_from=request.start_from,
        sounds=sounds_without_speech(encoder) if config.rests else (),
    )


def _composer(request: TrainingRequest, workers: Workers, device: str) -> Trainer:
    config = ComposerTraining.preset(request.preset, losses=request.losses)
    config = replace(
        config,
        seed=request.seed,
        steps=request.steps or config.steps,
        epochs=None if request.steps else config.epochs,
        batch_size=request.batch_size or config.batch_size,
        learning_rate=request.learning_rate or config.learning_rate,
    )
    return ComposerTrainer(
        config,
        [motion_clip(folder, None) for folder in request.clips],
        [motion_clip(folder, None) for folder in request.held_out],
        workers=workers,
        device=device,
        start_from=request.start_from,
    )
