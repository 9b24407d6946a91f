"""Motion on speech that no training heard: `python -m stages.training.evaluate_motion --work DIR --moda FILE ...`.

Two tables, of speakers never seen and of the held-out ends of the training clips: every network beside itself on
another clip's speech, a face that keeps still at its mean, and the truth. The ends are only fair to weights whose
training left them out.

Legend: T frames, D speech feature width.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from stages.builtin import builtin_weights
from stages.faco.composer_stage import ComposerStage
from stages.moda.network import Moda, ModaConfig
from stages.moda.smoothing import smooth_motion
from stages.payloads import MOTION_CHANNELS, Motion
from stages.speech.loading import load_encoder
from stages.training.calibrate_motion import calibration_clips
from stages.training.motion_data import MotionClip, load_motion_clips
from stages.training.motion_prediction import predict_take
from stages.training.motion_scores import Diversity, MotionScores, average_scores, score, score_diversity
from stages.training.report import markdown_table
from stages.weights import load_weights, read_header, read_sizes

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]

_COLUMNS: Final = {
    "lmd": "LMD px",
    "lmd_v": "LMD-v px",
    "mouth_area": "MA inner",
    "outer_mouth_area": "MA outer",
    "opening": "opening corr.",
    "mouth_amplitude": "mouth ampl.",
    "head_amplitude": "head ampl.",
    "head_speed": "head speed",
}
_DIVERSE: Final = {"face": "Diverse", "lips": "lips", "eyes": "eyes", "head": "head"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table; without `diversity`, it was not measured."""

    name: str
    scores: MotionScores
    diversity: Diversity | None = None

    def cells(self) -> list[str]:
        """The line's cells, the name first."""
        drawn = asdict(self.diversity) if self.diversity is not None else {}
        return [
            self.name,
            *(f"{asdict(self.scores)[name]:.3f}" for name in _COLUMNS),
            *(f"{drawn[name]:.3f}" if drawn else "-" for name in _DIVERSE),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows over the same clips."""

    title: str
    speakers: tuple[str, ...]
    rows: tuple[Row, ...]

    def markdown(self) -> str:
        """The table with its title, for the terminal and for documents alike."""
        columns = ["motion", *_COLUMNS.values(), *_DIVERSE.values()]
        table = markdown_table(columns, [row.cells() for row in self.rows])
        return f"{self.title}: {', '.join(self.speakers)}\n\n{table}\n"


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
) -> list[Row]:
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
        Row(
            name=contestant.name,
            scores=_scores(clips, [motions[0] for motions in drawn]),
            diversity=Diversity(
                **{name: float(np.mean([asdict(each)[name] for each in apart])) for name in _DIVERSE}
            ),
        ),
        Row(
            name=f"{contestant.name}, shuffled speech",
            scores=_scores(clips, shuffled),
        ),
    ]


def reference_rows(clips: Sequence[MotionClip]) -> list[Row]:
    """The lines of a still face and of the truth."""
    still = [
        Motion.from_rows(np.zeros((clip.frame_count, MOTION_CHANNELS), dtype=np.float32)) for clip in clips
    ]
    truth = [Motion.from_rows(np.ascontiguousarray(clip.rows_TC)) for clip in clips]
    return [
        Row(name="mean face", scores=_scores(clips, still)),
        Row(name="truth", scores=_scores(clips, truth, smoothed=False)),
    ]


def _scores(clips: Sequence[MotionClip], motions: Sequence[Motion], *, smoothed: bool = True) -> MotionScores:
    pairs = zip(clips, motions, strict=True)
    return average_scores([score(clip, motion, smoothed=smoothed) for clip, motion in pairs])


def _diversity(clip: MotionClip, takes: Sequence[Motion], composer: ComposerStage) -> Diversity:
    faces = [composer.compose_on(clip.template, take, lead=0, frame_count=take.frame_count) for take in takes]
    return score_diversity(clip.template, [smooth_motion(take) for take in takes], faces)


def evaluate(
    contestants: Sequence[Contestant], composer: ComposerStage, *, work: Path, takes: int
) -> list[Table]:
    """Both tables, over the clips of the corpus that lie prepared in `work`."""
    tables = []
    for title, held_out in (("Speakers never seen", True), ("Speakers seen, held-out ends of clips", False)):
        rows: list[Row] = []
        clips: list[MotionClip] = []
        for contestant in contestants:
            clips = load_motion_clips(work, contestant.encoder, held_out=held_out)
            if not held_out:
                clips = calibration_clips(clips)
            rows += rows_of(contestant, clips, composer, takes=takes)
        rows += reference_rows(clips)
        speakers = tuple(clip.speaker for clip in clips)
        tables.append(Table(title=title, speakers=speakers, rows=tuple(rows)))
    return tables


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder with prepared tracks")
    parser.add_argument(
        "--moda", type=Path, action="append", help="weights of MODA, given several times to compare"
    )
    parser.add_argument("--faco", type=Path, default=builtin_weights("faco"), help="weights of FaCo-Net")
    parser.add_argument("--takes", type=int, default=10, help="takes that Diverse is taken over")
    parser.add_argument("--json", action="store_true", help="write JSON instead of tables")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    contestants = [Contestant(path) for path in options.moda or [builtin_weights("moda")]]
    composer = ComposerStage.load(weights=options.faco, device="cpu")
    tables = evaluate(contestants, composer, work=options.work, takes=options.takes)
    if options.json:
        sys.stdout.write(json.dumps([asdict(table) for table in tables], indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(table.markdown() for table in tables))


if __name__ == "__main__":
    main()
