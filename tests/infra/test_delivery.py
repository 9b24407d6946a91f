from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.delivery import check_bucket, deliver
from infra.storage.s3_client import s3_client
from jobs.errors import OutputUnwritable


def test_a_master_arrives_in_the_bucket_and_replaces_an_earlier_one(
    s3_bucket: Callable[[], str], tmp_path: Path
) -> None:
    bucket = s3_bucket()
    master = tmp_path / "hello.mp4"
    for content in (b"first", b"second"):
        master.write_bytes(content)
        deliver(master, f"s3://{bucket}/out/hello.mp4")
    answer = s3_client().get_object(Bucket=bucket, Key="out/hello.mp4")
    assert answer["Body"].read() == b"second"
    assert answer["ContentType"] == "video/mp4"


def test_a_check_leaves_nothing_in_the_bucket(s3_bucket: Callable[[], str]) -> None:
    bucket = s3_bucket()
    check_bucket(f"s3://{bucket}/out/hello.mp4")
    check_bucket(f"s3://{bucket}/hello.mp4")
    assert "Contents" not in s3_client().list_objects_v2(Bucket=bucket)


def test_a_bucket_that_cannot_be_written_is_found_before_rendering(
    s3_bucket: Callable[[], str], tmp_path: Path
) -> None:
    s3_bucket()
    master = tmp_path / "hello.mp4"
    master.write_bytes(b"x")
    uri = "s3://no-such-bucket-anywhere/hello.mp4"
    for operation in (lambda: check_bucket(uri), lambda: deliver(master, uri)):
        with pytest.raises(OutputUnwritable) as caught:
            operation()
        assert caught.value.where == "spec.output.uri"
        assert uri in caught.value.message
