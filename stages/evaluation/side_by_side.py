"""Several passes over videos at once, in threads: decoding, MediaPipe and OpenCV all release the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Event, Lock
from typing import TypeVar

from stages.evaluation.options import Progress

T = TypeVar("T")

Tick = Callable[[], None]
"""To be called after each frame of a pass."""


class _StoppedError(Exception):
    """Another pass failed, or the caller was interrupted."""


class PassRunner:
    """Runs passes side by side and counts their frames; one for each evaluation."""

    def __init__(self, *, workers: int, progress: Progress | None) -> None:
        self._workers = workers
        self._progress = progress
        self._lock = Lock()
        self._stopped = Event()

    def run(self, passes: Sequence[Callable[[], T]]) -> list[T]:
        """What the passes return, in order. The first error ends the others, at their next tick, and is raised."""
        with ThreadPoolExecutor(self._workers) as pool:
            futures = [pool.submit(each) for each in passes]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                failed = [each for each in futures if each.done() and each.exception()]
                return [each.result() for each in failed or futures]
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def counter(self, step: str, *, total: int) -> Tick:
        """Counts the frames of a step, which several passes may share; ends a pass that is to stop."""
        done = 0

        def tick() -> None:
            nonlocal done
            if self._stopped.is_set():
                raise _StoppedError
            with self._lock:
                done += 1
                if self._progress is not None:
                    self._progress(step, done, total)

        return tick
