"""How long a job waits for something that does not answer before it fails for it.

One request to S3 insists for seconds. A store that is away for minutes is no fault of the jobs that need it: what the
background does for them is tried again until it succeeds, or the farm's patience ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from jobs.errors import FarmError, InfrastructureError

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 15.0
"""A job that is cancelled while it waits ends after this at the latest."""


@dataclass(slots=True, kw_only=True)
class RetryPatience:
    """What one piece of work met with so far.

    Attributes:
        limit_s: From the first failure on, nothing is tried again after this. With 0 the first failure is the last.
        failures: How often it was tried in vain.
        trouble: Why it waits; empty where it does not.
    """

    limit_s: float
    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    trouble: str = ""
    _ends_at: float = 0.0

    def wait_s(self, error: FarmError) -> float | None:
        """Seconds until the same is worth another try; None where the error is final."""
        if not (error.is_outage or isinstance(error, InfrastructureError)):
            return None
        now = self.clock()
        if self.failures == 0:
            self._ends_at = now + self.limit_s
        if now >= self._ends_at:
            return None
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**self.failures, self._ends_at - now)
        self.failures += 1
        self.trouble = error.line()
        return wait_s

    def sentence(self, doing: str) -> str:
        """What it waits for."""
        return f"{doing} waits, and is tried again: {self.trouble}"
