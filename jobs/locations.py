"""Where things lie: paths, ``s3://`` URIs and subjects that ship with the project.

A render job says where its speech and subject are and where its master goes. Paths in it are relative
to the folder of its file, so that a job and its speech can be moved together.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

BUILTIN_PREFIX = "builtin:"
S3_PREFIX = "s3://"

# One path component that is safe as a file name, in an object key and in a URL; it cannot climb ("..")
# or hide (".x") because it starts with a letter or a digit.
SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9_-])?", re.ASCII)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Address:
    """A bucket and a key in it; the key has no leading slash and may be empty for a whole bucket."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The address as it is written."""
        return f"{S3_PREFIX}{self.bucket}/{self.key}"


def is_slug(name: str) -> bool:
    """Whether a name is safe as one component of a path, a key and a URL (1 to 63 characters)."""
    return SLUG.fullmatch(name) is not None


def is_s3(location: str) -> bool:
    """Whether a location is an ``s3://`` URI."""
    return location.startswith(S3_PREFIX)


def builtin_name(subject: str) -> str | None:
    """The name after ``builtin:``, or None for a subject that lies elsewhere."""
    return subject.removeprefix(BUILTIN_PREFIX) if subject.startswith(BUILTIN_PREFIX) else None


def s3_address(uri: str) -> S3Address:
    """The bucket and key of an ``s3://`` URI.

    Raises:
        ValueError: It is not one, or its bucket has a name that cannot exist.
    """
    if not is_s3(uri):
        raise ValueError(f"'{uri}' does not start with {S3_PREFIX}")
    bucket, _, key = uri.removeprefix(S3_PREFIX).partition("/")
    if "@" in bucket:
        # What stands before the @ is a secret, and is not repeated.
        raise ValueError("an s3:// URI holds no user and no password; set the AWS_* variables")
    if _BUCKET.fullmatch(bucket) is None:
        raise ValueError(f"'{bucket}' cannot be the name of a bucket; write s3://BUCKET/KEY")
    return S3Address(bucket=bucket, key=key)


def check_location(location: str) -> None:
    """Refuse what can be neither a path nor the ``s3://`` URI of an object.

    Raises:
        ValueError: With the reason.
    """
    if not location.strip():
        raise ValueError("is empty; write a path or an s3:// URI")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in location):
        raise ValueError("holds a control character")
    scheme = _SCHEME.match(location)
    if scheme is None:
        return
    if scheme[1] != "s3":
        raise ValueError(f"{scheme[1]}:// is not supported; write a path or an s3:// URI")
    if not s3_address(location).key.strip("/"):
        raise ValueError("names a bucket but nothing in it; write s3://BUCKET/KEY")


def resolve_location(location: str, *, folder: Path) -> str:
    """A location that no longer depends on where the job's file lies.

    Args:
        location: A path, an ``s3://`` URI or ``builtin:NAME``.
        folder: Absolute folder that relative paths start from.
    """
    if is_s3(location) or builtin_name(location) is not None:
        return location
    return os.path.normpath(folder / location)


def take_location(location: str, *, take: int) -> str:
    """Where a take's master goes: take 1 keeps the name, take 2 of ``a.mp4`` is ``a.take2.mp4``."""
    if take == 1:
        return location
    stem, dot, suffix = location.rpartition(".")
    return f"{stem}.take{take}{dot}{suffix}"


def manifest_location(location: str) -> str:
    """Where the manifest of a file goes: ``hello.manifest.json`` beside ``hello.mp4``; one folder can hold several."""
    folder, slash, name = location.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}.manifest.json"
