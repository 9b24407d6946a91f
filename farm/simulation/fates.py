"""What becomes of a try: how long it takes, and what goes wrong with it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import StrEnum

from jobs.simulation_spec import SimulatedFaults, SimulatedJob


class Fate(StrEnum):
    """How a try ends when nobody interferes."""

    COMMIT = "commit"
    CRASH = "crash"
    HANG = "hang"
    OUTPUT = "output"
    STORAGE = "storage"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Lot:
    """A try's fate and the seconds until it shows; a hang never does.

    Attributes:
        commits_first: The segment is in the store when the replica dies, and nobody was told.
    """

    fate: Fate
    seconds: float
    commits_first: bool = False


def draw_lot(
    job: SimulatedJob, segment: int, *, faults: SimulatedFaults, now: float, chance: random.Random
) -> Lot:
    """The lot of one try. Poison and broken segments have theirs whatever the faults."""
    # Log-normal with the mean that the job says, since no segment takes less than nothing.
    sigma = math.sqrt(math.log1p(faults.spread**2))
    seconds = job.segment_seconds * math.exp(chance.gauss(-sigma * sigma / 2, sigma))
    drawn, part = chance.random(), chance.uniform(0.05, 0.95)
    if segment in job.poison:
        return Lot(Fate.CRASH, seconds * part)
    if segment in job.broken:
        return Lot(Fate.OUTPUT, seconds)
    if segment in job.unusable:
        return Lot(Fate.PERMANENT, seconds * part)
    if faults.until is not None and now >= faults.until:
        return Lot(Fate.COMMIT, seconds)
    if drawn < faults.crash:
        return Lot(Fate.CRASH, seconds * part, commits_first=part > 0.8)
    drawn -= faults.crash
    for fate, rate in (
        (Fate.HANG, faults.hang),
        (Fate.OUTPUT, faults.output),
        (Fate.STORAGE, faults.storage),
    ):
        if drawn < rate:
            return Lot(fate, seconds)
        drawn -= rate
    return Lot(Fate.COMMIT, seconds * (faults.slow_factor if drawn < faults.slow else 1.0))
