"""Networks from their weights files, held against clips that they were not trained on.

Legend: T frames, D speech feature width.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.faco.composer_stage import ComposerStage
from stages.moda.network import Moda, ModaConfig
from stages.moda.smoothing import smooth_motion
from stages.payloads import MOTION_CHANNELS, Motion
from stages.speech.loading import load_encoder
from stages.training.motion_data import MotionClip
from stages.training.motion_prediction import predict_take
from stages.training.motion_scores import Diversity, MotionScores, average_scores, score, score_diversity
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestantRow:
    """What a name scored; without `diversity`, it was not measured."""

    name: str
    scores: MotionScores
    diversity: Diversity | None = None


class Contestant:
    """A MODA network from a weights file, with what it needs to be judged."""

    def __init__(self, path: Path) -> None:
        """Raises WeightsError when the file or its speech encoder is missing, or of another kind."""
        header = read_header(path)
        self.encoder = load_encoder(header.encoder, device=torch.device("cpu"))
        self.network = Moda(read_sizes(path, ModaConfig)).eval().requires_grad_(False)
        load_weights(path, self.network, expected={"architecture": "moda", "encoder": self.encoder.name})
        config = self.network.config
        kind = config.mode if config.attention == "dual" else config.attention
        self.name = f"{path.parent.name}/{path.stem} ({kind})"

    def take(self, clip: MotionClip, features_TD: Floats, *, take: int = 1) -> Motion:
        """Unsmoothed motion for a clip's template."""
        return predict_take(self.network, features_TD, clip.template, take=take)


def rows_of(
    contestant: Contestant, clips: Sequence[MotionClip], composer: ComposerStage, *, takes: int
) -> list[ContestantRow]:
    """A network's own line and that of another clip's speech."""
    logger.info("%s on %d clips, %d takes each", contestant.name, len(clips), takes)
    drawn = [
        [contestant.take(clip, clip.features_TD, take=take) for take in range(1, takes + 1)] for clip in clips
    ]
    apart = [_diversity(clip, motions, composer) for clip, motions in zip(clips, drawn, strict=True)]
    others = [*clips[1:], *clips[:1]]
    shuffled = [
        contestant.take(clip, np.resize(other.features_TD, clip.features_TD.shape))
        for clip, other in zip(clips, others, strict=True)
    ]
    return [
        ContestantRow(
            name=contestant.name,
            scores=_scores(clips, [motions[0] for motions in drawn]),
            diversity=_average_diversity(apart),
        ),
        ContestantRow(
            name=f"{contestant.name}, shuffled speech",
            scores=_scores(clips, shuffled),
        ),
    ]


def scores_of(contestant: Contestant, clips: Sequence[MotionClip]) -> MotionScores:
    """The scores of a network's first takes, over clips."""
    return _scores(clips, [contestant.take(clip, clip.features_TD) for clip in clips])


def reference_rows(clips: Sequence[MotionClip]) -> list[ContestantRow]:
    """The lines of a still face and of the truth."""
    still = [
        Motion.from_rows(np.zeros((clip.frame_count, MOTION_CHANNELS), dtype=np.float32)) for clip in clips
    ]
    truth = [Motion.from_rows(np.ascontiguousarray(clip.rows_TC)) for clip in clips]
    return [
        ContestantRow(name="mean face", scores=_scores(clips, still)),
        ContestantRow(name="truth", scores=_scores(clips, truth, smoothed=False)),
    ]


def _scores(clips: Sequence[MotionClip], motions: Sequence[Motion], *, smoothed: bool = True) -> MotionScores:
    pairs = zip(clips, motions, strict=True)
    return average_scores([score(clip, motion, smoothed=smoothed) for clip, motion in pairs])


def _average_diversity(apart: Sequence[Diversity]) -> Diversity:
    columns = {name: [asdict(each)[name] for each in apart] for name in asdict(apart[0])}
    return Diversity(**{name: float(np.mean(values)) for name, values in columns.items()})


def _diversity(clip: MotionClip, takes: Sequence[Motion], composer: ComposerStage) -> Diversity:
    faces = [composer.compose_on(clip.template, take, lead=0, frame_count=take.frame_count) for take in takes]
    return score_diversity(clip.template, [smooth_motion(take) for take in takes], faces)
