"""Whether files are still the ones that were loaded, told without reading them."""

from __future__ import annotations

from pathlib import Path

FileState = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of the last change (ns) and inode of each file; two equal states are the same bytes."""


def state_of(path: Path) -> FileState:
    """The state of a file, or of every file below a folder; empty where there is nothing."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    state = []
    for file in files:
        try:
            facts = file.stat()
        except FileNotFoundError:
            # Whoever loads it finds the words for this.
            continue
        state.append((str(file), facts.st_size, facts.st_mtime_ns, facts.st_ino))
    return tuple(state)
