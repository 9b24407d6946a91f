"""What the commands are wired to. Tests wire in small stages and a backend without processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol

from farm.evaluation.judge import PairJudge, VideoJudge
from farm.training.progress import TrainingListener, TrainingReport
from infra.hardware import Hardware, probe_hardware
from infra.settings import FarmSettings
from jobs.errors import TrainingError
from jobs.installation import INSTALL_ALL
from jobs.parse import LoadedTraining

if TYPE_CHECKING:
    from farm.execution.pools.backend import PoolBackend
    from farm.execution.stages import StageFactory

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
    """Trains what a job asks for, see `farm.training.train_job`."""

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


def _real_stages() -> StageFactory:
    # Imported here, as below: what only says how it is used does without, and it takes a second to load.
    from farm.execution.stages import RealStages

    return RealStages()


def _open_on_ray(
    *, settings: FarmSettings, hardware: Hardware, stages: StageFactory
) -> AbstractContextManager[PoolBackend]:
    from farm.execution.opening import opened_ray

    return opened_ray(settings=settings, hardware=hardware, stages=stages)


def train_on_ray(
    job: LoadedTraining, *, settings: FarmSettings, hardware: Hardware, listener: TrainingListener
) -> TrainingReport:
    """Train on Ray, with what the `training` extra installs.

    Raises:
        TrainingError: The extra is not installed.
        FarmError: See `farm.training.train_job.train`.
    """
    missing = [name for name in _TRAINING_EXTRA if find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"training needs {', '.join(missing)}, which a render does without",
            where="train",
            code="training_extra_missing",
            hint=INSTALL_ALL,
        )
    from farm.training.train_job import train

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

    stages: StageFactory = field(default_factory=_real_stages)
    open_on: OpenOn = _open_on_ray
    train: TrainEngine = train_on_ray
    judge: PairJudge = field(default_factory=VideoJudge)
    probe: Callable[[], Hardware] = probe_hardware
