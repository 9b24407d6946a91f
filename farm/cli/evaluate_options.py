"""What `farm evaluate` takes on its command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

EvaluateSpecArgument = Annotated[
    Path | None,
    typer.Argument(metavar="SPEC", help="An evaluate job, a YAML or JSON file.", show_default=False),
]
GeneratedOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--generated",
        metavar="VIDEO",
        help="A video to judge, by any system; once for each take of the same speech.",
        show_default=False,
    ),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference", metavar="VIDEO", help="The true video of the same speech.", show_default=False
    ),
]
SpeechOption = Annotated[
    Path | None,
    typer.Option(
        "--speech",
        metavar="FILE",
        help="The sound to judge sync by. Default: each video's own.",
        show_default=False,
    ),
]
SyncNetOption = Annotated[
    Path | None,
    typer.Option(
        "--syncnet",
        metavar="DIR",
        help="Folder with SyncNet's weights, to judge sync by it. Default: our own judge.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for the page, its data, plots and worst frames.",
        show_default=False,
    ),
]
SAMPLE_EVERY: Final = 5
SampleEveryOption = Annotated[
    int | None,
    typer.Option(
        "--sample-every",
        min=1,
        metavar="N",
        help=f"Measure NIQE on every Nth frame. Default: {SAMPLE_EVERY}.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """Videos named on the command line, and how to judge them."""

    generated: tuple[Path, ...]
    reference: Path | None
    speech: Path | None
    syncnet: Path | None
    out: Path | None
    sample_every: int | None
    overwrite: bool = False

    @property
    def names_videos(self) -> bool:
        """Whether anything to judge, to judge by, or how to, was named."""
        return bool(self.generated) or any((self.reference, self.speech, self.syncnet, self.sample_every))

    @property
    def names_something(self) -> bool:
        """Whether a file or a folder was named."""
        return self.names_videos or self.out is not None
