"""Files and folders that are written whole or not at all, whatever becomes of the process that writes them."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PARTIAL: Final = re.compile(r"\.(.+)\.([A-Za-z0-9_-]{8})\.part", re.DOTALL)
"""What is not whole is called: by the name it will have; then by whom it is written, see `_mark`."""

# Nothing is written for a day: what is older was left by a process that was killed.
_LEFTOVER_AGE_S: Final = 24 * 3600
# Eight letters, since a name may be almost as long as any can.
_MACHINE_BITS, _PROCESS_BITS, _OTHER_BITS = 12, 24, 12

_in_hand: set[str] = set()
_names = itertools.count()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A name for a file that becomes `path` as the block ends: a reader sees the old file or the new one, never a part.

    Where the block raises, what was there before stays.

    Raises:
        OSError: It cannot be written.
    """
    with beside(path) as partial:
        yield partial
        flush(partial)
        partial.replace(path)
    flush(path.parent)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """The same as `hidden_name`; what is called so as the block ends is removed."""
    with hidden_name(path) as partial:
        try:
            yield partial
        finally:
            _remove(partial)


@contextmanager
def hidden_name(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` that nobody else has, for a file or a folder.

    What killed processes left of the same `path` is removed first.
    """
    _sweep(path)
    partial = path.with_name(f".{path.name}.{_mark()}.part")
    _in_hand.add(partial.name)
    try:
        yield partial
    finally:
        _in_hand.discard(partial.name)


def flush(path: Path) -> None:
    """See that a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(path: Path) -> None:
    # What cannot be looked at or removed is in the way of nothing but the disk.
    with suppress(OSError):
        for found in path.parent.iterdir():
            left = PARTIAL.fullmatch(found.name)
            if left and left[1] == path.name and _is_left(found, mark=left[2]):
                _remove(found)


def _is_left(path: Path, *, mark: str) -> bool:
    number = int.from_bytes(base64.urlsafe_b64decode(mark), "big") >> _OTHER_BITS
    machine, process = divmod(number, 1 << _PROCESS_BITS)
    if machine != _machine():
        return time.time() - path.lstat().st_mtime > _LEFTOVER_AGE_S
    if process == os.getpid():
        # The first process of each container has the same number.
        return path.name not in _in_hand
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # somebody else's, and alive
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _mark() -> str:
    """Machine and process that write, and what tells their files apart."""
    number = (_machine() << _PROCESS_BITS | os.getpid()) << _OTHER_BITS | next(_names) % (1 << _OTHER_BITS)
    size = (_MACHINE_BITS + _PROCESS_BITS + _OTHER_BITS) // 8
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).decode("ascii")


@functools.cache
def _machine() -> int:
    """Where a number of a process means this one: a machine from one start to the next, or one container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        place = f"{boot}{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux, and so no container
        place = platform.node()
    digest = hashlib.sha256(place.encode()).digest()
    return int.from_bytes(digest, "big") >> (8 * len(digest) - _MACHINE_BITS)
