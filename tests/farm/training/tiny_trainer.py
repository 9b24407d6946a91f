"""A trainer small enough for tests: a line is fitted to points, with noise that is drawn from the step's number.

It stands where a stage's trainer stands: data-parallel, resumable, exact. Pauses and faults are options of its factory.
Legend: B batch, D inputs.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.errors import SubjectError
from stages.training.build import TrainingRequest
from stages.training.parallel import data_parallel, share_of
from stages.training.trainer import Validation, Workers

_INPUTS = 3
_BATCH = 8
_TRUTH = (0.5, -1.0, 2.0)


def _points(seed: int, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs_BD = torch.randn(count, _INPUTS, generator=generator)
    return inputs_BD, inputs_BD @ torch.tensor(_TRUTH)[:, None]


class TinyTrainer:
    """See the module."""

    def __init__(self, request: TrainingRequest, *, workers: Workers, faults: TinyTrainers) -> None:
        self.step = 0
        self.steps = request.steps or 20
        self._seed = request.seed
        self._workers = workers
        self._faults = faults
        torch.manual_seed(request.seed)
        self._network = nn.Linear(_INPUTS, 1)
        self._parallel = data_parallel(self._network, workers=workers, device=torch.device("cpu"))
        self._average = nn.Linear(_INPUTS, 1)
        self._average.load_state_dict(self._network.state_dict())
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=request.learning_rate or 0.05)

    def train_step(self) -> dict[str, float]:
        self._faults.strike(step=self.step, rank=self._workers.rank)
        picked = share_of(range(_BATCH), self._workers)
        inputs_BD, truth_B1 = _points(self._seed * 100_003 + self.step, _BATCH)
        noise_B1 = torch.randn(_BATCH, 1, generator=torch.Generator().manual_seed(self.step)) * 0.1
        loss = ((self._parallel(inputs_BD[picked]) - truth_B1[picked] - noise_B1[picked]) ** 2).mean()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self.step += 1
        with torch.no_grad():
            for ours, theirs in zip(self._average.parameters(), self._network.parameters(), strict=True):
                ours.lerp_(theirs, 0.2)
        return {"error": float("nan") if self.step == self._faults.nan_at else loss.item()}

    def validate(self) -> Validation:
        inputs_BD, truth_B1 = _points(9, 64)
        with torch.no_grad():
            error = ((self._average(inputs_BD) - truth_B1) ** 2).mean().item()
        sheet_HW3 = np.full((8, 8, 3), min(255, int(error * 10)), np.uint8)
        return Validation(losses={"error": error}, score=error, sheet_HW3=sheet_HW3)

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])

    def export(self, path: Path) -> None:
        save_file(dict(self._average.state_dict()), path)


@dataclass(frozen=True, kw_only=True)
class TinyTrainers:
    """Builds `TinyTrainer`s.

    Attributes:
        pause_s: length of a step.
        scratch: folder where faults leave a mark, so that each strikes once.
        kill_at, kill_rank: a worker that kills itself in this step.
        raise_at: a step in which the code fails, always.
        nan_at: a step whose loss is no number.
        bad_clips: whether building fails as it does for clips that cannot be used.
    """

    pause_s: float = 0.0
    scratch: Path | None = None
    kill_at: int = -1
    kill_rank: int = 0
    kill_always: bool = False
    raise_at: int = -1
    nan_at: int = -1
    bad_clips: bool = False

    def __call__(self, request: TrainingRequest, *, workers: Workers, device: str) -> TinyTrainer:
        self._mark("built")
        if self.bad_clips:
            raise SubjectError(code="subject_clip_too_short", what="the clip is too short", where="clip a")
        return TinyTrainer(request, workers=workers, faults=self)

    def strike(self, *, step: int, rank: int) -> None:
        time.sleep(self.pause_s)
        if step == self.raise_at:
            raise ValueError("a picture of the wrong size")
        if step == self.kill_at and rank == self.kill_rank and (self.kill_always or self._is_first("killed")):
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_first(self, name: str) -> bool:
        assert self.scratch is not None
        mark = self.scratch / name
        if mark.exists():
            return False
        mark.touch()
        return True

    def _mark(self, name: str) -> None:
        """One line for every time something happened, from whichever process."""
        if self.scratch is not None:
            with (self.scratch / name).open("a") as file:
                file.write(f"{os.getpid()}\n")
