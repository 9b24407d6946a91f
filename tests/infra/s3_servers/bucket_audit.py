"""What a bucket really holds, asked of the server itself and not of the code that is tested."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from rclone_server import ACCESS_KEY, SECRET_KEY


def direct_client(server: str) -> Any:
    """A client that goes straight to a server."""
    return boto3.client(
        "s3",
        endpoint_url=server,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(request_checksum_calculation="when_required"),
    )


def keys_in(client: Any, bucket: str) -> list[str]:
    """The key of every object."""
    return [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def objects_in(client: Any, bucket: str) -> dict[str, bytes]:
    """Every object with its bytes."""
    keys = keys_in(client, bucket)
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def open_uploads(client: Any, bucket: str) -> list[str]:
    """The keys of uploads in parts that were neither completed nor aborted."""
    try:
        answer = client.list_multipart_uploads(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchUpload":  # how rclone says that there is none
            return []
        raise
    return [entry["Key"] for entry in answer.get("Uploads", [])]
