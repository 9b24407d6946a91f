"""What the commands are wired to. Tests wire in small stages and a backend without processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from farm.evaluation.judge import PairJudge, VideoJudge
from farm.training.installed import check_training_installed
from farm.training.progress import TrainingListener, TrainingReport
from infra.hardware import Hardware, probe_hardware
from infra.settings import FarmSettings
from jobs.parse import LoadedTraining

if TYPE_CHECKING:
    from farm.execution.pools.backend import PoolBackend
    from farm.execution.stages import StageFactory
    from farm.execution.whole_work import WholeWork


class OpenOn(Protocol):
    """Opens a backend for a block, see `farm.execution.opening`."""

    def __call__(
        self,
        *,
        settings: FarmSettings,
        hardware: Hardware,
        stages: StageFactory,
        whole: WholeWork | None = None,
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
    *, settings: FarmSettings, hardware: Hardware, stages: StageFactory, whole: WholeWork | None = None
) -> AbstractContextManager[PoolBackend]:
    from farm.execution.opening import opened_ray

    return opened_ray(settings=settings, hardware=hardware, stages=stages, whole=whole)


def _stage_work(settings: FarmSettings, judge: PairJudge) -> WholeWork:
    from farm.whole_work import StageWork

    return StageWork.of(settings, judge=judge)


def train_on_ray(
    job: LoadedTraining, *, settings: FarmSettings, hardware: Hardware, listener: TrainingListener
) -> TrainingReport:
    """Train on Ray, with what the `training` extra installs.

    Raises:
        TrainingError: The extra is not installed.
        FarmError: See `farm.training.train_job.train`.
    """
    check_training_installed()
    from farm.training.train_job import train

    return train(job, settings=settings, hardware=hardware, listener=listener)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the commands do their work with.

    Attributes:
        stages, open_on: What a render loads and where it runs.
        train: What trains.
        judge: What measures videos.
        whole: Makes what does jobs in one piece on a shared farm, from its settings and from what measures videos.
        probe: Looks at this machine.
    """

    stages: StageFactory = field(default_factory=_real_stages)
    open_on: OpenOn = _open_on_ray
    train: TrainEngine = train_on_ray
    judge: PairJudge = field(default_factory=VideoJudge)
    whole: Callable[[FarmSettings, PairJudge], WholeWork] = _stage_work
    probe: Callable[[], Hardware] = probe_hardware
