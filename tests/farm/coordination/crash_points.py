"""Numbered points at which a farm can die: before and after everything that outlives it or hands something on.

The parts stay the real ones; here they are wrapped, in a process of their own, so that it comes to a point before and
after each call. With its clock and its background in step with the loop, a farm comes to the same points in every run.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from farm.coordination import coordinator, journal_writer
from farm.coordination.background import WorkKind
from farm.execution.calls import FaceCall, SegmentCall
from farm.execution.pools.inline_pools import InlinePools
from farm.execution.pools.messages import Finished, Task
from farm.execution.replica import Replica
from infra.journal.sql_journal import SqlJournal
from infra.storage.folder import FolderStore
from jobs.errors import FarmError
from jobs.journal_events import StateMoved, event_from_json

# Small enough that snapshots fall between all kinds of events.
SNAPSHOT_EVERY = 12


class CrashPoints:
    """Counts the points, writes each down, and dies at one of them."""

    def __init__(self, log: Path, *, die_at: int = 0) -> None:
        """Args: log: gains one line for each point and deed; die_at: number of the fatal point, 0 for none."""
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._die_at = die_at
        self._count = 0

    def come_to(self, name: str) -> None:
        """The farm is at this point; perhaps it is its last."""
        self._count += 1
        self.tell(f"{self._count}\t{name}")
        if self._count == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, line: str) -> None:
        """Write a line that is there whatever happens next."""
        os.write(self._log, f"{line}\n".encode())

    def around(self, owner: Any, attribute: str, name: Callable[..., str]) -> None:
        """Come to a point before and after each call of the attribute; an empty name makes none."""
        original = getattr(owner, attribute)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            what = name(*arguments, **options)
            if what:
                self.come_to(f"before {what}")
            result = original(*arguments, **options)
            if what:
                self.come_to(f"after {what}")
            return result

        setattr(owner, attribute, wrapped)

    def install(self) -> None:
        """Wrap every part of the farm in this process, for good."""
        journal_writer._SNAPSHOT_EVERY = SNAPSHOT_EVERY
        # First, so that a deed is told before the process may die at the point after it.
        self._tell_deeds()
        self.around(SqlJournal, "begin_epoch", lambda *_: "the epoch begins")
        self.around(SqlJournal, "append", _append)
        self.around(SqlJournal, "keep_snapshot", lambda *_: "a snapshot")
        self.around(SqlJournal, "ask", lambda *_, **__: "a request")
        self.around(FolderStore, "put_if_absent", lambda _, key, *__, **___: f"a put of a {_kind(key)}")
        for rename in ("replace", "rename", "link"):
            self.around(os, rename, lambda _, place, what=rename: _renaming(what, str(place)))
        self.around(InlinePools, "submit", lambda _, __, task: f"the submit of a {_what(task)}")
        self.around(Replica, "perform", lambda _, task: f"the work on a {_what(task)}")
        coordinator.BackgroundWork = lambda: BackgroundInStep(self)  # type: ignore[assignment, misc]

    def _tell_deeds(self) -> None:
        """Say which segments are begun and which are committed, and let all take the same time."""
        perform, put = Replica.perform, FolderStore.put_if_absent

        def performed(replica: Replica, task: Task) -> Any:
            if isinstance(task.call, SegmentCall):
                self.tell(f"rendered\t{task.call.key}")
            ended = perform(replica, task)
            return dataclasses.replace(ended, seconds=1.0) if isinstance(ended, Finished) else ended

        def committed(store: FolderStore, key: str, *arguments: Any, **options: Any) -> Any:
            outcome = put(store, key, *arguments, **options)
            if _kind(key) == "segment":
                self.tell(f"committed\t{key}")
            return outcome

        Replica.perform, FolderStore.put_if_absent = performed, committed  # type: ignore[method-assign, assignment]


class BackgroundInStep:
    """A background that does one piece of work a turn, in the loop's own thread."""

    def __init__(self, points: CrashPoints) -> None:
        self._points = points
        self._waiting: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []

    @property
    def is_idle(self) -> bool:
        return not self._waiting

    def ask(
        self, work: Callable[[], Any], then: Callable[[Any], None], *, kind: WorkKind, after_s: float = 0.0
    ) -> None:
        self._waiting.append((work, then))

    def deliver(self) -> bool:
        if not self._waiting:
            return False
        work, then = self._waiting.pop(0)
        what = f"the background's work: {getattr(work, 'func', work).__name__.strip('_')}"
        self._points.come_to(f"before {what}")
        try:
            result: Any = work()
        except FarmError as error:
            result = error
        self._points.come_to(f"after {what}")
        then(result)
        self._points.come_to(f"after {what} is taken in")
        return True

    def close(self) -> None:
        self._waiting.clear()


def _append(
    _: Any,
    __: int,
    bodies: Sequence[str],
    *,
    answers: Sequence[tuple[int, str]] = (),
    at: float | None = None,
) -> str:
    """Named after what matters most in it."""
    events = [event_from_json(body) for body in bodies]
    telling = [event.kind for event in events if not isinstance(event, StateMoved)]
    jobs = [
        f"{event.after} job" for event in events if isinstance(event, StateMoved) and "/" not in event.subject
    ]
    others = sorted({event.event for event in events if isinstance(event, StateMoved)})
    what = next(iter([*telling, *jobs, *others]), "nothing")
    return f"an append of {what}" + (" with an answer" if answers else "")


def _kind(key: str) -> str:
    if key.endswith(".inspection.json"):
        return "inspection"
    if "/segment-" in key:
        return "link"
    return "segment" if "segments/" in key else "manifest" if key.endswith(".json") else "master"


def _renaming(what: str, place: str) -> str:
    if "/.checksums/" in place:
        return f"the {what} of a checksum of a {_kind(place)}"
    return f"the {what} of a {_kind(place)}" + ("" if "/store/" in place else " to its place")


def _what(task: Task) -> str:
    if isinstance(task.call, SegmentCall):
        return "segment"
    return "face" if isinstance(task.call, FaceCall) else "window"
