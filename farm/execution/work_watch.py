"""What a replica is at, as another thread sees and steers it: frames drawn, tasks withdrawn, a wish to stop.

A task that stands still is to blame for it only while it owes a frame. Before its first one it loads weights and a
subject, after its last one it checks, writes and commits: where that hangs, a disk or a store hangs. Such a task counts
as one that goes on for as long as its replica answers; only the limit on its whole time ends it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

from farm.execution.calls import WholeStep

Frame = TypeVar("Frame")

# Begun tasks that are remembered, so that a late recall is refused. A replica holds two tasks at a time.
_REMEMBERED = 256


class StopAsked(Exception):
    """Somebody wants the running task to stop. It leaves no replica."""


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """What a replica was at when it was asked.

    Attributes:
        key: The running task; empty where there is none.
        frames: Frames that it has drawn; 0 for a stage that draws none.
        owes_frame: It draws, and its last frame is not drawn yet.
        step: How far it is, where it is a job in one piece and said so.
    """

    key: str = ""
    frames: int = 0
    owes_frame: bool = False
    step: WholeStep | None = None

    def shows_progress_since(self, before: WorkProgress) -> bool:
        """Whether the running task drew a frame since the progress before, or owes none."""
        drawn_before = before.frames if before.key == self.key else 0
        return bool(self.key) and (self.frames > drawn_before or not self.owes_frame)


class WorkWatch:
    """Shared by the thread that works and the one that answers. One task runs at a time, in the order given."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running = ""
        self._frames = 0
        self._owes_frame = False
        self._stop_asked = False
        self._step: WholeStep | None = None
        self._withdrawn: set[str] = set()
        self._begun: deque[str] = deque(maxlen=_REMEMBERED)

    def begin(self, key: str) -> bool:
        """The task is next; False where it was withdrawn before."""
        with self._lock:
            self._begun.append(key)
            if key in self._withdrawn:
                self._withdrawn.discard(key)
                return False
            self._take_up(key)
            return True

    def end(self) -> None:
        """Nothing runs any more."""
        with self._lock:
            self._take_up("")

    def progress(self) -> WorkProgress:
        """What runs now."""
        with self._lock:
            return WorkProgress(self._running, self._frames, self._owes_frame, self._step)

    def withdraw(self, key: str) -> bool:
        """Never begin the task; False where it has begun already."""
        with self._lock:
            if key in self._begun:
                return False
            self._withdrawn.add(key)
            return True

    def ask_stop(self, key: str) -> bool:
        """Stop the task at its next frame if it runs; True where it has not begun, and now never will."""
        with self._lock:
            if key == self._running:
                self._stop_asked = True
                return False
        return self.withdraw(key)

    def check(self) -> None:
        """Call where a task may stop.

        Raises:
            StopAsked: It shall.
        """
        with self._lock:
            if self._stop_asked:
                raise StopAsked

    def tell(self, step: WholeStep) -> None:
        """The job in one piece that runs is so far.

        Raises:
            StopAsked: It shall stop.
        """
        with self._lock:
            self._step = step
        self.check()

    def counted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames, counted on their way; from when the first is wanted until the last is taken, one is owed.

        Raises:
            StopAsked: Somebody asked for it; polled before each frame is handed on.
        """
        with self._lock:
            self._owes_frame = True
        for frame in frames:
            self.check()
            with self._lock:
                self._frames += 1
            yield frame
        with self._lock:
            self._owes_frame = False

    def _take_up(self, key: str) -> None:
        self._running, self._frames, self._owes_frame, self._stop_asked = key, 0, False, False
        self._step = None
