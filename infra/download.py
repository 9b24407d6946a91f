"""Objects downloaded into a folder of the cache: all of them or none, once per version."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jobs.locations import S3Address

LEFTOVER_AGE_S: Final = (
    24 * 3600
)  # no download takes a day; what is older was left by a process that was killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object to download.

    Attributes:
        address: Where it is.
        name: Name of the file it becomes.
        etag: Its version; may be empty.
    """

    address: S3Address
    name: str
    etag: str


def download_once(wanted: Sequence[Wanted], *, client: Any, folder: Path) -> None:
    """Fill a folder, unless it is there: it appears under its name when it is complete.

    Args:
        wanted: The objects.
        client: The client.
        folder: Named after the objects and their versions.

    Raises:
        S3Error: An object is not there, is another version, or cannot be read; there is no folder then.
        OSError: The cache cannot be written.
    """
    from infra.storage.s3_read import read_into

    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.mkdir()
        for one in wanted:
            with (temporary / one.name).open("wb") as file:
                read_into(client, one.address, file, etag=one.etag)
        try:
            temporary.rename(folder)
        except OSError:
            # Another process may have fetched the same version meanwhile, which is as good.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sweep(cache: Path) -> None:
    for path in cache.glob(".*"):
        with suppress(FileNotFoundError):  # another process sweeps too
            if time.time() - path.stat().st_mtime > LEFTOVER_AGE_S:
                shutil.rmtree(path)
