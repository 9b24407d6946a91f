"""A store in memory, for tests and for renders inside one process; it has the manners of the real ones."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.storage.base import (
    ObjectFacts,
    PutOutcome,
    checked_key,
    checked_prefix,
    checked_sha256,
    divergence,
    missing,
    unreadable,
)


class MemoryStore:
    """Objects in a dictionary; safe to share between threads, gone with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, str]] = {}
        self._lock = threading.Lock()

    @property
    def uri(self) -> str:
        """A name for messages; the store cannot be opened from it."""
        return "memory:"

    def put_if_absent(self, key: str, data: bytes | Path, *, sha256: str | None = None) -> PutOutcome:
        """Create an object, see ``ObjectStore``."""
        checked_key(key)
        try:
            content = data if isinstance(data, bytes) else data.read_bytes()
        except OSError as error:
            raise unreadable(key, error) from error
        offered = checked_sha256(key, content, expected=sha256)
        with self._lock:
            if key not in self._objects:
                self._objects[key] = content, offered
                return PutOutcome.CREATED
            _, stored = self._objects[key]
        if stored != offered:
            raise divergence(key, stored=stored, offered=offered)
        return PutOutcome.ALREADY_EQUAL

    def refuses_second_copies(self, *, below: str = "", size_bytes: int = 0) -> bool:
        """See `ObjectStore.refuses_second_copies`."""
        return True

    def get(self, key: str) -> bytes:
        """The bytes of an object, see ``ObjectStore``."""
        with self._lock:
            entry = self._objects.get(checked_key(key))
        if entry is None:
            raise missing(key)
        return entry[0]

    def head(self, key: str) -> ObjectFacts | None:
        """The facts of an object, see ``ObjectStore``."""
        with self._lock:
            entry = self._objects.get(checked_key(key))
        return None if entry is None else ObjectFacts(key=key, size_bytes=len(entry[0]), sha256=entry[1])

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with a prefix, see ``ObjectStore``."""
        checked_prefix(prefix)
        with self._lock:
            keys = sorted(key for key in self._objects if key.startswith(prefix))
        return iter(keys)

    def delete(self, key: str) -> None:
        """Remove an object, see ``ObjectStore``."""
        with self._lock:
            self._objects.pop(checked_key(key), None)

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """A file to read the object from, see ``ObjectStore``."""
        data = self.get(key)
        with tempfile.TemporaryDirectory(prefix="farm-") as folder:
            path = Path(folder, key.rpartition("/")[2])
            path.write_bytes(data)
            yield path
