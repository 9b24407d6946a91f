"""A farm with real Ray pools as a process of its own, which kills itself at a point that has a name.

    python farm_on_ray.py FOLDER LOG NAME

It comes to points as `crash_points` says, except for those that lie in its replicas. No NAME, no death.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import fake_stages
from crash_points import CrashPoints
from mortal_farm import two_jobs

from farm.execution.opening import opened_ray
from infra.hardware import Hardware
from infra.settings import FarmSettings, prepare_ray_environment
from jobs.errors import FarmError

_CORES = 3


class NamedPoint(CrashPoints):
    """Dies at the first point of a name."""

    def __init__(self, log: Path, *, name: str) -> None:
        super().__init__(log)
        self._name = name

    def come_to(self, name: str) -> None:
        super().come_to(name)
        if name == self._name:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, log: Path, name: str) -> None:
    """Serve the two jobs to their end, or die on the way."""
    prepare_ray_environment(auth="token", embedded=True)
    from ray import cloudpickle

    from farm.execution.pools.ray_pools import RayPools

    cloudpickle.register_pickle_by_value(fake_stages)
    points = NamedPoint(log, name=name)
    points.install()
    points.around(RayPools, "submit", lambda _, __, task: f"the submit of a {task.unit.stage.value}")
    farm = two_jobs(folder, pace_s=0.2)
    settings = FarmSettings(store=str(folder / "store"), cache=folder / "cache", ray_auth="token")
    hardware = Hardware(cores=_CORES, memory_bytes=4 << 30, cpu_kind="cpu test", gpus=())
    with (
        opened_ray(settings=settings, hardware=hardware, stages=farm.stages) as pools,
        farm.running(pools) as coordinator,
    ):
        coordinator.run_until(lambda: coordinator.is_idle)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except FarmError as error:
        sys.exit(error.line())
