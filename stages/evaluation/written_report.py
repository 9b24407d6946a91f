"""An evaluation written into a folder: data, page, plots and worst frames."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from stages.evaluation.figures import Evaluation
from stages.evaluation.pair import TakesEvaluation
from stages.evaluation.plots import draw_errors, draw_tracks
from stages.evaluation.report_names import ERRORS, PAGE, RECORD, TRACKS, WORST, folder_of_take
from stages.evaluation.table import diversity_table, markdown
from stages.evaluation.worst_frames import draw_worst_frames
from stages.whole_files import written_whole


def takes_record(judged: TakesEvaluation) -> dict[str, object]:
    """Plain data: the takes, each as `Evaluation.as_record` gives it, and their diversity."""
    return {
        "takes": [take.as_record() for take in judged.takes],
        "diversity": None if judged.diversity is None else asdict(judged.diversity),
    }


def write_pictures(evaluation: Evaluation, folder: Path) -> None:
    """Write the plots and the worst frames of one evaluation.

    Raises:
        OSError: the folder cannot be written.
        SubjectError: a video can no longer be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw_tracks(evaluation.traces, folder / TRACKS)
    draw_errors(evaluation.traces, folder / ERRORS)
    draw_worst_frames(evaluation, folder / WORST)


def write_report(judged: TakesEvaluation, folder: Path) -> None:
    """Write everything into a folder; pictures of several takes each into a folder `take-N` of its own.

    The record comes last and marks the report complete. Raises what `write_pictures` raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    pages = []
    for number, take in enumerate(judged.takes, start=1):
        home = folder_of_take(number, takes=len(judged.takes))
        write_pictures(take, folder / home)
        pictures = "\n\n".join(
            f"![{title}]({home}{name})"
            for title, name in (
                ("mouth, eyes and head over time", TRACKS),
                ("errors over time", ERRORS),
                ("worst frames: generated left, ground truth right", WORST),
            )
        )
        pages.append(f"{markdown(take)}\n{pictures}\n")
    if judged.diversity is not None:
        pages.append(diversity_table(judged.diversity, takes=len(judged.takes)))
    (folder / PAGE).write_text("\n".join(pages), encoding="utf-8")
    with written_whole(folder / RECORD) as partial:
        partial.write_text(
            json.dumps(takes_record(judged), indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
