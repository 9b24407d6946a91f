"""Bytes to be stored, from memory or from a file, with the hashes that travel with them."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jobs.identity import sha256_of_bytes, sha256_of_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What goes into an object.

    Attributes:
        data: The bytes, or a file that holds them and stays as it is meanwhile.
        sha256: Their hash.
        size_bytes: How many there are.
    """

    data: bytes | Path
    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, data: bytes | Path, *, sha256: str | None = None) -> Content:
        """The content of some bytes or of a file.

        Args:
            data: The bytes or the file.
            sha256: Their hash, where it was just computed.

        Raises:
            OSError: The file cannot be read.
        """
        if isinstance(data, bytes):
            return cls(data=data, sha256=sha256 or sha256_of_bytes(data), size_bytes=len(data))
        return cls(data=data, sha256=sha256 or sha256_of_file(data), size_bytes=data.stat().st_size)

    def open(self) -> BinaryIO:
        """The bytes from their start."""
        return io.BytesIO(self.data) if isinstance(self.data, bytes) else self.data.open("rb")

    def parts(self, size_bytes: int) -> Iterator[bytes]:
        """The bytes in parts, of which only the last may be smaller."""
        with self.open() as file:
            while part := file.read(size_bytes):
                yield part


def md5_header(data: BinaryIO | bytes) -> str:
    """The ``Content-MD5`` of a body, the one checksum that every server compares; it guards transport alone.

    A file is read from where it stands to its end.
    """
    digest = hashlib.md5(usedforsecurity=False)
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    while piece := file.read(1 << 20):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode("ascii")


def sha256_header(sha256: str) -> str:
    """A hexadecimal hash as the headers of S3 spell it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
