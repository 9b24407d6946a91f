"""Options and texts that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from jobs.errors import ExitCode

EXIT_CODES: Final = "\n\n".join(f"{code.value:>4}  {code.meaning}" for code in ExitCode)

SpecArgument = Annotated[
    Path, typer.Argument(metavar="SPEC", help="The render job, a YAML or JSON file.", show_default=False)
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URI",
        help="Folder or s3:// URI of committed segments and checkpoints. "
        "Default: FARM_STORE, or 'store' in the cache (FARM_CACHE, ~/.cache/moda-farm).",
        show_default=False,
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        "--replicas",
        min=1,
        max=1024,
        metavar="N",
        help="Renderer replicas. Default: one for each GPU, or for each core. Does not change the video.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to stdout, also for an error.")
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace files that the farm did not write. What a job reads is never written over.",
    ),
]
