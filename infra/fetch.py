"""What a job reads, brought to this machine: a path stays where it is, an ``s3://`` URI is downloaded once.

Downloads are kept in the cache under the hash of their address and version, so that a changed object is
fetched anew and an unchanged one is not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.download import Wanted, download_once
from infra.storage.s3_problems import S3Error, S3Problem
from jobs.errors import CastingError, DiskFull, FarmError, InputError, InputNotFound, Retry, UnknownSubject
from jobs.identity import sha256_of_record
from jobs.locations import S3Address, is_s3, s3_address
from jobs.spelling import hint_where_missing

LARGEST_SUBJECT_OBJECTS = 100  # a package has four files; a prefix with hundreds is not a package


def fetch_file(location: str, *, cache: Path, where: str) -> Path:
    """A local file with the content of a location.

    Args:
        location: Absolute path or ``s3://`` URI.
        cache: Folder for downloads.
        where: Field of the job that names the location, for errors.

    Raises:
        InputNotFound: There is no such file or object, or it may not be read.
        InputError: S3 failed.
        DiskFull: The cache has no space left.
    """
    if not is_s3(location):
        return _local_file(Path(location), where=where)
    # Imported here: most jobs read local files, and the client takes longer to load than they do.
    from infra.storage.s3_client import s3_client
    from infra.storage.s3_read import ask_for_reason, readable_facts
    from infra.storage.s3_retry import persistently

    address = s3_address(location)
    with _translated(
        location, where=where, cache=cache, missing=InputNotFound, failed=InputError, noun="input"
    ):
        client = s3_client()
        facts = readable_facts(client, address)
        if facts is None:
            # Which may be that there is no such bucket.
            persistently(lambda: ask_for_reason(client, address))
            raise S3Error(S3Problem.CHANGED, "it was not there a moment ago")
        name = address.key.rpartition("/")[2] or "object"
        folder = cache / "inputs" / sha256_of_record([location, facts.etag, facts.size_bytes])[:32]
        download_once([Wanted(address=address, name=name, etag=facts.etag)], client=client, folder=folder)
        return folder / name


def fetch_subject_folder(location: str, *, cache: Path, where: str = "spec.subject") -> Path:
    """A local folder with the subject package at a location.

    Args:
        location: Absolute path of a folder, or ``s3://`` URI of the prefix of a package.
        cache: Folder for downloads.
        where: Field of the job that names the location, for errors.

    Raises:
        UnknownSubject: There is no such folder, or nothing under the prefix, or it may not be read.
        CastingError: S3 failed.
        DiskFull: The cache has no space left.
    """
    if not is_s3(location):
        return _local_folder(Path(location), where=where)
    from infra.storage.s3_client import s3_client
    from infra.storage.s3_read import listed_keys

    address = s3_address(location)
    prefix = S3Address(bucket=address.bucket, key=address.key.rstrip("/") + "/")
    with _translated(
        location, where=where, cache=cache, missing=UnknownSubject, failed=CastingError, noun="subject"
    ):
        client = s3_client()
        # What lies deeper (the clip, its report) is for training, and may be large.
        keys = listed_keys(client, prefix, deep=False)
        if not 0 < len(keys) <= LARGEST_SUBJECT_OBJECTS:
            problem = "holds more objects than a subject package has" if keys else "holds nothing"
            raise UnknownSubject(f"'{location}' {problem}", where=where, hint=_SUBJECT_HINT)
        wanted = [
            _wanted(client, S3Address(bucket=address.bucket, key=key), prefix=prefix, where=where)
            for key in keys
        ]
        version = sorted([one.name, one.etag] for one in wanted)
        folder = cache / "subjects" / sha256_of_record([location, version])[:32]
        download_once(wanted, client=client, folder=folder)
        return folder


_SUBJECT_HINT = "write builtin:NAME, or the folder or s3:// URI of a package with a subject.yaml"


def _local_file(path: Path, *, where: str) -> Path:
    mode = _mode(path)
    if mode is None:
        hint = hint_where_missing(str(path), otherwise="check the path; it starts at the job's file")
        raise InputNotFound(f"no such file: '{path}'", where=where, hint=hint)
    if not stat.S_ISREG(mode):
        raise InputNotFound(f"'{path}' is not a file", where=where, code="not_a_file", hint="name one file")
    if not os.access(path, os.R_OK):
        raise InputNotFound(
            f"'{path}' may not be read", where=where, code="not_readable", hint="change its permissions"
        )
    return path


def _local_folder(path: Path, *, where: str) -> Path:
    mode = _mode(path)
    if mode is None or not stat.S_ISDIR(mode):
        problem = "does not exist" if mode is None else "is not the folder of a subject package"
        hint = hint_where_missing(str(path), otherwise=_SUBJECT_HINT)
        raise UnknownSubject(f"'{path}' {problem}", where=where, hint=hint)
    return path


def _mode(path: Path) -> int | None:
    """What lies at a path; None where nothing can be seen, be it only because the name is too long."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _wanted(client: Any, address: S3Address, *, prefix: S3Address, where: str) -> Wanted:
    """What a listing named, in the version that is there now: the listing may be old."""
    from infra.storage.s3_read import readable_facts

    name = address.key.removeprefix(prefix.key)
    # Keys are chosen by whoever wrote the bucket; ".." is a legal one and must not become a path.
    if name in (".", "..") or "/" in name or "\0" in name:
        raise UnknownSubject(
            f"'{prefix.uri}' holds the unsafe key '{name}'", where=where, hint="rename the object"
        )
    facts = readable_facts(client, address)
    if facts is None:
        raise S3Error(S3Problem.CHANGED, f"'{name}' was listed and is gone")
    return Wanted(address=address, name=name, etag=facts.etag)


@contextmanager
def _translated(
    location: str, *, where: str, cache: Path, missing: type[FarmError], failed: type[FarmError], noun: str
) -> Iterator[None]:
    """Turns the errors of S3 and of the cache into those of what the job reads."""
    try:
        yield
    except S3Error as error:
        message = f"'{location}' cannot be read: {error.text}"
        match error.problem:
            case S3Problem.NO_OBJECT | S3Problem.NO_BUCKET:
                what = "object" if error.problem is S3Problem.NO_OBJECT else "bucket"
                raise missing(f"no such {what}: '{location}'", where=where, hint=error.hint) from error
            case S3Problem.DENIED:
                raise missing(message, where=where, code="not_readable", hint=error.hint) from error
            case S3Problem.CHANGED:
                code = f"{noun}_changed"
            case S3Problem.ARCHIVED:
                code = f"{noun}_archived"
            case S3Problem.DAMAGED | S3Problem.GARBLED:
                code = f"{noun}_damaged"
            case _:
                code = f"{noun}_unreachable"
        raise failed(
            message, where=where, code=code, hint=error.hint, retry=Retry.LATER if error.is_outage else None
        ) from error
    except OSError as error:
        raise DiskFull.or_unwritable(
            error, where=str(cache), hint="free some space or set FARM_CACHE"
        ) from error
