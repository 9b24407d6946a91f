"""Arguments and options of the commands for a farm that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecsArgument = Annotated[
    list[Path],
    typer.Argument(metavar="SPEC...", help="Render jobs, YAML or JSON files.", show_default=False),
]
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's name in the farm, as in hello-7.", show_default=False)
]
JobsArgument = Annotated[
    list[str], typer.Argument(metavar="JOB...", help="Names of jobs in the farm.", show_default=False)
]
StudioOption = Annotated[str, typer.Option("--studio", metavar="NAME", help="Who pays.")]
HoldOption = Annotated[bool, typer.Option("--hold", help="The jobs wait for farm resume.")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="T",
        help="Any text; the same submit with the same token is one job, however often it is given.",
        show_default=False,
    ),
]
WaitOption = Annotated[
    bool,
    typer.Option("--wait", help="Until the jobs have ended, with the exit code of the first that failed."),
]
WaitTimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0,
        metavar="SECONDS",
        help="Wait no longer than this; the jobs go on, and the exit code is 10.",
        show_default=False,
    ),
]
PatienceOption = Annotated[
    float,
    typer.Option(
        "--patience", min=0, max=3600, metavar="SECONDS", help="How long to wait for the farm's answer."
    ),
]
FramesOption = Annotated[
    str,
    typer.Option(
        "--frames", metavar="A-B", help="The first and the last frame, counted from 0.", show_default=False
    ),
]
BudgetOption = Annotated[
    float | None,
    typer.Option(
        "--max-gpu-seconds",
        min=0,
        metavar="S",
        help="What the job may spend in all, where its budget is spent.",
        show_default=False,
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Also jobs that have ended.")]
BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="Folder of the replay bundle.", show_default=False)
]
KeepOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Keep the segment and the process's stderr here.", show_default=False
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, metavar="SECONDS", help="What takes longer hangs.")
]

FarmArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FARM]",
        help="The farm: studios, their shares and limits, replicas; a YAML or JSON file. Default: none of it.",
        show_default=False,
    ),
]
UntilDoneOption = Annotated[
    bool,
    typer.Option("--until-done", help="End when every job has ended or waits for a person."),
]
