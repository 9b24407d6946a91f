"""What `farm evaluate --ablations` takes on its command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from farm.cli.output import UsageError
from farm.evaluation.variants import TABLES, AblationRequest

MOTION_STEPS: Final = 400
RENDERER_STEPS: Final = 600
"""What two cores do in about forty minutes for all seven networks."""

TAKES: Final = 10

AblationsOption = Annotated[
    bool,
    typer.Option(
        "--ablations",
        help="Train and judge the variants of the paper's Tables 3, 4 and 5; what was trained before is kept.",
    ),
]
TableOption = Annotated[
    list[int] | None,
    typer.Option(
        "--table",
        min=min(TABLES),
        max=max(TABLES),
        metavar="N",
        help="With --ablations: 3, 4 or 5; repeatable. Default: all.",
        show_default=False,
    ),
]
PortraitOption = Annotated[
    Path | None,
    typer.Option(
        "--portrait",
        metavar="DIR",
        help="With --ablations: the prepared clip that the renderers of Tables 4 and 5 learn and are judged on.",
        show_default=False,
    ),
]
MotionStepsOption = Annotated[
    int | None,
    typer.Option(
        "--motion-steps",
        min=1,
        metavar="N",
        help=f"With --ablations: of each network of Table 3. Default: {MOTION_STEPS}.",
        show_default=False,
    ),
]
RendererStepsOption = Annotated[
    int | None,
    typer.Option(
        "--renderer-steps",
        min=1,
        metavar="N",
        help=f"With --ablations: of each renderer. Default: {RENDERER_STEPS}.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationOptions:
    """What was typed; see `AblationRequest` for what it means."""

    clips: Sequence[str]
    held_out: Sequence[str]
    portrait: Path | None
    tables: Sequence[int]
    motion_steps: int | None
    renderer_steps: int | None

    def check_alone(self, *, wanted: bool, videos: bool) -> None:
        """Whether the options belong to what is to be done: nobody should believe that one did something.

        Args:
            wanted: Whether ablations were asked for.
            videos: Whether a job or videos were named.

        Raises:
            UsageError: An option has no part in it.
        """
        if wanted and videos:
            raise UsageError(
                "--ablations makes what it judges, and takes neither SPEC nor videos, nor how these are judged",
                where="command line",
                hint="leave one of them out",
            )
        given = (
            self.clips,
            self.held_out,
            self.portrait,
            self.tables,
            self.motion_steps,
            self.renderer_steps,
        )
        if not wanted and any(given):
            raise UsageError(
                "--table, --clips, --held-out, --portrait, --motion-steps and --renderer-steps belong to --ablations",
                where="command line",
                hint="add --ablations, or leave them out",
            )

    def request(self, *, out: Path | None, overwrite: bool) -> AblationRequest:
        """The request, with paths that do not depend on the current folder; `out` is ``ablations`` by default."""
        return AblationRequest(
            clips=tuple(str(Path(clip).absolute()) for clip in self.clips),
            held_out=tuple(str(Path(clip).absolute()) for clip in self.held_out),
            portrait=None if self.portrait is None else self.portrait.absolute(),
            tables=tuple(sorted(set(self.tables))) or tuple(TABLES),
            motion_steps=self.motion_steps or MOTION_STEPS,
            renderer_steps=self.renderer_steps or RENDERER_STEPS,
            takes=TAKES,
            seed=0,
            out=(out or Path("ablations")).absolute(),
            overwrite=overwrite,
        )
