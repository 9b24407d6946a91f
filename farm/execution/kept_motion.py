"""The motion of takes that somebody may choose, kept in the store: the take that is chosen is rendered from it."""

from __future__ import annotations

import io
import logging

import numpy as np

from farm.scheduling.units import Stage, Unit
from infra.storage import ObjectStore
from jobs.errors import FarmError, ObjectNotFound
from jobs.plan import RenderPlan
from stages.payloads import Motion

logger = logging.getLogger(__name__)


def keep_window(plan: RenderPlan, window: Unit, motion: Motion, *, store: ObjectStore) -> None:
    """Keep the motion of one window; the same again is fine.

    Raises:
        SegmentDivergence: Another motion of that window is kept: it is not deterministic.
        StoreError: The store failed.
    """
    data = io.BytesIO()
    np.save(data, np.ascontiguousarray(motion.as_rows(), dtype="<f4"), allow_pickle=False)
    store.put_if_absent(_key(plan, window), data.getvalue())


def kept_windows(plan: RenderPlan, *, take: int, store: ObjectStore) -> dict[Unit, Motion]:
    """The windows of a take whose motion is kept; those that are not, or are damaged, are predicted again."""
    found: dict[Unit, Motion] = {}
    for window in plan.windows:
        unit = Unit(take, window.index, Stage.MOTION)
        try:
            data = store.get(_key(plan, unit))
            motion = Motion.from_rows(np.load(io.BytesIO(data), allow_pickle=False))
        except ObjectNotFound:
            continue
        except (FarmError, ValueError, EOFError) as error:
            logger.warning("%s of %s is predicted again: %s", unit, plan.name, error)
            continue
        if motion.frame_count == len(window.frames):
            found[unit] = motion
    return found


def _key(plan: RenderPlan, window: Unit) -> str:
    return plan.sketch_key(take=window.take, name=f"window-{window.index:05d}.npy")
