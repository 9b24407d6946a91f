"""What the commands are wired to. Tests wire in small stages and a backend without processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from farm.execution.backend import ExecutionBackend
from farm.execution.opening import opened_ray
from farm.execution.real_stages import RealStages
from farm.execution.stages_factory import StageFactory
from infra.hardware import Hardware, probe_hardware
from infra.settings import FarmSettings


class OpenOn(Protocol):
    """Opens a backend for a block, see `farm.execution.opening`."""

    def __call__(
        self, *, settings: FarmSettings, hardware: Hardware, stages: StageFactory
    ) -> AbstractContextManager[ExecutionBackend]:
        """The opened backend."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Attributes: stages, open_on: what is loaded and where it runs; probe: looks at this machine."""

    stages: StageFactory = field(default_factory=RealStages)
    open_on: OpenOn = opened_ray
    probe: Callable[[], Hardware] = probe_hardware
