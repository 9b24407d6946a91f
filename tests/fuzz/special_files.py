"""What can lie in the place of a file and is none, or is somebody else's."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random


def _nothing(path: Path, _outside: Path) -> None:
    assert not path.exists()


def _folder(path: Path, _outside: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("a folder")


def _pipe(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path, _outside: Path) -> None:
    # The name of a socket has at most 108 bytes, so it is bound from its own folder.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


def _endless_device(path: Path, _outside: Path) -> None:
    path.symlink_to("/dev/zero")


def _empty_device(path: Path, _outside: Path) -> None:
    path.symlink_to("/dev/null")


def _loop(path: Path, _outside: Path) -> None:
    path.symlink_to(path.name)


def _dangling(path: Path, _outside: Path) -> None:
    path.symlink_to("nowhere/at/all")


def _link_out(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _relative_link_out(path: Path, outside: Path) -> None:
    path.symlink_to(os.path.relpath(outside, path.parent))


def _empty(path: Path, _outside: Path) -> None:
    path.touch()


def _sparse(path: Path, _outside: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def _dark(path: Path, _outside: Path) -> None:
    path.write_bytes(b"secret")
    path.chmod(0)


_SPECIAL: tuple[Callable[[Path, Path], None], ...] = (
    _nothing,
    _folder,
    _pipe,
    _socket,
    _endless_device,
    _empty_device,
    _loop,
    _dangling,
    _link_out,
    _relative_link_out,
    _empty,
    _sparse,
    _dark,
)


def put_special_file(path: Path, random: Random, *, outside: Path, pipes: bool = True) -> None:
    """Replace what lies at `path`.

    Args:
        path: The file.
        random: Chooses.
        outside: A file beyond the folder, for links to point at.
        pipes: Whether a pipe may come; where a pipe is as good as a file, one nobody writes to is waited for.
    """
    path.unlink(missing_ok=True)
    random.choice([kind for kind in _SPECIAL if pipes or kind is not _pipe])(path, outside)
