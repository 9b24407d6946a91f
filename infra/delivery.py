"""What a studio wants in a bucket, such as a master; local files are renamed into place by whoever finishes them.

Unlike the store, the place is the studio's own: delivering again replaces what an earlier run delivered. S3
shows a reader the old object or the new one, never a part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.storage.s3_problems import S3Error, S3Problem
from jobs.errors import OutputUnwritable, Retry
from jobs.locations import s3_address

_CODES: Final = {S3Problem.ARCHIVED: "output_archived", S3Problem.FULL: "output_full"}


def check_bucket(location: str, *, where: str = "spec.output.uri", size_bytes: int = 0) -> None:
    """Find out before rendering whether a master can be delivered: write a small object beside it, remove it again.

    Args:
        location: ``s3://`` URI of the master.
        where: Field of the job that names the location, for errors.
        size_bytes: Size of the master; a large one is written in another way.

    Raises:
        OutputUnwritable: The bucket does not exist, cannot be reached or may not be written.
    """
    # Imported here: most masters go to a local folder, and the client takes long to load.
    from infra.storage.s3_client import s3_client
    from infra.storage.s3_probe import check_writable
    from infra.storage.s3_upload import PART_BYTES

    address = s3_address(location)
    folder, slash, _ = address.key.rpartition("/")
    with _translated(location, where=where):
        check_writable(
            s3_client(),
            bucket=address.bucket,
            prefix=folder + slash,
            in_parts=size_bytes > PART_BYTES,
        )


def deliver(
    source: Path, location: str, *, content_type: str = "video/mp4", where: str = "spec.output.uri"
) -> None:
    """Upload a finished file to where the studio wants it, replacing what was there.

    Args:
        source: The finished file.
        location: ``s3://`` URI of the object.
        content_type: MIME type that it is served with.
        where: Field of the job that names the location, for errors.

    Raises:
        OutputUnwritable: The object cannot be written; what was there before is still there.
        OSError: The source cannot be read.
    """
    from infra.storage.s3_client import s3_client
    from infra.storage.s3_content import Content
    from infra.storage.s3_upload import Uploader

    with _translated(location, where=where):
        Uploader(client=s3_client()).upload(
            Content.of(source), s3_address(location), if_absent=False, content_type=content_type
        )


def delivered_sha256(location: str, *, sizes: Container[int], where: str) -> str | None:
    """What the object at a location hashes to.

    Args:
        location: ``s3://`` URI of the object.
        sizes: Sizes in bytes that are of interest; an object of another size is not read.
        where: Field of the job that names the location, for errors.

    Returns:
        None where there is no object, empty where it is of another size.

    Raises:
        OutputUnwritable: It cannot be found out.
    """
    from infra.storage.s3_client import s3_client
    from infra.storage.s3_read import read_into, remote_facts

    address = s3_address(location)
    with _translated(location, where=where, verb="looked at"):
        client = s3_client()
        facts = remote_facts(client, address)
        if facts is None:
            return None
        if facts.size_bytes not in sizes:
            return ""
        # Some servers lose the hash that the farm writes beside its objects.
        if facts.sha256 is not None:
            return facts.sha256
        with tempfile.TemporaryFile() as sink:
            return read_into(client, address, sink)


def read_delivered(location: str, *, where: str, largest: int) -> bytes | None:
    """The bytes of a small object at a location, such as a manifest.

    Args:
        location: ``s3://`` URI of the object.
        where: Field of the job that names the location, for errors.
        largest: More bytes are not read.

    Returns:
        None where there is no object, or a larger one.

    Raises:
        OutputUnwritable: It cannot be read.
    """
    from infra.storage.s3_client import s3_client
    from infra.storage.s3_read import read_bytes, remote_facts

    address = s3_address(location)
    with _translated(location, where=where, verb="read"):
        client = s3_client()
        facts = remote_facts(client, address)
        if facts is None or facts.size_bytes > largest:
            return None
        return read_bytes(client, address)[0]


@contextmanager
def _translated(location: str, *, where: str, verb: str = "written") -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        raise OutputUnwritable(
            f"'{location}' cannot be {verb}: {error.text}",
            where=where,
            code=_CODES.get(error.problem, ""),
            hint=error.hint
            if verb == "written" or error.advice
            else f"{error.hint}; or give --overwrite, which looks at nothing",
            retry=Retry.LATER if error.is_outage else None,
        ) from error
