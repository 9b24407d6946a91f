"""What a job reads, brought to this machine: a path stays where it is, an ``s3://`` URI is downloaded once.

Downloads are kept in the cache under the hash of their address and version, so that a changed object is
fetched anew and an unchanged one is not. Each arrives under a temporary name and is renamed when it is
whole.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.errors import DiskFull, InputError, InputNotFound, UnknownSubject
from jobs.identity import sha256_of_record
from jobs.locations import S3Address, is_s3, s3_address

LARGEST_SUBJECT_OBJECTS = 1000  # a package has four files; a prefix with thousands is not a package


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
    address = s3_address(location)
    with _translated(location, where=where, cache=cache):
        client = _client()
        facts = client.head_object(Bucket=address.bucket, Key=address.key)
        name = address.key.rpartition("/")[2] or "object"
        folder = cache / "inputs" / sha256_of_record([location, facts["ETag"]])[:32]
        _download([(address, folder / name)], client=client, folder=folder)
        return folder / name


def fetch_subject_folder(location: str, *, cache: Path, where: str = "spec.subject") -> Path:
    """A local folder with the subject package at a location.

    Args:
        location: Absolute path of a folder, or ``s3://`` URI of the prefix of a package.
        cache: Folder for downloads.
        where: Field of the job that names the location, for errors.

    Raises:
        UnknownSubject: There is no such folder, or nothing under the prefix.
        InputError: S3 failed.
        DiskFull: The cache has no space left.
    """
    if not is_s3(location):
        return _local_folder(Path(location), where=where)
    address = s3_address(location)
    prefix = address.key.rstrip("/") + "/"
    with _translated(location, where=where, cache=cache):
        client = _client()
        # What lies deeper (the clip, its report) is for training, and may be large.
        answer = client.list_objects_v2(
            Bucket=address.bucket, Prefix=prefix, Delimiter="/", MaxKeys=LARGEST_SUBJECT_OBJECTS
        )
        entries = [entry for entry in answer.get("Contents", []) if not entry["Key"].endswith("/")]
        if not entries or answer.get("IsTruncated"):
            problem = "holds more objects than a subject package has" if entries else "holds nothing"
            raise UnknownSubject(f"'{location}' {problem}", where=where, hint=_SUBJECT_HINT)
        version = sorted([entry["Key"], entry["ETag"]] for entry in entries)
        folder = cache / "subjects" / sha256_of_record([location, version])[:32]
        wanted = [
            (
                S3Address(bucket=address.bucket, key=entry["Key"]),
                _inside(folder, entry["Key"].removeprefix(prefix), location=location, where=where),
            )
            for entry in entries
        ]
        _download(wanted, client=client, folder=folder)
        return folder


_SUBJECT_HINT = "write builtin:NAME, or the folder or s3:// URI of a package with a subject.yaml"


def _local_file(path: Path, *, where: str) -> Path:
    mode = _mode(path)
    if mode is None:
        raise InputNotFound(
            f"no such file: '{path}'", where=where, hint="check the path; it starts at the job's file"
        )
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
        raise UnknownSubject(f"'{path}' {problem}", where=where, hint=_SUBJECT_HINT)
    return path


def _mode(path: Path) -> int | None:
    """What lies at a path; None where nothing can be seen, be it only because the name is too long."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _inside(folder: Path, name: str, *, location: str, where: str) -> Path:
    # Keys are chosen by whoever wrote the bucket; "../x" is a legal key and must not become a path.
    path = folder / name
    if not Path(os.path.normpath(path)).is_relative_to(folder) or "\0" in name:
        raise UnknownSubject(
            f"'{location}' holds the unsafe key '{name}'", where=where, hint="rename the object"
        )
    return path


def _client() -> Any:
    # Imported here: most jobs read local files, and the client takes longer to load than they do.
    from infra.storage.s3 import s3_client

    return s3_client()


def _download(wanted: Iterable[tuple[S3Address, Path]], *, client: Any, folder: Path) -> None:
    """All objects or none of them: the folder appears under its name when it is complete."""
    if folder.is_dir():
        return
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(8)}")
    try:
        temporary.mkdir(parents=True)
        for address, path in wanted:
            target = temporary / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(address.bucket, address.key, str(target))
        try:
            temporary.rename(folder)
        except OSError:
            if (
                not folder.is_dir()
            ):  # else another process fetched the same version meanwhile, which is as good
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _translated(location: str, *, where: str, cache: Path) -> Iterator[None]:
    """Turns the errors of S3 and of the cache into the farm's."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ("404", "NoSuchKey", "NoSuchBucket"):
            raise InputNotFound(
                f"no such object: '{location}'", where=where, hint="check bucket and key"
            ) from error
        if code in ("403", "AccessDenied"):
            raise InputNotFound(
                f"'{location}' may not be read",
                where=where,
                code="not_readable",
                hint="check the credentials",
            ) from error
        raise InputError(f"S3 refused '{location}': {code}", where=where, hint="try again later") from error
    except (Boto3Error, BotoCoreError) as error:
        raise InputError(
            f"S3 cannot be reached for '{location}': {type(error).__name__}",
            where=where,
            code="input_unreachable",
            hint="check the AWS_* settings, the endpoint and the network",
        ) from error
    except OSError as error:
        raise DiskFull.or_unwritable(
            error, where=str(cache), hint="free some space or set FARM_CACHE"
        ) from error
