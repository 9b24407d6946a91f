"""What a run writes for people: TensorBoard events and a contact sheet of every validation.

Legend: H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stages.training.history import append_history, read_history
from stages.training.trainer import Validation

HISTORY: Final = "history.jsonl"
"""What `benchmarks.compare_runs` reads."""


class TensorBoardLog:
    """The curves of a run in a folder, for ``tensorboard --logdir``; use it in a ``with`` block."""

    def __init__(self, folder: Path, *, resumed_from: int | None) -> None:
        """Args: resumed_from: step after which an earlier writer's events count no more; None for a fresh run."""
        # Imported here: the driver and all workers but the first do without.
        from tensorboardX import SummaryWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        earlier = [] if resumed_from is None else read_history(folder / HISTORY)
        self._earlier_s = max((e.seconds for e in earlier if e.step <= (resumed_from or 0)), default=0.0)
        self._writer = SummaryWriter(
            str(folder), purge_step=None if resumed_from is None else resumed_from + 1
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()

    def losses(self, means: Mapping[str, float], *, step: int) -> None:
        """Means of the training losses up to a step."""
        for name, value in means.items():
            self._writer.add_scalar(f"training/{name}", value, step)

    def validation(self, validation: Validation, *, step: int, seconds: float) -> None:
        """How the weights of a step do on held-out data, after so many seconds of training steps since this start.

        Measures go to ``history.jsonl`` too, the sheet to ``sheet-00000200.png``.
        """
        append_history(
            self._folder / HISTORY,
            step=step,
            seconds=self._earlier_s + seconds,
            losses={"score": validation.score, **validation.losses},
        )
        self._writer.add_scalar("validation/score", validation.score, step)
        for name, value in validation.losses.items():
            self._writer.add_scalar(f"validation/{name}", value, step)
        sheet_HW3 = validation.sheet_HW3
        if sheet_HW3 is not None:
            from PIL import Image

            Image.fromarray(sheet_HW3).save(self._folder / f"sheet-{step:08d}.png")
            self._writer.add_image("validation/sheet", sheet_HW3, step, dataformats="HWC")
        # Whoever watches sees a validation at once, and a worker that is killed loses no more than losses.
        self._writer.flush()
