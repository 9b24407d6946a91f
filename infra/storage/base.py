"""What the farm asks of an object store: bytes under a key, written once, never changed.

An object is created by the first writer, whole or not at all. A second writer with the same bytes is told
so and has succeeded; one with other bytes raises the nondeterminism alarm and changes nothing. That is all
a farm needs so that a segment may be rendered twice but is committed once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from jobs.errors import ObjectNotFound, Retry, SegmentDivergence, StoreError
from jobs.identity import sha256_of_bytes, sha256_of_file

LARGEST_KEY = 1024  # bytes; the limit of S3

# Every part of a key is a safe file name that is not hidden, so a key can neither climb out of its root nor
# meet the store's own files, whose names start with a dot.
_PART = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199}", re.ASCII)


class PutOutcome(Enum):
    """How a write ended, both times well."""

    CREATED = "created"
    ALREADY_EQUAL = "already equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    """What is known of a committed object without reading it.

    Attributes:
        key: Its key.
        size_bytes: Number of its bytes.
        sha256: Hash of its bytes, as recorded when it was committed.
    """

    key: str
    size_bytes: int
    sha256: str


class ObjectStore(Protocol):
    """A store of objects that are created once.

    A store that has a URI can be opened again from it in another process, see
    ``infra.storage.address.open_store``.
    """

    @property
    def uri(self) -> str:
        """Address of the store, without a secret in it."""
        ...

    def put_if_absent(self, key: str, data: bytes | Path, *, sha256: str | None = None) -> PutOutcome:
        """Create an object.

        Args:
            key: Where.
            data: Its bytes, or a file that holds them and is too large to be held in memory.
            sha256: What the bytes should hash to, where the caller knows; a mismatch is refused.

        Raises:
            SegmentDivergence: The key holds other bytes; they stay.
            DiskFull: No space is left; nothing of the object remains.
            StoreError: The store failed, or the bytes do not hash to ``sha256``.
        """
        ...

    def refuses_second_copies(self, *, below: str = "", size_bytes: int = 0) -> bool:
        """Whether the place itself refuses a second copy, so that two written at the same moment are told apart.

        Found out by committing something small twice, in the way and at the place of the objects to come; nothing of
        it is left. Where a second copy is not refused, the store compares hashes before and after each write, which
        leaves a moment between.

        Args:
            below: Start of the keys to come: whole names, with or without a slash at its end.
            size_bytes: Size of the largest object to come; a large one may be written in another way.

        Raises:
            StoreError: Nothing can be committed there.
        """
        ...

    def get(self, key: str) -> bytes:
        """The bytes of an object, checked against its recorded hash.

        Raises:
            ObjectNotFound: Nothing is committed under the key.
            StoreError: The store failed, or the bytes have changed since they were committed.
        """
        ...

    def head(self, key: str) -> ObjectFacts | None:
        """The facts of an object, or None where there is none.

        Raises:
            StoreError: The store failed.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with a prefix, in ascending order.

        A listing may lag behind on some servers: it finds what to look at, and proves nothing. ``head`` does.

        Raises:
            StoreError: The store failed, or the prefix cannot start a key.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine.

        Raises:
            StoreError: The store failed.
        """
        ...

    def local_copy(self, key: str) -> AbstractContextManager[Path]:
        """A file to read the object from; read-only, and valid inside the ``with`` block alone.

        Raises:
            ObjectNotFound: Nothing is committed under the key.
            StoreError: The store failed.
        """
        ...


def checked_key(key: str) -> str:
    """The key, if it is a safe one.

    Raises:
        StoreError: It is empty, too long, absolute, climbs, or has parts that are not plain names.
    """
    if not is_key(key):
        raise _bad_key(key)
    return key


def checked_prefix(prefix: str) -> str:
    """The prefix, if a safe key can start with it; the empty one starts every key.

    Raises:
        StoreError: No key can.
    """
    if prefix and not is_key(prefix.removesuffix("/")):
        raise _bad_key(prefix)
    return prefix


def is_key(key: str) -> bool:
    """Whether a key is a safe one."""
    return len(key) <= LARGEST_KEY and all(_PART.fullmatch(part) for part in key.split("/"))


def _bad_key(key: str) -> StoreError:
    return StoreError(
        "cannot be the key of an object",
        where=key[:80],
        code="bad_key",
        hint="use names of letters, digits and . _ = - joined by /, none of which starts with a dot",
    )


def checked_sha256(key: str, data: bytes | Path, *, expected: str | None) -> str:
    """Hash of an object's bytes, compared with what the caller expects.

    Raises:
        StoreError: They differ, so the bytes were damaged on their way here.
        OSError: The file cannot be read.
    """
    actual = sha256_of_bytes(data) if isinstance(data, bytes) else sha256_of_file(data)
    if expected is not None and actual != expected:
        raise StoreError(
            f"its bytes hash to {actual[:12]}, not to {expected[:12]} as announced",
            where=key,
            code="checksum_mismatch",
            hint="the bytes were damaged before they were stored; render the segment again",
            retry=Retry.ELSEWHERE,
        )
    return actual


def missing(key: str) -> ObjectNotFound:
    """The error for a key that holds nothing."""
    return ObjectNotFound("nothing is committed under this key", where=key)


def unreadable(key: str, error: OSError) -> StoreError:
    """The error for a file on this machine that cannot be read or written on its way to or from a store."""
    reason = (error.strerror or type(error).__name__).lower()
    return StoreError(
        f"a local file failed: {reason}",
        where=str(error.filename or key),
        hint="check that it exists and may be read, and that the folder of temporary files may be written",
        retry=Retry.ELSEWHERE,
    )


def divergence(key: str, *, stored: str, offered: str) -> SegmentDivergence:
    """The nondeterminism alarm for a key that holds other bytes."""
    return SegmentDivergence(
        f"a second copy differs: the store holds {stored[:12]}, the copy is {offered[:12]}",
        where=key,
        hint="keep both machines' logs: the render is not deterministic, or two different engines call"
        " themselves the same version",
    )


def corruption(key: str, *, recorded: str, found: str) -> StoreError:
    """The error for an object whose bytes changed after they were committed."""
    return StoreError(
        f"its bytes hash to {found[:12]}, but {recorded[:12]} was committed",
        where=key,
        code="corrupt_object",
        hint="the storage below is damaged; delete the object and render again",
    )
