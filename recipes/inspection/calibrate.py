"""Fit the limits of the inspection to a subject: render good segments, show what is measured, leave a margin.

`python -m recipes.inspection.calibrate --subject FOLDER --speech FILE... [--seed N...] [--amplitude F...] [--write]`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from recipes.inspection.good_segments import SEGMENT_FRAMES, GoodSegment, GoodSegments, Performance
from stages.inspection.checks import Limits, Range, SegmentFigures
from stages.inspection.fitting import MARGIN, ROUGH_MARGIN
from stages.inspection.norms import FittedOn, drawing_sha256, write_norms
from stages.subject.package import SubjectPackage
from stages.tables import markdown_table
from stages.threads import use_one_thread

_COLUMNS: Final = ["figure", "segments", "least", "median", "greatest", "good from", "to"]
_FIXED: Final = ("faces", "frozen_frames", "black_frames", "not_finite_frames")


def fitted_limits(segments: Sequence[SegmentFigures]) -> Limits:
    """Limits that hold every one of some good segments with a margin.

    An end that the default limits leave open stays open; counts, and the share of faces, keep theirs. A figure that no
    segment has keeps its default.
    """
    default = Limits()
    found: dict[str, Range] = {}
    for field in fields(Limits):
        usual: Range = getattr(default, field.name)
        values = [value for one in segments if (value := getattr(one, field.name)) is not None]
        if field.name in _FIXED or not values:
            found[field.name] = usual
            continue
        margin = ROUGH_MARGIN if field.name == "opening_response" else MARGIN
        found[field.name] = Range(
            at_least=None if usual.at_least is None else round(min(values) / margin, 2),
            at_most=None if usual.at_most is None else round(max(values) * margin, 2),
        )
    return Limits(**found)


def table(segments: Sequence[SegmentFigures], limits: Limits) -> str:
    """What was measured, figure by figure, beside the limits."""
    rows = []
    for field in fields(SegmentFigures):
        values = [value for one in segments if (value := getattr(one, field.name)) is not None]
        good: Range = getattr(limits, field.name)
        spread = [f"{value:.2f}" for value in np.percentile(values, [0, 50, 100])] if values else ["", "", ""]
        ends = ["" if end is None else f"{end:g}" for end in (good.at_least, good.at_most)]
        rows.append([field.name, str(len(values)), *spread, *ends])
    return markdown_table(_COLUMNS, rows)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subject", type=Path, required=True, help="folder of the subject package")
    parser.add_argument("--speech", type=Path, nargs="+", required=True, help="recordings to speak")
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="seeds of the motion")
    parser.add_argument(
        "--amplitude", type=float, nargs="+", default=[1.0, 2.0], help="factors on the motion"
    )
    parser.add_argument("--segments", type=int, default=2, help="segments of each performance")
    parser.add_argument("--write", action="store_true", help="write inspection.json into the package")
    options = parser.parse_args()
    use_one_thread()
    subject = SubjectPackage.load(options.subject)
    studio = GoodSegments(subject, folder=options.subject)
    if studio.inspector.notice:
        parser.error(studio.inspector.notice)
    performances = [
        Performance(speech=speech, seed=seed, amplitude=amplitude)
        for speech, seed, amplitude in product(options.speech, options.seed, options.amplitude)
    ]
    found: list[GoodSegment] = []
    try:
        for performance in performances:
            found += studio.render(performance, segments=options.segments)
    finally:
        studio.close()
    figures = [segment.figures for segment in found]
    limits = fitted_limits(figures)
    sys.stdout.write(f"{subject.name}, {len(found)} segments\n\n{table(figures, limits)}\n")
    if options.write:
        frames = len(found) * SEGMENT_FRAMES
        write_norms(
            options.subject,
            limits=limits,
            look_LL3=np.mean([one.look_LL3 for one in found], axis=0),
            fitted=FittedOn(frames=frames, unseen=frames, drawn_by=drawing_sha256(subject)),
        )


if __name__ == "__main__":
    main()
