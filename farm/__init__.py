"""Orchestration: from render jobs to their masters, on any number of replicas.

report = render_job(load_job(path), settings=..., pools=PoolSizes(render=4), ...)

Names are looked up when they are used: every replica's process imports this package, and needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from farm.config import PoolSizes
    from farm.render_report import FinishedTake, RenderReport
    from farm.rendering import render_job
    from farm.shared_farm import run_farm

__all__ = ["FinishedTake", "PoolSizes", "RenderReport", "render_job", "run_farm"]

_HOMES: Final = {
    "FinishedTake": "farm.render_report",
    "PoolSizes": "farm.config",
    "RenderReport": "farm.render_report",
    "render_job": "farm.rendering",
    "run_farm": "farm.shared_farm",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
