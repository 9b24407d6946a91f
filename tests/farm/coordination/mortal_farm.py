"""Farms in processes of their own, which may die; forked from one that has everything imported, so that each is quick.

Run as a program it is that process: it reads one order a line and answers each with one line.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

FENCED, BROKEN = 3, 70
KILLED = -signal.SIGKILL
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Life:
    """What one process of a farm did before it ended.

    Attributes:
        points: Names of the points that it came to, in order.
        rendered: Keys of the segments that it began.
        committed: Keys of the segments whose commit returned.
    """

    points: tuple[str, ...]
    rendered: tuple[str, ...]
    committed: tuple[str, ...]

    @classmethod
    def read(cls, log: Path) -> Self:
        """Read what the process wrote down."""
        lines = [line.split("\t", 1) for line in log.read_text().splitlines()] if log.exists() else []
        return cls(
            points=tuple(text for mark, text in lines if mark.isdigit()),
            rendered=tuple(text for mark, text in lines if mark == "rendered"),
            committed=tuple(text for mark, text in lines if mark == "committed"),
        )


class Nursery:
    """The parent's end: starts farms and waits for them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, folder: Path, *, log: Path, die_at: int = 0, pace_s: float = 0.0) -> int:
        """Start a farm on a folder; returns its process id."""
        order = {"folder": str(folder), "log": str(log), "die_at": die_at, "pace_s": pace_s}
        return self._ask(order)

    def wait(self, process: int) -> int:
        """Its exit status, negative where a signal ended it."""
        return self._ask({"wait": process})

    def live(self, folder: Path, *, log: Path, die_at: int = 0) -> int:
        """Start a farm and wait for its end."""
        return self.wait(self.start(folder, log=log, die_at=die_at))

    def _ask(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that starts farms is gone"
        return int(answer)


@contextmanager
def opened_nursery() -> Iterator[Nursery]:
    """The process that starts farms, for the length of a block."""
    path = os.pathsep.join([str(_HERE), str(_HERE.parent), str(_HERE.parents[2])])
    environment = os.environ | {"PYTHONPATH": path}
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield Nursery(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()


def two_jobs(folder: Path, *, pace_s: float = 0.0) -> Any:
    """The farm's folders, and a user who asks for two jobs, as often as the farm is started."""
    from small_farm import SmallFarm

    farm = SmallFarm(folder, replicas=1, seconds_per_segment=pace_s)
    farm.speak("hello.wav", seconds=2.2)
    farm.speak("short.wav", seconds=0.6, pitch=330.0)
    farm.submit("one", studio="north")
    farm.submit("two", studio="south", speech="short.wav", takes=2)
    return farm


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _live(order: dict[str, Any]) -> int:
    """One farm, from its start to the end of its work."""
    from crash_points import CrashPoints

    from farm.ledger import Ledger, load_ledger
    from jobs.errors import JournalFenced
    from jobs.journal_events import event_from_json

    points = CrashPoints(Path(order["log"]), die_at=order["die_at"])
    points.install()
    farm = two_jobs(Path(order["folder"]), pace_s=order["pace_s"])
    ticks = count()
    try:
        with farm.running(clock=lambda: 0.05 * next(ticks)) as coordinator:
            coordinator.run_until(lambda: coordinator.is_idle)
            ledger = coordinator.state.writer.ledger
    except JournalFenced:
        return FENCED
    assert ledger == load_ledger(farm.journal)[0]
    entries = list(farm.journal.read())
    events = [event_from_json(entry.body) for entry in entries]
    assert ledger == Ledger.fold(events, at=[entry.at for entry in entries])
    farm.journal.close()
    return 0


def _forked(order: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = BROKEN
    try:
        code = _live(order)
    except BaseException:  # noqa: BLE001  # whatever it is, this process ends here
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Obey orders until there are no more."""
    import crash_points  # noqa: F401  # imported once, for all farms
    import small_farm  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = _forked(order)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
