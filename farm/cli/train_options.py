"""What `farm train` takes on its command line, and the fields of a train job that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.documents import FieldPath
from jobs.locations import is_s3
from jobs.train_spec import BASE

TrainSpecArgument = Annotated[
    Path | None,
    typer.Argument(metavar="SPEC", help="The train job, a YAML or JSON file.", show_default=False),
]
StageOption = Annotated[
    str | None, typer.Option("--stage", metavar="STAGE", help="moda, faco or renderer.", show_default=False)
]
ClipsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--clips",
        metavar="DIR",
        help="A prepared clip or subject to learn from; repeat it, or quote a pattern: 'clips/*'. "
        "Default: the subject.",
        show_default=False,
    ),
]
HeldOutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--held-out", metavar="DIR", help="A clip for validation alone; repeatable.", show_default=False
    ),
]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="WEIGHTS",
        help="base for the base renderer, or the path or s3:// URI of weights. Default: from scratch.",
        show_default=False,
    ),
]
SubjectOption = Annotated[
    str | None,
    typer.Option("--subject", metavar="DIR", help="The package that gets the renderer.", show_default=False),
]
NameOption = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="Name of the job; the same job goes on where it stopped. Default: the subject's folder.",
        show_default=False,
    ),
]
PresetOption = Annotated[
    str | None, typer.Option("--preset", metavar="PRESET", help="paper or cpu.", show_default=False)
]
StepsOption = Annotated[
    int | None, typer.Option("--steps", min=1, metavar="N", help="Optimiser steps.", show_default=False)
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", help="Data-parallel workers.", show_default=False),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="URI",
        help="Path or s3:// URI of the weights. Default: NAME.safetensors.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What the command line says of the job; None leaves a field to the job's file or to its default.

    Paths are as typed: relative to where the command runs, not to the job's file.

    Attributes:
        stage, clips, held_out, start_from, subject, preset, steps, workers: See `jobs.train_spec.TrainSpec`.
        name: Name of the job.
        output: Place of the weights.
    """

    stage: str | None = None
    clips: Sequence[str] | None = None
    held_out: Sequence[str] | None = None
    start_from: str | None = None
    subject: str | None = None
    name: str | None = None
    preset: str | None = None
    steps: int | None = None
    workers: int | None = None
    output: str | None = None

    def fields(self) -> dict[FieldPath, Any]:
        """What was typed, by the path of the field in a job's document."""
        fields: dict[FieldPath, Any] = {
            ("metadata", "name"): self.name,
            ("spec", "stage"): self.stage,
            ("spec", "clips"): [_from_here(clip) for clip in self.clips or ()] or None,
            ("spec", "held_out"): [_from_here(clip) for clip in self.held_out or ()] or None,
            ("spec", "start_from"): _from_here(self.start_from),
            ("spec", "subject"): _from_here(self.subject),
            ("spec", "preset"): self.preset,
            ("spec", "steps"): self.steps,
            ("spec", "workers"): self.workers,
            ("spec", "output", "uri"): _from_here(self.output),
        }
        return {path: value for path, value in fields.items() if value is not None}


def _from_here(place: str | None) -> str | None:
    """A place as typed, in a form that does not depend on where the job's file lies."""
    if place is None or not place.strip() or place == BASE or is_s3(place):
        return place
    return str(Path(place).absolute())
