"""Distil what Whisper hears of lips into the compact speech encoder, restartable.

    python -m recipes.encoder.distil --data DATA --speech FOLDER... --directions FILE --work WORK --steps N

DATA is the corpus's folder of clips, whose held-out speakers are kept for validation; the folders of --speech hold any
other recordings; FILE is by `recipes.encoder.lip_subspace`. WORK receives `encoder.safetensors`, checkpoints and the
curve.
"""

from __future__ import annotations

import argparse
import csv
import logging
import time
from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from recipes.encoder.distil_data import SpeechPool, Variety, read_corpus, read_folder
from recipes.encoder.distil_teacher import Teacher, TeacherFacts, measure_teacher, mel_batch
from recipes.encoder.encoder_trainer import Distillation, EncoderTrainer
from recipes.encoder.lip_subspace import LipTeacher
from recipes.encoder.whisper_start import start_from_whisper
from stages.threads import use_one_thread
from stages.training.checkpoint import checkpoint_bytes, checkpoint_state
from stages.whole_files import written_whole

logger = logging.getLogger(__name__)

_MEASURED_WINDOWS: Final = 96
"""Windows from which the teacher's statistics are taken: their mean leaves 1 % of the variance in the place."""

_START_WINDOWS: Final = 8
"""Windows in which the effect of places on Whisper's attention is measured."""


def distil(trainer: EncoderTrainer, *, work: Path, save_every: int = 100, log_every: int = 20) -> None:
    """Train to the planned step, saving and validating on the way; goes on from the folder's checkpoint."""
    checkpoint, curve = work / "checkpoint.safetensors", work / "curve.csv"
    if checkpoint.is_file():
        trainer.restore(checkpoint_state(checkpoint.read_bytes(), where=str(checkpoint)))
    sums: dict[str, float] = {}
    start = time.monotonic()
    while trainer.step < trainer.steps:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value / log_every
        if trainer.step % log_every == 0:
            _record(curve, trainer.step, sums)
            logger.info(
                "step %d  %.2f s  %s", trainer.step, (time.monotonic() - start) / log_every, _text(sums)
            )
            sums, start = {}, time.monotonic()
        if trainer.step % save_every == 0 or trainer.step == trainer.steps:
            losses = trainer.validate().losses
            _record(curve, trainer.step, losses)
            logger.info("step %d  held out  %s", trainer.step, _text(losses))
            _write(checkpoint, checkpoint_bytes(trainer.state()))
            trainer.export(work / "encoder.safetensors")


def prepare_teacher(pool: SpeechPool, whisper: LipTeacher, *, work: Path, config: Distillation) -> Teacher:
    """What Whisper hears of lips, with its statistics on this speech, measured once a work folder."""
    kept = work / "teacher.safetensors"
    if kept.is_file():
        return Teacher(whisper, TeacherFacts(**checkpoint_state(kept.read_bytes(), where=str(kept))))
    # A sequence of its own, that no training step draws from.
    random = np.random.default_rng([config.seed, _MEASURED_WINDOWS])
    windows = [pool.window(random, frames=config.frames) for _ in range(_MEASURED_WINDOWS)]
    facts = measure_teacher(whisper, windows)
    _write(kept, checkpoint_bytes(facts.state()))
    return Teacher(whisper, facts)


def _some_speech(pool: SpeechPool, config: Distillation) -> list[Tensor]:
    """Log-mel spectra of a few windows, from a sequence that nothing else draws from."""
    random = np.random.default_rng([config.seed, _START_WINDOWS])
    return [mel_batch([pool.window(random, frames=config.frames)]) for _ in range(_START_WINDOWS)]


def _record(curve: Path, step: int, values: dict[str, float]) -> None:
    with curve.open("a", newline="") as file:
        csv.writer(file).writerows((step, name, f"{value:.6f}") for name, value in values.items())


def _text(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


def _write(path: Path, data: bytes) -> None:
    with written_whole(path) as partial:
        partial.write_bytes(data)


def main() -> None:
    """Command line of the module."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus's clips")
    parser.add_argument("--speech", type=Path, nargs="*", default=[], help="folders of more recordings")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is written")
    parser.add_argument("--steps", type=int, required=True, help="optimiser steps")
    parser.add_argument("--directions", type=Path, required=True, help="what of Whisper's rows tells lips")
    options = parser.parse_args()
    use_one_thread()
    options.work.mkdir(parents=True, exist_ok=True)
    config = Distillation(steps=options.steps)
    natural, held_out = read_corpus(options.data)
    synthetic = [read_folder(folder) for folder in options.speech]
    # Natural speech is what rendering hears: with any other, it is half of what is drawn.
    pool = SpeechPool(
        [natural, *synthetic], shares=[max(1.0, len(synthetic)), *(1.0 for _ in synthetic)], variety=Variety()
    )
    logger.info("%.0f minutes of speech", pool.seconds / 60)
    whisper = LipTeacher.load(options.directions)
    trainer = EncoderTrainer(
        config,
        pool,
        held_out,
        teacher=prepare_teacher(pool, whisper, work=options.work, config=config),
        start=lambda network: start_from_whisper(network, whisper.whisper, _some_speech(pool, config)),
    )
    distil(trainer, work=options.work)


if __name__ == "__main__":
    main()
