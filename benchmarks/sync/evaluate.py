"""How far the judge of lip-sync may be trusted: `python -m benchmarks.sync.evaluate --clips DIR... [--folds N] ...`.

Prints Markdown: what the judge says of true, shifted and false pairs of speakers it never saw and of those it
learned from, and what it says of MODA's motion.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from benchmarks.sync.moda_motion import Spoken, score_moda
from benchmarks.sync.trials import SHIFTS, Summary, Trial, summarise, try_clip
from recipes.corpus import performer_of
from recipes.sync.data import SyncClip, folds, load_clips
from recipes.sync.training import SyncTraining, train_judge
from stages.builtin import builtin_subject, builtin_subject_names, builtin_weights
from stages.speech.encoder import SpeechEncoder
from stages.speech.loading import load_encoder
from stages.subject.package import SubjectPackage
from stages.sync.inputs import ENCODER
from stages.sync.score import load_judge
from stages.tables import markdown_table
from stages.threads import use_one_thread

logger = logging.getLogger(__name__)

_COLUMNS: Final = (
    "judged",
    "clips",
    "offset 0",
    "within 1",
    "shifts within 1",
    "confidence",
    "distance",
    "false confidence",
    "AUC, strangers",
    "AUC, same speaker",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table and what it was pooled from."""

    name: str
    trials: tuple[Trial, ...]

    def cells(self) -> list[str]:
        """The line's cells."""
        summary: Summary = summarise(self.trials)
        shares = (summary.equal, summary.within_one, summary.shifts_within_one)
        means = (summary.confidence, summary.distance, summary.false_confidence)
        areas = (summary.auc_strangers, summary.auc_same_speaker)
        return [
            self.name,
            str(summary.clips),
            *(f"{100 * share:.0f} %" for share in shares),
            *(f"{value:.2f}" for value in means),
            *(f"{area:.3f}" for area in areas),
        ]


def cross_validated(
    clips: Sequence[SyncClip],
    training: SyncTraining,
    *,
    count: int,
    pool: Sequence[SyncClip],
    encoder: SpeechEncoder,
) -> Row:
    """Every clip judged by a network trained without its speaker and performer; `pool` lends false sound."""
    trials: list[Trial] = []
    for group in folds(clips, count):
        logger.info("training without %s", ", ".join(sorted(group)))
        network = train_judge([clip for clip in clips if clip.performer not in group], training)
        trials += [try_clip(network, clip, pool, encoder) for clip in clips if clip.performer in group]
    return Row(name=f"never seen, {count} folds", trials=tuple(trials))


def clip_table(trials: Sequence[Trial]) -> str:
    """One line a clip: offset, confidence, distance, its highest false confidence, offsets missed by over a frame."""
    lines = []
    for trial in trials:
        missed = sum(abs(found - shift) > 1 for found, shift in zip(trial.found, SHIFTS, strict=True))
        false = (*trial.strangers, *trial.same_speaker)
        lines.append(
            [
                trial.clip,
                str(trial.own.offset),
                f"{trial.own.confidence:.2f}",
                f"{trial.own.distance:.2f}",
                f"{max(false, default=float('nan')):.2f}",
                str(missed),
            ]
        )
    columns = ["clip", "offset", "confidence", "distance", "highest false", "shifts missed"]
    return markdown_table(columns, lines)


def moda_table(spoken: Sequence[Spoken]) -> str:
    """What the judge says of MODA's lips, of them under the wrong half of the speech, and of the still face."""
    columns = ["speech", "MODA", "offset", "distance", "halves exchanged", "mean face"]
    lines = [
        [
            each.speech,
            f"{each.own.confidence:.2f}",
            str(each.own.offset),
            f"{each.own.distance:.2f}",
            f"{each.exchanged.confidence:.2f}",
            f"{each.still.confidence:.2f}",
        ]
        for each in spoken
    ]
    return markdown_table(columns, lines)


def rows(options: argparse.Namespace, encoder: SpeechEncoder) -> list[Row]:
    """The table's lines for the command line's clips."""
    network = load_judge(options.weights)
    hidden = {performer_of(speaker) for speaker in options.held_out}
    pool = load_clips(options.clips, encoder)
    seen = [clip for clip in pool if clip.performer not in hidden]
    unseen = [clip for clip in pool if clip.performer in hidden]
    found = []
    if options.folds:
        training = SyncTraining(steps=options.steps)
        found.append(cross_validated(seen, training, count=options.folds, pool=pool, encoder=encoder))
    for name, clips in (("held out", unseen), ("trained on", seen)):
        if clips:
            trials = tuple(try_clip(network, clip, pool, encoder) for clip in clips)
            found.append(Row(name=name, trials=trials))
    return found


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of prepared clips")
    parser.add_argument("--held-out", nargs="*", default=[], help="speakers the judge was not trained on")
    parser.add_argument("--weights", type=Path, default=builtin_weights("sync"), help="the judge")
    parser.add_argument("--folds", type=int, default=0, help="cross-validate in so many folds; 0: do not")
    parser.add_argument("--steps", type=int, default=SyncTraining().steps, help="of each fold's training")
    parser.add_argument("--speech", type=Path, nargs="*", default=[], help="recordings for MODA to speak")
    parser.add_argument("--subject", choices=builtin_subject_names(), default=builtin_subject_names()[0])
    parser.add_argument("--each", action="store_true", help="also one line a clip")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    use_one_thread()
    found = rows(options, load_encoder(ENCODER, device=torch.device("cpu")))
    tables = [markdown_table(_COLUMNS, [row.cells() for row in found])]
    if options.each:
        tables += [f"{row.name}\n\n{clip_table(row.trials)}" for row in found]
    if options.speech:
        template = SubjectPackage.load(builtin_subject(options.subject)).template
        tables.append(moda_table(score_moda(options.speech, template, weights=options.weights)))
    sys.stdout.write("\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main()
