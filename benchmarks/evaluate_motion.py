"""Motion on speech that no training heard: `python -m benchmarks.evaluate_motion --work DIR --moda FILE ...`.

Two tables: the study's speakers, by whom nothing was trained or chosen, and the corpus's held-out speakers, by whom the
shipped weights were chosen. Every network stands beside itself on another clip's speech, a face that keeps still at its
mean, and the truth; a third table has the study by language.
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

from recipes.corpus import load_motion_clips, load_study_clips, study_clips
from stages.builtin import builtin_weights
from stages.faco.composer_stage import ComposerStage
from stages.tables import markdown_table
from stages.training.motion_data import MotionClip
from stages.training.motion_judging import Contestant, ContestantRow, reference_rows, rows_of, scores_of

_COLUMNS: Final = {
    "lmd": "LMD px",
    "lmd_v": "LMD-v px",
    "mouth_area": "MA inner",
    "outer_mouth_area": "MA outer",
    "opening": "opening corr.",
    "mouth_amplitude": "mouth ampl.",
    "shut": "lips shut",
    "head_amplitude": "head ampl.",
    "head_speed": "head speed",
    "nods": "nods deg",
}
_STUDY: Final = "The study's speakers"
_HELD_OUT: Final = "The corpus's held-out speakers"
_DIVERSE: Final = {"face": "Diverse", "lips": "lips", "eyes": "eyes", "head": "head"}


def cells(row: ContestantRow) -> list[str]:
    """The line's cells, the name first."""
    drawn = asdict(row.diversity) if row.diversity is not None else {}
    return [
        row.name,
        *(f"{asdict(row.scores)[name]:.3f}" for name in _COLUMNS),
        *(f"{drawn[name]:.3f}" if drawn else "-" for name in _DIVERSE),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows over the same clips."""

    title: str
    speakers: tuple[str, ...]
    rows: tuple[ContestantRow, ...]

    def markdown(self) -> str:
        """The table with its title, for the terminal and for documents alike."""
        columns = ["motion", *_COLUMNS.values(), *_DIVERSE.values()]
        table = markdown_table(columns, [cells(row) for row in self.rows])
        return f"{self.title}: {', '.join(self.speakers)}\n\n{table}\n"


def evaluate(
    contestants: Sequence[Contestant], composer: ComposerStage, *, work: Path, takes: int
) -> list[Table]:
    """The tables, over the clips that lie prepared in `work`."""
    tables = []
    languages: list[ContestantRow] = []
    for title in (_STUDY, _HELD_OUT):
        rows: list[ContestantRow] = []
        clips: list[MotionClip] = []
        for contestant in contestants:
            if title == _HELD_OUT:
                clips = load_motion_clips(work, contestant.encoder, held_out=True)
            else:
                clips = load_study_clips(work, contestant.encoder)
                languages += by_language(contestant, clips)
            rows += rows_of(contestant, clips, composer, takes=takes)
        rows += reference_rows(clips)
        speakers = tuple(dict.fromkeys(clip.speaker for clip in clips))
        tables.append(Table(title=title, speakers=speakers, rows=tuple(rows)))
    spoken = tuple(sorted({clip.language for clip in study_clips()}))
    return [*tables, Table(title="The study by language", speakers=spoken, rows=tuple(languages))]


def by_language(contestant: Contestant, clips: Sequence[MotionClip]) -> list[ContestantRow]:
    """A line for each language of the study, with the number of its clips."""
    groups: dict[str, list[MotionClip]] = {}
    for entry, clip in zip(study_clips(), clips, strict=True):
        groups.setdefault(entry.language, []).append(clip)
    return [
        ContestantRow(
            name=f"{contestant.name}, {language} ({len(group)})", scores=scores_of(contestant, group)
        )
        for language, group in sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]


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
