"""Masters that a studio wants in a bucket; local ones are renamed into place by whoever finishes them.

Unlike the store, the place is the studio's own: delivering again replaces what an earlier run delivered. S3
shows a reader the old object or the new one, never a part.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.errors import OutputUnwritable
from jobs.locations import s3_address


def check_bucket(location: str, *, where: str = "spec.output.uri") -> None:
    """Find out before rendering whether a master can be delivered: write a small object beside it, remove it again.

    Args:
        location: ``s3://`` URI of the master.
        where: Field of the job that names the location, for errors.

    Raises:
        OutputUnwritable: The bucket does not exist, cannot be reached or may not be written.
    """
    address = s3_address(location)
    folder, slash, _ = address.key.rpartition("/")
    probe = f"{folder}{slash}.farm-{secrets.token_hex(8)}"
    with _client(location, where=where) as client:
        client.put_object(Bucket=address.bucket, Key=probe, Body=b"")
        client.delete_object(Bucket=address.bucket, Key=probe)


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
    address = s3_address(location)
    with _client(location, where=where) as client:
        client.upload_file(str(source), address.bucket, address.key, ExtraArgs={"ContentType": content_type})


@contextmanager
def _client(location: str, *, where: str) -> Iterator[Any]:
    # Imported here: most masters go to a local folder, and the client takes long to load.
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    from infra.storage.s3 import s3_client

    try:
        yield s3_client()
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise OutputUnwritable(
            f"'{location}' cannot be written: {error}",
            where=where,
            hint="check the bucket, the credentials and the AWS_* settings",
        ) from error
