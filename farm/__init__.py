"""Orchestration: from a render job to its masters, on any number of replicas.

report = render_job(load_job(path), settings=..., pools=PoolSizes(render=4), ...)
"""

from __future__ import annotations

from farm.config import PoolSizes
from farm.rendering import render_job
from farm.report import FinishedTake, RenderReport

__all__ = ["FinishedTake", "PoolSizes", "RenderReport", "render_job"]
