"""Small objects that are written to find out what a server does, and removed again."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.storage.s3_content import Content
from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_retry import persistently
from infra.storage.s3_upload import Uploader
from jobs.locations import S3Address

logger = logging.getLogger(__name__)


def honours_conditions(client: Any, *, bucket: str, prefix: str, in_parts: bool = False) -> bool:
    """Whether a second write with ``If-None-Match: *`` is refused; some servers overwrite without a word.

    Args:
        client: The client.
        bucket: Name of the bucket.
        prefix: Start of the keys that may be written, empty or with a slash at its end.
        in_parts: Whether to write as large objects are written.

    Raises:
        S3Error: The server did not say, or it takes no uploads in parts.
    """
    with _probe(client, bucket=bucket, prefix=prefix) as address:

        def is_created() -> bool:
            try:
                _write(client, address, if_absent=True, in_parts=in_parts)
            except S3Error as error:
                if error.problem is S3Problem.EXISTS:
                    return False
                raise
            return True

        try:
            # The first may be refused as well, where it arrived but its answer was lost: that is the word kept.
            return not (is_created() and is_created())
        except S3Error as error:
            if error.problem is S3Problem.UNSUPPORTED and not in_parts:
                return False
            raise


def check_writable(client: Any, *, bucket: str, prefix: str, in_parts: bool = False) -> None:
    """Write a small object and remove it again.

    Args:
        client: The client.
        bucket: Name of the bucket.
        prefix: Start of the keys that will be written, empty or with a slash at its end.
        in_parts: Whether to write as large objects are written.

    Raises:
        S3Error: It could not be written.
    """
    with _probe(client, bucket=bucket, prefix=prefix) as address:
        _write(client, address, if_absent=False, in_parts=in_parts)


def _write(client: Any, address: S3Address, *, if_absent: bool, in_parts: bool) -> None:
    # A byte is more than parts of none, and makes one part: only the last one may be as small.
    uploader = Uploader(client=client, part_bytes=0) if in_parts else Uploader(client=client)
    uploader.upload(Content.of(b"." if in_parts else b""), address, if_absent=if_absent)


@contextmanager
def _probe(client: Any, *, bucket: str, prefix: str) -> Iterator[S3Address]:
    """A key that nobody uses, and that is free again afterwards."""
    # No key of a store has a part that starts with a dot, so a probe that had to stay is never taken for an object.
    address = S3Address(bucket=bucket, key=f"{prefix}.farm-{secrets.token_hex(8)}")
    try:
        yield address
    except S3Error as error:
        # Other failures leave it open whether something was written.
        if error.problem not in (S3Problem.DENIED, S3Problem.NO_BUCKET, S3Problem.REDIRECTED):
            _remove(client, address)
        raise
    _remove(client, address)


def _remove(client: Any, address: S3Address) -> None:
    try:
        persistently(lambda: client.delete_object(Bucket=address.bucket, Key=address.key))
    except S3Error as error:
        if error.problem is not S3Problem.NO_OBJECT:
            logger.warning("%s: cannot be deleted and stays: %s", address.uri, error.text)
