"""Work that takes long and needs no replica, beside the loop: reading speech, planning, joining masters."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TypeVar

from farm.translation import translate
from jobs.errors import FarmError, InternalError

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Later:
    """Work that is not begun before its time."""

    due: float
    begin: Callable[[], None]


class WorkKind(Enum):
    """Kinds of work that do not hold one another up."""

    PLAN = "plan"
    SPEECH = "speech"
    FINISH = "finish"
    STORE = "store"
    AGAIN = "again"  # whatever was tried in vain before


class BackgroundWork:
    """A few threads for each kind. What they return is taken in by the loop, in the loop's own thread.

    A place that does not answer holds up the first tries of what needs such places, and what is tried again; never
    the speech of a job whose turn has come.
    """

    def __init__(self, *, workers: int = 4) -> None:
        """Args: workers: threads of each kind."""
        # A kind's threads are only started once there is work for them.
        self._threads = {
            kind: ThreadPoolExecutor(max_workers=workers, thread_name_prefix=f"background-{kind.value}")
            for kind in WorkKind
        }
        self._under_way: list[tuple[Future[object], Callable[[], None]]] = []
        self._later: list[_Later] = []

    @property
    def is_idle(self) -> bool:
        """Nothing is under way or waits for its time."""
        return not self._under_way and not self._later

    def ask(
        self,
        work: Callable[[], T],
        then: Callable[[T | FarmError], None],
        *,
        kind: WorkKind,
        after_s: float = 0.0,
    ) -> None:
        """Have work done; `then` is called by `deliver` with what it returned, or with the error it raised.

        Args:
            work: Is done in a thread.
            then: Is called in the thread of the loop; it raises nothing but what ends the farm.
            kind: Which threads do it.
            after_s: Seconds that pass before it is tried again, by the threads for that; none waits for them.
        """
        if after_s > 0:
            begin = partial(self._begin, WorkKind.AGAIN, work, then)
            self._later.append(_Later(due=time.monotonic() + after_s, begin=begin))
        else:
            self._begin(kind, work, then)

    def deliver(self) -> bool:
        """Hand over everything that is done, and begin what is due; True where anything was done.

        An exception that nobody foresaw is an error of the job that it happened to, not of the farm.
        """
        self._begin_due()
        done: list[Callable[[], None]] = []
        under_way: list[tuple[Future[object], Callable[[], None]]] = []
        for future, take in self._under_way:
            # Asked once: work that ends between two questions would be in neither list.
            if future.done():
                done.append(take)
            else:
                under_way.append((future, take))
        self._under_way = under_way
        for take in done:
            take()
        return bool(done)

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._later.clear()
        for pool in self._threads.values():
            pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, kind: WorkKind, work: Callable[[], T], then: Callable[[T | FarmError], None]) -> None:
        future = self._threads[kind].submit(work)
        self._under_way.append((future, partial(_take, future, then)))  # type: ignore[arg-type]

    def _begin_due(self) -> None:
        now = time.monotonic()
        due = [later for later in self._later if later.due <= now]
        self._later = [later for later in self._later if later.due > now]
        for later in due:
            later.begin()


def _take(future: Future[T], then: Callable[[T | FarmError], None]) -> None:
    try:
        result: T | FarmError = future.result()
    except Exception as error:
        result = translate(error, where="", otherwise=InternalError)
        if not isinstance(error, FarmError):
            logger.info("beside the loop: %s", result.line(), exc_info=error)
    then(result)
