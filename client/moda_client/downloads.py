"""Masters on their way to a file: what is there stays, what was cut off goes on, what is wrong never gets the name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx

from moda_client.answers import Master
from moda_client.errors import FarmUnreachable, checked

_PART_BYTES = 1 << 20


def fetch(http: httpx.Client, master: Master, path: Path, *, replace: bool) -> None:
    """Fetch a master, or the rest of it.

    Args:
        replace: Whatever lies at the path may go.

    Raises:
        FileExistsError: The path holds something else.
        FarmRefused: The farm does not hand it over.
        FarmUnreachable: What came is not the master; nothing of it is kept.
    """
    if path.exists():
        if _sha256(path) == master.sha256:
            return
        if not replace:
            raise FileExistsError(f"{path} holds something else")
    partial = path.with_name(f".{path.name}.{master.sha256[:16]}.part")
    have = partial.stat().st_size if partial.exists() else 0
    if have < master.size_bytes:
        _fetch_rest(http, master, partial, have=have)
    if _sha256(partial) != master.sha256:
        partial.unlink()
        raise FarmUnreachable(f"{master.url}: what came is not the master")
    partial.replace(path)


def _fetch_rest(http: httpx.Client, master: Master, partial: Path, *, have: int) -> None:
    headers = {"Range": f"bytes={have}-", "If-Range": f'"{master.sha256}"'} if have else {}
    with http.stream("GET", master.url, headers=headers) as answer:
        checked(answer)
        # All of it comes where the farm knows nothing of ranges.
        with partial.open("ab" if answer.status_code == httpx.codes.PARTIAL_CONTENT else "wb") as file:
            for part in answer.iter_bytes(_PART_BYTES):
                file.write(part)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
