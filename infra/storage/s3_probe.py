"""Small objects that are written to find out what a server does, and removed again."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_retry import persistently

logger = logging.getLogger(__name__)


def honours_conditions(client: Any, *, bucket: str, prefix: str) -> bool:
    """Whether a second write with ``If-None-Match: *`` is refused; some servers overwrite without a word.

    Args:
        client: The client.
        bucket: Name of the bucket.
        prefix: Start of the keys that may be written, empty or with a slash at its end.

    Raises:
        S3Error: The server did not say.
    """
    with _probe(client, bucket=bucket, prefix=prefix) as key:
        try:
            # The first may be refused as well, where it arrived but its answer was lost: that is the word kept.
            return not (_is_created(client, bucket, key) and _is_created(client, bucket, key))
        except S3Error as error:
            if error.problem is S3Problem.UNSUPPORTED:
                return False
            raise


def check_writable(client: Any, *, bucket: str, prefix: str) -> None:
    """Write a small object and remove it again.

    Args:
        client: The client.
        bucket: Name of the bucket.
        prefix: Start of the keys that will be written, empty or with a slash at its end.

    Raises:
        S3Error: It could not be written.
    """
    with _probe(client, bucket=bucket, prefix=prefix) as key:
        persistently(lambda: client.put_object(Bucket=bucket, Key=key, Body=b""))


@contextmanager
def _probe(client: Any, *, bucket: str, prefix: str) -> Iterator[str]:
    """A key that nobody uses, and that is free again afterwards."""
    # No key of a store has a part that starts with a dot, so a probe that had to stay is never taken for an object.
    key = f"{prefix}.farm-{secrets.token_hex(8)}"
    try:
        yield key
    except S3Error as error:
        # Other failures leave it open whether something was written.
        if error.problem not in (S3Problem.DENIED, S3Problem.NO_BUCKET, S3Problem.REDIRECTED):
            _remove(client, bucket, key)
        raise
    _remove(client, bucket, key)


def _remove(client: Any, bucket: str, key: str) -> None:
    try:
        persistently(lambda: client.delete_object(Bucket=bucket, Key=key))
    except S3Error as error:
        if error.problem is not S3Problem.NO_OBJECT:
            logger.warning("s3://%s/%s: cannot be deleted and stays: %s", bucket, key, error.text)


def _is_created(client: Any, bucket: str, key: str) -> bool:
    try:
        persistently(lambda: client.put_object(Bucket=bucket, Key=key, Body=b"", IfNoneMatch="*"))
    except S3Error as error:
        if error.problem is S3Problem.EXISTS:
            return False
        raise
    return True
