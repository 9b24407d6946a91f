"""The studio's own places on disk: proved before anything is rendered, and written whole or not at all.

An hour of work must not end at a full disk, and a failed job must leave nothing, not even a folder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.errors import DiskFull, FarmError, OutputUnwritable, Retry, is_away
from stages.whole_files import beside, hidden_name, written_whole

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_destination(path: Path, *, need_bytes: int = 0, where: str) -> None:
    """Prove that a file of the size could be written at the path; nothing remains of the proof.

    Args:
        path: Absolute path of the file to be written; missing folders are fine if they can be made.
        need_bytes: Room that must be there.
        where: The field that asked for the path, for the error.

    Raises:
        OutputUnwritable: The path is a folder, lies below a file, or may not be written.
        DiskFull: There is no room of that size.
    """
    if _is_folder(path):
        raise OutputUnwritable(f"'{path}' is a folder", where=where, hint="name a file in it")
    try:
        with (
            _proving_ground(path) as folder,
            hidden_name(folder / path.name) as partial,
            partial.open("xb") as file,
        ):
            # Without a name nothing is left of it, even where this process is killed.
            partial.unlink()
            if need_bytes:
                # Reserving asks the file system itself, so quotas and limits count; its free space alone does not.
                os.posix_fallocate(file.fileno(), 0, need_bytes)
    except OSError as error:
        raise explained(error, path=path, where=where, need_bytes=need_bytes) from error


def write_whole(path: Path, data: bytes, *, where: str) -> None:
    """Write a small file so that a reader sees the old one or the new one, never a part.

    Raises:
        OutputUnwritable: The path cannot be written; what was there before is still there.
        DiskFull: There is no room; what was there before is still there.
    """
    with _in_folder(path, where=where, need_bytes=len(data)), written_whole(path) as partial:
        partial.write_bytes(data)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # such as a name that is too long; to write there says what is wrong


@contextmanager
def _proving_ground(path: Path) -> Iterator[Path]:
    """The folder of `path`, or where it is still to be made, one like it below a folder that nobody else knows.

    To make and remove the folder itself would take it from under another job that is about to write there.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    if not missing:
        yield path.parent
        return
    with hidden_name(missing[-1].with_name(missing[-1].name[:64])) as ground:
        made = [ground]
        try:
            ground.mkdir()
            # One by one: mkdir(parents=True) calls itself for every level, and a job may name a thousand.
            for folder in reversed(missing):
                made.append(made[-1] / folder.name)
                made[-1].mkdir()
            yield made[-1]
        finally:
            for folder in reversed(made):
                with suppress(OSError):
                    folder.rmdir()


@contextmanager
def folder_beside(path: Path, *, where: str) -> Iterator[Path]:
    """An empty hidden folder beside `path`, which is gone as the block ends.

    Raises:
        OutputUnwritable, DiskFull: It cannot be made, or the block raises an OSError.
    """
    with _in_folder(path, where=where, need_bytes=0), beside(path) as folder:
        folder.mkdir()
        yield folder


@contextmanager
def _in_folder(path: Path, *, where: str, need_bytes: int) -> Iterator[None]:
    """The folder of `path` is there in the block; after an error it is gone again if it was made for it."""
    made: list[Path] = []
    done = False
    try:
        made += [folder for folder in path.parents if not folder.exists()]
        # One by one: mkdir(parents=True) calls itself for every level, and a job may name a thousand.
        for folder in reversed(made):
            folder.mkdir(exist_ok=True)
        yield
        done = True
    except OSError as error:
        raise explained(error, path=path, where=where, need_bytes=need_bytes) from error
    finally:
        for folder in made if not done else ():
            with suppress(OSError):
                folder.rmdir()


def explained(error: OSError, *, path: Path, where: str, need_bytes: int) -> FarmError:
    """The farm's error for a place that the operating system refused to write or to look at."""
    if error.errno in _NO_ROOM:
        return DiskFull(
            f"'{path.parent}' has no room for the {max(need_bytes, 1) / 1e6:.1f} MB that may be needed",
            where=where,
            hint="free some space, or write to another disk",
        )
    return OutputUnwritable(
        f"'{path}' cannot be written: {(error.strerror or type(error).__name__).lower()}",
        where=where,
        hint="check that the folder exists and may be written to",
        retry=Retry.LATER if is_away(error) else None,
    )
