"""A store in a bucket of S3 or anything that speaks its protocol and honours conditional writes.

``If-None-Match: *`` makes the first PUT of a key win and every later one fail with 412; the hash that
travels in the object's metadata then tells an equal copy from a diverging one. The same answer also covers
a PUT that landed but whose acknowledgement was lost, after which the client repeats it by itself.
"""

from __future__ import annotations

import base64
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.storage.base import (
    ObjectFacts,
    PutOutcome,
    checked_key,
    checked_sha256,
    corruption,
    divergence,
    missing,
)
from jobs.errors import FarmError, SettingsError, StoreError
from jobs.identity import sha256_of_bytes, sha256_of_file
from jobs.locations import s3_address

SHA256_METADATA = "sha256"
CONFLICT_ATTEMPTS = 6  # two writers of one key collide for milliseconds; the waits below add up to seconds


def s3_client() -> Any:
    """A client with bounded waits; boto3 reads credentials, region and endpoint from its standard places."""
    return boto3.client(
        "s3",
        config=Config(
            connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5}
        ),
    )


class S3Store:
    """Objects under a prefix of a bucket. Safe for any number of threads and processes; can be pickled."""

    def __init__(self, *, bucket: str, prefix: str, client: Any) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._client = client

    @classmethod
    def open(cls, uri: str) -> S3Store:
        """Open the store at ``s3://BUCKET/PREFIX``; nothing is sent before it is used.

        Raises:
            SettingsError: The address is no ``s3://`` URI, or the client's own settings are wrong.
        """
        try:
            address = s3_address(uri)
            return cls(bucket=address.bucket, prefix=address.key, client=s3_client())
        except (ValueError, BotoCoreError) as error:
            raise SettingsError(
                str(error), where=uri, hint="give s3://BUCKET/PREFIX and AWS_* settings"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        # A client holds sockets and locks; the other process opens its own.
        return S3Store.open, (self.uri,)

    @property
    def uri(self) -> str:
        """Bucket and prefix."""
        return f"s3://{self._bucket}/{self._prefix}"

    def put_if_absent(self, key: str, data: bytes | Path, *, sha256: str | None = None) -> PutOutcome:
        """Create an object, see ``ObjectStore``."""
        remote = self._remote(key)
        with _translated(key):
            offered = checked_sha256(key, data, expected=sha256)
            for attempt in range(CONFLICT_ATTEMPTS):
                outcome = self._try_to_create(remote, data, offered)
                if outcome == "created":
                    return PutOutcome.CREATED
                if outcome == "exists":
                    facts = self.head(key)
                    if facts is not None:
                        if facts.sha256 != offered:
                            raise divergence(key, stored=facts.sha256, offered=offered)
                        return PutOutcome.ALREADY_EQUAL
                # Another writer is in the middle of it, or the object was deleted between the two calls.
                time.sleep(random.uniform(0.5, 1.0) * 0.1 * 2**attempt)
        raise StoreError(
            "another writer held the key for too long", where=key, code="store_conflict", hint="render again"
        )

    def get(self, key: str) -> bytes:
        """The bytes of an object, see ``ObjectStore``."""
        remote = self._remote(key)
        with _translated(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=remote)
            data: bytes = answer["Body"].read()
            _check_unchanged(key, answer, found=sha256_of_bytes(data))
            return data

    def head(self, key: str) -> ObjectFacts | None:
        """The facts of an object, see ``ObjectStore``."""
        remote = self._remote(key)
        with _translated(key):
            try:
                answer = self._client.head_object(Bucket=self._bucket, Key=remote)
            except ClientError as error:
                if _status(error) == 404 and _code(error) != "NoSuchBucket":
                    return None
                raise
            # An object that something else than the farm put there has no recorded hash.
            sha256 = answer["Metadata"].get(SHA256_METADATA) or sha256_of_bytes(self.get(key))
            return ObjectFacts(key=key, size_bytes=answer["ContentLength"], sha256=sha256)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with a prefix, see ``ObjectStore``."""
        root = f"{self._prefix}/" if self._prefix else ""
        with _translated(prefix or self.uri):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=root + prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    yield entry["Key"].removeprefix(root)

    def delete(self, key: str) -> None:
        """Remove an object, see ``ObjectStore``."""
        remote = self._remote(key)
        with _translated(key):
            self._client.delete_object(Bucket=self._bucket, Key=remote)

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """A temporary download, see ``ObjectStore``."""
        remote = self._remote(key)
        with tempfile.TemporaryDirectory(prefix="farm-") as folder:
            path = Path(folder, key.rpartition("/")[2])
            with _translated(key):
                answer = self._client.get_object(Bucket=self._bucket, Key=remote)
                with path.open("wb") as file:
                    for piece in answer["Body"].iter_chunks(1 << 20):
                        file.write(piece)
                _check_unchanged(key, answer, found=sha256_of_file(path))
            yield path

    def _remote(self, key: str) -> str:
        checked_key(key)
        return f"{self._prefix}/{key}" if self._prefix else key

    def _try_to_create(self, remote: str, data: bytes | Path, sha256: str) -> str:
        request: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": remote,
            "IfNoneMatch": "*",
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode("ascii"),
            "Metadata": {SHA256_METADATA: sha256},
        }
        try:
            if isinstance(data, bytes):
                self._client.put_object(Body=data, **request)
            else:
                with data.open("rb") as file:
                    self._client.put_object(Body=file, **request)
        except ClientError as error:
            if _status(error) == 412:
                return "exists"
            if _status(error) == 409:
                return "conflict"
            raise
        return "created"


def _check_unchanged(key: str, answer: dict[str, Any], *, found: str) -> None:
    recorded = answer["Metadata"].get(SHA256_METADATA)
    if recorded is not None and recorded != found:
        raise corruption(key, recorded=recorded, found=found)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turns the client's errors into the farm's."""
    try:
        yield
    except FarmError:
        raise
    except ClientError as error:
        if _code(error) == "NoSuchKey":
            raise missing(key) from error
        hint = {
            "NoSuchBucket": "create the bucket, or correct its name",
            "AccessDenied": "the credentials lack the right to read and write there",
            "403": "the credentials lack the right to read and write there",
        }.get(_code(error), "try again later; nothing that was committed is lost")
        raise StoreError(f"S3 refused: {_code(error)}", where=key, hint=hint) from error
    except BotoCoreError as error:
        raise StoreError(
            f"S3 cannot be reached: {type(error).__name__}",
            where=key,
            code="store_unreachable",
            hint="check the AWS_* settings, the endpoint and the network",
        ) from error
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise StoreError(f"a local file failed: {reason}", where=error.filename or key) from error
