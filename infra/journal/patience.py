"""How long a journal insists when its database is busy or away for a moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabasePatience:
    """Times in seconds.

    Attributes:
        busy_s: How long one attempt waits for another writer.
        waits_s: Waits between attempts, each shortened by up to half at random; one attempt more than waits.
    """

    busy_s: float = 5.0
    waits_s: tuple[float, ...] = (0.2, 0.8, 2.0, 5.0, 10.0, 15.0)
