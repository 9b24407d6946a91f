"""What becomes of work that failed: the one place that reads `FarmError.retry`. No Ray, and no clock but the one given.

    never      the job, pair or run ends at once, with the error itself
    later      it waits, twice as long each time, charged to nobody; once patience is over it ends with the error itself
    elsewhere  another replica tries it, or a fresh one, until the budget of the window, face or segment is spent

Who pays is told by whose error it is. What a stage reports is charged to the unit. A machine's failure is charged to no
unit, but one over which machines failed again and again has to run alone on a fresh one, and is given up after that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

from jobs.errors import FarmError, InfrastructureError, SegmentFailed
from jobs.farm_error import Retry
from jobs.farm_spec import FarmPool

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 15.0
"""A job that is cancelled while it waits ends after this at the latest."""

WATCHED_PATIENCE_S: Final = 60.0
"""Of a command that somebody looks on at: all that it made so far is committed, and is not made again."""

T = TypeVar("T")


class FailureVerdict(Enum):
    """What becomes of a unit that failed."""

    END = "end"  # its job ends with it
    LATER = "later"
    ELSEWHERE = "elsewhere"
    ALONE = "alone"  # elsewhere, on a fresh replica that gets nothing else
    GIVE_UP = "give up"


def is_of_machine(error: FarmError) -> bool:
    """Whether a machine failed, and not the work; no job pays for it."""
    return isinstance(error, InfrastructureError)


@dataclass(slots=True)
class UnitRecord:
    """What happened to a window, a face or a segment that is not done.

    Attributes:
        failed_on: Replicas on which it failed.
        failures: How often it failed.
        suspicion: Replicas that died, or whose machine failed, while they ran it.
        error: What it came to last.
    """

    failed_on: set[str] = field(default_factory=set)
    failures: int = 0
    suspicion: int = 0
    error: FarmError | None = None

    def failed(self, error: FarmError, *, replica: str, was_alone: bool, rules: FarmPool) -> FailureVerdict:
        """Enter a failure, and say what becomes of the unit.

        Args:
            error: What it came to; a replica that is gone is a `ReplicaLost`.
            replica: Where.
            was_alone: It ran alone on a fresh replica.
            rules: The budget.
        """
        self.error = error
        if error.retry is Retry.NEVER:
            return FailureVerdict.END
        if error.retry is Retry.LATER:
            return FailureVerdict.LATER
        if is_of_machine(error):
            self.suspicion += 1
            is_spent = was_alone
        else:
            self.failures += 1
            self.failed_on.add(replica)
            is_spent = len(self.failed_on) >= rules.max_failures or self.failures >= rules.max_tries_failed
        if is_spent:
            return FailureVerdict.GIVE_UP
        return FailureVerdict.ALONE if self.is_suspect(rules) else FailureVerdict.ELSEWHERE

    def is_suspect(self, rules: FarmPool) -> bool:
        """It may be what kills replicas: it runs alone."""
        return self.suspicion >= rules.max_suspicion

    def losses(self) -> str:
        """How often machines failed over it, and how the last one did."""
        last = "" if self.error is None else f"; last: {self.error.message}"
        return f"{self.suspicion} replicas were lost while they ran it{last}"

    def given_up(self) -> FarmError:
        """The error that a unit comes to whose budget is spent: its last one, and how often that was tried."""
        assert self.error is not None
        error = copy(self.error)
        if is_of_machine(error):
            text = f"alone on a fresh replica: {self.losses()}"
            error = SegmentFailed(text, where=error.where, hint=error.hint)
            error.traceback, error.traceback_file = self.error.traceback, self.error.traceback_file
        else:
            tries = f"failed {self.failures} times on {len(self.failed_on)} replicas"
            error.message = f"{tries}; last: {error.message}"
        error.retry = Retry.NEVER
        return error


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long one piece of work is tried again while something that it needs does not answer.

    Attributes:
        limit_s: From the first failure on, nothing is tried again after this. With 0 the first failure is the last.
        first_wait_s, longest_wait_s: Each wait is twice the one before, up to the longest.
        failures: How often it was tried in vain since it last got on.
        error: Why it waits; None where it does not.
        is_news: The last failure is of another kind than the one before it.
        until: When it is tried again.
    """

    limit_s: float
    first_wait_s: float | None = None
    longest_wait_s: float = LONGEST_WAIT_S
    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    error: FarmError | None = None
    is_news: bool = False
    until: float = 0.0
    _ends_at: float = 0.0

    def wait_s(self, error: FarmError) -> float | None:
        """Seconds until another try, the last of them when patience ends; None where waiting cannot help."""
        if error.retry is not Retry.LATER:
            return None
        now = self.clock()
        if self.failures == 0:
            self._ends_at = now + self.limit_s
        if now >= self._ends_at:
            return None
        first = FIRST_WAIT_S if self.first_wait_s is None else self.first_wait_s
        wait_s = min(self.longest_wait_s, first * 2.0 ** min(self.failures, 30), self._ends_at - now)
        self.failures += 1
        before = self.error
        self.is_news = before is None or (before.code, before.message) != (error.code, error.message)
        self.error, self.until = error, now + wait_s
        return wait_s

    @property
    def is_waiting(self) -> bool:
        """It is not worth another try yet."""
        return self.error is not None and self.clock() < self.until

    def got_on(self) -> None:
        """What it needs answered."""
        self.failures, self.error = 0, None

    def sentence(self, doing: str) -> str:
        """What it waits for."""
        return f"{doing} waits, and is tried again: {self.error.line() if self.error else ''}"


def patiently(work: Callable[[], T], *, limit_s: float, told: Callable[[FarmError], object]) -> T:
    """Do work in this thread, as often as it takes while what it needs does not answer.

    Args:
        work: What to do.
        limit_s: See `Patience`.
        told: Is told of each new cause before it waits.

    Raises:
        FarmError: As the work, once nothing is worth waiting for.
    """
    patience = Patience(limit_s=limit_s)
    while True:
        try:
            return work()
        except FarmError as error:
            wait_s = patience.wait_s(error)
            if wait_s is None:
                raise
            if patience.is_news:
                told(error)
        time.sleep(wait_s)
