"""What makes two things the same: a canonical form for records, and SHA-256 for bytes and files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def canonical_json(record: Any) -> bytes:
    """One spelling for one record: sorted keys, no spaces, ASCII only, no NaN.

    Raises:
        ValueError: A number is NaN or infinite.
        TypeError: The record holds something that JSON has no form for.
    """
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def sha256_of_bytes(data: bytes) -> str:
    """Lower-case hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Lower-case hexadecimal SHA-256 of a file, read in pieces so that its size does not matter.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_record(record: Any) -> str:
    """SHA-256 of a record's canonical form."""
    return sha256_of_bytes(canonical_json(record))
