"""Reading from S3: whole and unchanged, or not at all."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from infra.storage.s3_meaning import CLIENT_ERRORS, understood
from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_retry import persistently
from jobs.locations import S3Address

SHA256_METADATA: Final = "sha256"
"""Name of the metadata that holds the hash of an object which the farm wrote."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MD5 = re.compile(r"[0-9a-f]{32}")
# What must be restored before it can be read; GLACIER_IR need not.
_ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFacts:
    """What the server says of an object.

    Attributes:
        size_bytes: Number of its bytes.
        sha256: Hash recorded by the farm, or None for an object of another origin, or where the server lost it.
        etag: The server's name for this version, without quotes; may be empty.
        md5: Hash of the bytes, where the ETag is one: it is not for an upload in parts or with a key of its own.
        archived: Why its bytes cannot be read before it is restored; empty where they can.
    """

    size_bytes: int
    sha256: str | None
    etag: str
    md5: str | None
    archived: str = ""

    @classmethod
    def of(cls, answer: dict[str, Any]) -> RemoteFacts:
        """The facts in an answer to HEAD or GET."""
        # Metadata are headers, and some servers change the case of their names.
        metadata = {str(name).lower(): str(value) for name, value in answer.get("Metadata", {}).items()}
        sha256 = metadata.get(SHA256_METADATA, "")
        etag = str(answer.get("ETag", "")).strip('"')
        has_own_key = (
            "SSECustomerAlgorithm" in answer or answer.get("ServerSideEncryption", "AES256") != "AES256"
        )
        return cls(
            size_bytes=int(answer["ContentLength"]),
            sha256=sha256 if _SHA256.fullmatch(sha256) else None,
            etag=etag,
            md5=etag if _MD5.fullmatch(etag) and not has_own_key else None,
            archived=_archived(answer),
        )


def remote_facts(client: Any, address: S3Address) -> RemoteFacts | None:
    """The facts of an object; None where there is none, or not even a bucket: HEAD does not tell them apart.

    Raises:
        S3Error: The server did not say.
    """

    def look() -> RemoteFacts:
        try:
            return RemoteFacts.of(client.head_object(Bucket=address.bucket, Key=address.key))
        except CLIENT_ERRORS as error:
            if understood(error).is_unexplained:
                ask_for_reason(client, address)
            raise

    try:
        return persistently(look)
    except S3Error as error:
        if error.problem is S3Problem.NO_OBJECT:
            return None
        raise


def readable_facts(client: Any, address: S3Address) -> RemoteFacts | None:
    """The same of an object that is about to be read.

    Raises:
        S3Error: The server did not say, or the object must be restored first.
    """
    facts = remote_facts(client, address)
    if facts is not None and facts.archived:
        raise S3Error(S3Problem.ARCHIVED, facts.archived)
    return facts


def ask_for_reason(client: Any, address: S3Address) -> None:
    """Ask for an object by GET, once, after HEAD was refused without a body that could name the reason.

    Raises:
        S3Error, ClientError: It is refused as well.
    """
    _opened(client, address)["Body"].close()


def read_bytes(client: Any, address: S3Address) -> tuple[bytes, str]:
    """The bytes of an object and their SHA-256.

    Raises:
        S3Error: It is not there, cannot be read, or is damaged.
    """
    sink = io.BytesIO()
    sha256 = read_into(client, address, sink)
    return sink.getvalue(), sha256


def _opened(client: Any, address: S3Address) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = client.get_object(Bucket=address.bucket, Key=address.key)
    except AttributeError as error:
        # The client takes the body of a server error for the object's where the error carries a checksum, and trips.
        raise S3Error(S3Problem.BUSY, "S3 answered a server error", is_passing=True) from error
    return answer


def read_into(client: Any, address: S3Address, sink: BinaryIO, *, etag: str = "") -> str:
    """Stream an object into a file, and give its SHA-256; memory does not grow with the object.

    A body that breaks off or arrives wrong is read again from its start. Bytes that are wrong in the same way twice
    are wrong where they lie.

    Args:
        client: The client.
        address: The object.
        sink: Is empty; holds the object afterwards.
        etag: The version that is wanted; any, where it is empty.

    Raises:
        S3Error: It is not there, is another version, cannot be read, or is damaged.
        OSError: The sink cannot be written.
    """
    wrong: set[str] = set()

    def read_once() -> str:
        sink.seek(0)
        sink.truncate()
        answer = _opened(client, address)
        facts = RemoteFacts.of(answer)
        if etag and facts.etag and facts.etag != etag:
            answer["Body"].close()
            raise S3Error(S3Problem.CHANGED, "it was replaced while it was being read")
        sha256, fits = _copied(answer["Body"], facts, sink.write)
        if fits:
            return sha256
        if sha256 in wrong:
            expected = facts.sha256 or facts.md5
            recorded = f", but {expected[:12]} was recorded" if expected else ""
            raise S3Error(S3Problem.DAMAGED, f"its bytes hash to {sha256[:12]}{recorded}")
        wrong.add(sha256)
        raise S3Error(S3Problem.GARBLED, "its bytes do not match their checksum", is_passing=True)

    return persistently(read_once)


def listed_keys(client: Any, address: S3Address, *, deep: bool = True) -> list[str]:
    """The keys that start with the address's, in order.

    Args:
        client: The client.
        address: A bucket and the start of keys.
        deep: Whether keys are wanted that have another slash after that start.

    Raises:
        S3Error: The server did not say.
    """
    request = {"Bucket": address.bucket, "Prefix": address.key} | ({} if deep else {"Delimiter": "/"})
    keys: list[str] = []
    while True:
        page = persistently(lambda: client.list_objects_v2(**request))
        # A key with a slash at its end is the empty object by which some programs mark a folder.
        keys += [entry["Key"] for entry in page.get("Contents", []) if not entry["Key"].endswith("/")]
        if not page.get("IsTruncated"):
            # Not every server lists in order.
            return sorted(keys)
        request["ContinuationToken"] = page["NextContinuationToken"]


def _archived(answer: dict[str, Any]) -> str:
    kept = str(answer.get("ArchiveStatus") or answer.get("StorageClass") or "")
    restoration = str(answer.get("Restore", ""))
    if kept not in _ARCHIVES or 'ongoing-request="false"' in restoration:
        return ""
    return f"it is archived ({kept})" + (", and its restoration is under way" if restoration else "")


def _copied(body: Any, facts: RemoteFacts, write: Callable[[bytes], object]) -> tuple[str, bool]:
    """The SHA-256 of a body that was copied, and whether it is the one that was stored."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        for piece in _pieces(body):
            write(piece)
            sha256.update(piece)
            md5.update(piece)
    except S3Error as error:
        if error.problem is not S3Problem.GARBLED:
            raise
        return sha256.hexdigest(), False
    if facts.sha256 is not None:
        return sha256.hexdigest(), facts.sha256 == sha256.hexdigest()
    return sha256.hexdigest(), facts.md5 in (None, md5.hexdigest())


def _pieces(body: Any) -> Iterator[bytes]:
    """The body of an answer, read piece by piece.

    Raises:
        S3Error: It breaks off, or does not match a checksum that the server sent with it.
    """
    try:
        yield from body.iter_chunks(1 << 20)
    except CLIENT_ERRORS as error:
        raise understood(error) from error
    finally:
        body.close()
