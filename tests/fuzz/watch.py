"""Guards against files outside a case's folder: what Python opens for writing, and what has changed afterwards."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_HARMLESS = ("/dev/null", "/dev/tty")
_CHANGES = {
    "os.mkdir": 1,
    "os.rename": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.utime": 1,
}
"""Events of Python's audit by which a file changes, and how many of their arguments are paths."""


class WriteWatch:
    """Notes every file that Python code writes, makes or removes outside the folders that are allowed."""

    def __init__(self) -> None:
        self._allowed: tuple[str, ...] | None = None
        self.strays: list[str] = []
        sys.addaudithook(self._hear)

    def start(self, *allowed: Path) -> None:
        """Watch from now on, with these folders and all below them allowed."""
        self.strays = []
        self._allowed = tuple(os.path.realpath(folder) for folder in allowed)

    def allow(self, folder: Path) -> None:
        """Allow one more, or the highest folder that would have to be made for it."""
        while not (_exists(folder) or _exists(folder.parent)):
            folder = folder.parent
        self._allowed = (*(self._allowed or ()), os.path.realpath(folder))

    def stop(self) -> None:
        self._allowed = None

    def _hear(self, event: str, arguments: tuple) -> None:
        if self._allowed is None:
            return
        if event == "open":
            path, _, flags = arguments
            paths = (path,) if isinstance(flags, int) and flags & _WRITES else ()
        else:
            paths = arguments[: _CHANGES.get(event, 0)]
        for path in paths:
            if isinstance(path, (str, bytes, os.PathLike)):
                self._note(event, os.fsdecode(path))

    def _note(self, event: str, path: str) -> None:
        # A file that is opened is where links lead to; one that is made or removed is where its folder is.
        named = Path(path)
        real = os.path.realpath(path) if event == "open" else f"{os.path.realpath(named.parent)}/{named.name}"
        inside = any(
            real == folder or real.startswith(folder.rstrip("/") + "/") for folder in self._allowed or ()
        )
        if not inside and real not in _HARMLESS:
            self.strays.append(f"{event} {real!r}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # such as a name that is too long


def inventory(root: Path, *, without: Path) -> dict[str, tuple[int, int, int]]:
    """Kind, size and time of change of everything below a folder, but for one folder in it."""
    found = {}
    for place, folders, files in os.walk(root):
        if Path(place) == without.parent:
            folders[:] = [name for name in folders if name != without.name]
        for name in (*folders, *files):
            facts = Path(place, name).lstat()
            changed = 0 if stat.S_ISDIR(facts.st_mode) else facts.st_mtime_ns
            found[f"{place}/{name}"] = (facts.st_mode, facts.st_size * (changed != 0), changed)
    return found
