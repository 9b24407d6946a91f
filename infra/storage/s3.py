"""A store in a bucket of S3, or of anything that speaks its protocol.

``If-None-Match: *`` makes the first write of a key win and every later one fail with 412; the hash that travels in
the object's metadata then tells an equal copy from a diverging one. The same answer also covers a write that landed
but whose acknowledgement was lost, after which it is repeated. A server that ignores the condition is found out
before the first write, and its objects are looked at before and after each: see docs/storage.md for what is lost.
"""

from __future__ import annotations

import errno
import logging
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.storage.base import (
    ObjectFacts,
    PutOutcome,
    checked_key,
    checked_prefix,
    checked_sha256,
    divergence,
    is_key,
    missing,
    unreadable,
)
from infra.storage.s3_client import s3_client
from infra.storage.s3_content import Content
from infra.storage.s3_probe import honours_conditions
from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_read import listed_keys, read_bytes, read_into, readable_facts
from infra.storage.s3_retry import persistently
from infra.storage.s3_upload import PART_BYTES, Uploader
from jobs.errors import DiskFull, SettingsError, StoreError, StoreUnavailable
from jobs.locations import S3Address, s3_address

logger = logging.getLogger(__name__)


class S3Store:
    """Objects under a prefix of a bucket. Safe for any number of threads and processes; can be pickled."""

    def __init__(self, *, bucket: str, prefix: str, client: Any, part_bytes: int = PART_BYTES) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._client = client
        self._uploader = Uploader(client=client, part_bytes=part_bytes)
        self._is_conditional: bool | None = None
        self._probing = threading.Lock()

    @classmethod
    def open(cls, uri: str) -> S3Store:
        """Open the store at ``s3://BUCKET/PREFIX``; nothing is sent before it is used.

        Raises:
            SettingsError: The address is no ``s3://`` URI, or the client's own settings are wrong.
        """
        try:
            address = s3_address(uri)
        except ValueError as error:
            raise SettingsError(
                str(error), where="the store", hint="give s3://BUCKET/PREFIX and AWS_* settings"
            ) from error
        return cls(bucket=address.bucket, prefix=address.key, client=s3_client())

    def __reduce__(self) -> tuple[Any, ...]:
        # A client holds sockets and locks; the other process opens its own.
        return S3Store.open, (self.uri,)

    @property
    def uri(self) -> str:
        """Bucket and prefix."""
        return f"s3://{self._bucket}/{self._prefix}"

    def put_if_absent(self, key: str, data: bytes | Path, *, sha256: str | None = None) -> PutOutcome:
        """Create an object, see ``ObjectStore``."""
        checked_key(key)
        with self._translated(key):
            content = Content.of(data, sha256=checked_sha256(key, data, expected=sha256))
            is_conditional = self._keeps_conditions(key)
            # Not every server that refuses a second PUT also refuses a second upload in parts.
            is_guarded = is_conditional and not self._uploader.is_large(content)
            if not is_guarded and self._holds(key, content):
                return PutOutcome.ALREADY_EQUAL
            return persistently(
                lambda: self._create(key, content, if_absent=is_conditional, is_guarded=is_guarded)
            )

    def refuses_second_copies(self, *, below: str = "", size_bytes: int = 0) -> bool:
        """See `ObjectStore.refuses_second_copies`."""
        folder = f"{below.rstrip('/')}/" if below else ""
        with self._translated(folder):
            with self._probing:
                is_conditional = self._is_conditional = self._honours(folder, in_parts=False)
            is_large = size_bytes > self._uploader.part_bytes
            return is_conditional and not (is_large and not self._honours(folder, in_parts=True))

    def get(self, key: str) -> bytes:
        """The bytes of an object, see ``ObjectStore``."""
        address = self._address(key)
        with self._translated(key):
            return read_bytes(self._client, address)[0]

    def head(self, key: str) -> ObjectFacts | None:
        """The facts of an object, see ``ObjectStore``."""
        address = self._address(key)
        with self._translated(key):
            facts = readable_facts(self._client, address)
            if facts is None:
                return None
            try:
                # Something else than the farm put it there, or the server forgot what it was told of it.
                sha256 = facts.sha256 or read_bytes(self._client, address)[1]
            except S3Error as error:
                if error.problem is S3Problem.NO_OBJECT:
                    return None
                raise
            return ObjectFacts(key=key, size_bytes=facts.size_bytes, sha256=sha256)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with a prefix, see ``ObjectStore``."""
        root = self._root()
        where = S3Address(bucket=self._bucket, key=root + checked_prefix(prefix))
        with self._translated(prefix or self.uri):
            keys = [key.removeprefix(root) for key in listed_keys(self._client, where)]
        # The bucket may hold what is not ours.
        return (key for key in keys if is_key(key))

    def delete(self, key: str) -> None:
        """Remove an object, see ``ObjectStore``."""
        address = self._address(key)
        with self._translated(key):
            try:
                persistently(lambda: self._client.delete_object(Bucket=address.bucket, Key=address.key))
            except S3Error as error:
                if error.problem is not S3Problem.NO_OBJECT:
                    raise

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """A temporary download, see ``ObjectStore``."""
        address = self._address(key)
        with tempfile.TemporaryDirectory(prefix="farm-") as folder:
            path = Path(folder, key.rpartition("/")[2])
            with self._translated(key), path.open("wb") as file:
                read_into(self._client, address, file)
            yield path

    def _root(self) -> str:
        return f"{self._prefix}/" if self._prefix else ""

    def _address(self, key: str) -> S3Address:
        return S3Address(bucket=self._bucket, key=self._root() + checked_key(key))

    def _keeps_conditions(self, key: str) -> bool:
        with self._probing:
            if self._is_conditional is None:
                self._is_conditional = self._honours(key[: key.rfind("/") + 1], in_parts=False)
                if not self._is_conditional:
                    logger.warning(
                        "%s ignores conditional writes: two different copies written at the same moment may both"
                        " be taken for the first (docs/storage.md)",
                        self.uri,
                    )
            return self._is_conditional

    def _honours(self, folder: str, *, in_parts: bool) -> bool:
        return honours_conditions(
            self._client, bucket=self._bucket, prefix=self._root() + folder, in_parts=in_parts
        )

    def _create(self, key: str, content: Content, *, if_absent: bool, is_guarded: bool) -> PutOutcome:
        try:
            self._uploader.upload(content, self._address(key), if_absent=if_absent)
        except S3Error as error:
            if error.problem is not S3Problem.EXISTS:
                raise
            if self._holds(key, content):
                return PutOutcome.ALREADY_EQUAL
        else:
            if is_guarded or self._holds(key, content):
                return PutOutcome.CREATED
        # Somebody deletes it, or the server does not know yet what it has.
        raise S3Error(S3Problem.CONFLICT, "it was there and is gone again", is_passing=True)

    def _holds(self, key: str, content: Content) -> bool:
        """Whether these bytes are there; other bytes raise the alarm."""
        facts = self.head(key)
        if facts is None:
            return False
        if facts.sha256 != content.sha256:
            raise divergence(key, stored=facts.sha256, offered=content.sha256)
        return True

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """Turns the errors of S3 and of local files into the farm's."""
        try:
            yield
        except S3Error as error:
            if error.problem is S3Problem.NO_OBJECT:
                raise missing(key) from error
            kind = StoreUnavailable if error.is_outage else StoreError
            raise kind(
                f"{error.text} ({self.uri})", where=key, hint=error.hint, code=error.problem.value
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    "no space is left for a temporary file", where=key, hint="free some space or set TMPDIR"
                ) from error
            raise unreadable(key, error) from error
