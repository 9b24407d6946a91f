"""What the commands are wired to. Tests wire in small stages and a backend without processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, Protocol

from farm.evaluation.judge import PairJudge, VideoJudge
from farm.execution.opening import opened_ray
from farm.execution.pools.backend import PoolBackend
from farm.execution.real_stages import RealStages
from farm.execution.stages_factory import StageFactory
from farm.training.progress import TrainingListener
from farm.training.report import TrainingReport
from infra.hardware import Hardware, probe_hardware
from infra.settings import FarmSettings
from jobs.errors import TrainingError
from jobs.parse import LoadedTraining

_TRAINING_EXTRA: Final = ("fsspec", "pandas", "pyarrow", "skimage", "tensorboardX")
"""What training imports beyond a render."""


class OpenOn(Protocol):
    """Opens a backend for a block, see `farm.execution.opening`."""

    def __call__(
        self, *, settings: FarmSettings, hardware: Hardware, stages: StageFactory
    ) -> AbstractContextManager[PoolBackend]:
        """The opened backend."""
        ...


class TrainEngine(Protocol):
    """Trains what a job asks for, see `farm.training.run`."""

    def __call__(
        self,
        job: LoadedTraining,
        *,
        settings: FarmSettings,
        hardware: Hardware,
        listener: TrainingListener,
    ) -> TrainingReport:
        """The report of the finished run."""
        ...


def train_on_ray(
    job: LoadedTraining, *, settings: FarmSettings, hardware: Hardware, listener: TrainingListener
) -> TrainingReport:
    """Train on Ray, with what the `training` extra installs.

    Raises:
        TrainingError: The extra is not installed.
        FarmError: See `farm.training.run.train`.
    """
    missing = [name for name in _TRAINING_EXTRA if find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"training needs {', '.join(missing)}, which a render does without",
            where="train",
            code="training_extra_missing",
            hint="pip install 'moda-farm[training]'",
        )
    # Imported here: every other command does without, and it takes seconds to load.
    from farm.training.run import train

    return train(job, settings=settings, hardware=hardware, listener=listener)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the commands do their work with.

    Attributes:
        stages, open_on: What a render loads and where it runs.
        train: What trains.
        judge: What measures videos.
        probe: Looks at this machine.
    """

    stages: StageFactory = field(default_factory=RealStages)
    open_on: OpenOn = opened_ray
    train: TrainEngine = train_on_ray
    judge: PairJudge = field(default_factory=VideoJudge)
    probe: Callable[[], Hardware] = probe_hardware
