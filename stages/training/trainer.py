"""What a stage's training is to whoever drives it: take a step, validate, save, go on, and hand over the weights.

Legend: H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How the running average of the weights does on held-out data.

    Attributes:
        losses: name and value of each measure.
        score: what the choice of the best weights minimises.
        sheet_HW3: a contact sheet, truth above ours; None where there is nothing to see.
    """

    losses: dict[str, float]
    score: float
    sheet_HW3: NDArray[np.uint8] | None = None


class Trainer(Protocol):
    """One stage's networks, optimisers and data.

    Everything random in a step is drawn from (seed, step), and each of several data-parallel workers takes its
    share of that step's batch. So a state is the same on every worker, and a run may go on with another number
    of them.
    """

    step: int
    """Optimiser steps taken."""

    steps: int
    """Optimiser steps planned."""

    def train_step(self) -> dict[str, float]:
        """Take one optimiser step and count it; returns the unweighted losses of this worker's share."""
        ...

    def validate(self) -> Validation:
        """Measure the running average on held-out data; changes nothing. Called on one worker only."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs to go on exactly as if unbroken.

        Nested dicts and lists of tensors, numbers, strings and None.
        """
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        ...

    def export(self, path: Path) -> None:
        """Write the running average as a weights file with its header."""
        ...


class KeptParts:
    """`state` and `restore` of a trainer: its step, and its parts that have a state of their own.

    Attributes:
        kept: names of the attributes that are networks or optimisers.
    """

    kept: ClassVar[tuple[str, ...]]
    step: int

    def state(self) -> dict[str, Any]:
        """See `Trainer`."""
        return {"step": self.step, **{name: getattr(self, name).state_dict() for name in self.kept}}

    def restore(self, state: dict[str, Any]) -> None:
        """See `Trainer`."""
        self.step = state["step"]
        for name in self.kept:
            getattr(self, name).load_state_dict(state[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Which of how many data-parallel workers this process is."""

    rank: int = 0
    count: int = 1
