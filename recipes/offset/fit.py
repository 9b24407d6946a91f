"""Fit the judge of the sound's offset, and measure the lags of its clips anew.

`python -m recipes.offset.fit --data DIR --cache DIR --lags FILE --out FILE`

No lag is known in parts of a frame before. Round by round, networks that have not seen the performer find the lag of
every clip, and the next round learns from these; a clip whose lag is not clear keeps the listed one and teaches
nothing. Held-out clips are measured alike and never teach.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Final

from recipes.corpus import corpus_clips
from recipes.offset.data import HeardClip, load_heard, performer_folds
from recipes.offset.training import Lags, OffsetTraining, find_offset, train_predictor
from stages.payloads import FRAMES_PER_SECOND
from stages.subject.audio_offset import AudioOffset
from stages.subject.lip_predictor import ARCHITECTURE, LipPredictor
from stages.threads import use_one_thread
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

logger = logging.getLogger(__name__)

_FOLDS: Final = 3
_ROUND_STEPS: Final = (250, 600)
"""Steps of the networks of each round."""

Offsets = Mapping[str, AudioOffset]


def measure_round(clips: Sequence[HeardClip], lags: Lags, training: OffsetTraining) -> dict[str, AudioOffset]:
    """Offsets of all clips, each found by a network that has not seen its performer; lags are of those that teach."""
    found: dict[str, AudioOffset] = {}
    for fold in performer_folds(clips, _FOLDS):
        taught = [clip for clip in clips if clip.entry.path in lags and clip.performer not in fold]
        network = train_predictor(taught, lags, training)
        found |= {clip.entry.path: find_offset(network, clip) for clip in clips if clip.performer in fold}
    beside = beside_zero(clips, found)
    return {path: replace(offset, lag=offset.lag - beside) for path, offset in found.items()}


def beside_zero(clips: Sequence[HeardClip], found: Offsets) -> float:
    """Median by which clear studio clips were found to lag more than is listed."""
    return median(
        found[clip.entry.path].lag - clip.entry.lag
        for clip in clips
        if clip.is_studio and found[clip.entry.path].is_clear
    )


def teaching_lags(clips: Sequence[HeardClip], found: Offsets) -> dict[str, float]:
    """Lags of the clips that may teach and are clear."""
    return {
        clip.entry.path: found[clip.entry.path].lag
        for clip in clips
        if not clip.entry.held_out and found[clip.entry.path].is_clear
    }


def set_zero(network: LipPredictor, clips: Sequence[HeardClip], lags: Lags) -> None:
    """Make what the network finds on the clips that taught it their lags, in the median."""
    network.zero.fill_(
        median(
            find_offset(network, clip).lag - lags[clip.entry.path]
            for clip in clips
            if clip.entry.path in lags
        )
    )


def publish_predictor(
    path: Path, network: LipPredictor, clips: Sequence[HeardClip], lags: Lags, training: OffsetTraining
) -> None:
    """Write a network with what it was fitted on."""
    digest = hashlib.sha256()
    taught = [clip for clip in clips if clip.entry.path in lags]
    for clip in taught:
        digest.update(clip.seen_T3.tobytes() + clip.speech_S.tobytes())
    header = WeightsHeader(
        architecture=ARCHITECTURE,
        sizes=asdict(training.network),
        encoder="",
        fps=FRAMES_PER_SECOND,
        training_data=digest.hexdigest(),
        facts={
            "clips": " ".join(clip.entry.path for clip in taught),
            "frames": sum(len(clip.seen_T3) for clip in taught),
            "steps": training.steps,
            "seed": training.seed,
        },
    )
    save_weights(path, network, header)


def _lag_lines(clips: Sequence[HeardClip], found: Offsets) -> str:
    rows = ["path\tlisted\tfound\tagreement\tmargin\tclear"]
    for clip in clips:
        offset = found[clip.entry.path]
        rows.append(
            f"{clip.entry.path}\t{clip.entry.lag:g}\t{offset.lag:.2f}\t{offset.correlation:.3f}\t{offset.margin:.3f}"
            f"\t{'yes' if offset.is_clear else 'no'}"
        )
    return "\n".join(rows) + "\n"


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--cache", type=Path, required=True, help="where tracked lips are kept")
    parser.add_argument("--lags", type=Path, required=True, help="where the lags found go, a line a clip")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    use_one_thread()
    clips = load_heard(corpus_clips(), data=options.data, cache=options.cache)
    training = OffsetTraining()
    lags = {clip.entry.path: clip.entry.lag for clip in clips if not clip.entry.held_out}
    for steps in _ROUND_STEPS:
        found = measure_round(clips, lags, replace(training, steps=steps))
        lags = teaching_lags(clips, found)
        options.lags.write_text(_lag_lines(clips, found))
        logger.info(
            "%d steps: %d of %d clear, agreement %.3f in the median",
            steps,
            sum(offset.is_clear for offset in found.values()),
            len(found),
            median(offset.correlation for offset in found.values()),
        )
    network = train_predictor([clip for clip in clips if clip.entry.path in lags], lags, training)
    set_zero(network, clips, lags)
    logger.info("zero lies at %.3f frames", float(network.zero[0]))
    publish_predictor(options.out, network, clips, lags, training)


if __name__ == "__main__":
    main()
