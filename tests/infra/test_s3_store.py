from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.storage import PutOutcome, open_store
from infra.storage.s3 import S3Store, s3_client
from jobs.errors import SettingsError, StoreError

KEY = "renders/demo/segment-00000.mp4"


class LostAcknowledgement:
    """A client whose first PUT lands but whose answer never arrives, so that the caller repeats it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **request: Any) -> Any:
        self._client.put_object(**request)
        return self._client.put_object(**request)


class Conflicting:
    """A client that answers 409 a number of times before it does as asked."""

    def __init__(self, client: Any, *, times: int) -> None:
        self._client = client
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **request: Any) -> Any:
        if self.left == 0:
            return self._client.put_object(**request)
        self.left -= 1
        raise ClientError(
            {
                "Error": {"Code": "ConditionalRequestConflict"},
                "ResponseMetadata": {"HTTPStatusCode": 409},
            },  # type: ignore[typeddict-item]
            "PutObject",
        )


def test_a_lost_acknowledgement_is_a_success(s3_bucket: Callable[[], str]) -> None:
    store = S3Store(bucket=s3_bucket(), prefix="p", client=LostAcknowledgement(s3_client()))
    assert store.put_if_absent(KEY, b"pixels") is PutOutcome.ALREADY_EQUAL


def test_a_conflict_between_two_writers_is_waited_out(
    s3_bucket: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    client = Conflicting(s3_client(), times=2)
    store = S3Store(bucket=s3_bucket(), prefix="p", client=client)
    assert store.put_if_absent(KEY, b"pixels") is PutOutcome.CREATED
    assert len(waits) == 2
    client.left = 100
    with pytest.raises(StoreError) as caught:
        store.put_if_absent("other.mp4", b"pixels")
    assert caught.value.code == "store_conflict"


def test_an_object_of_unknown_origin_is_hashed_before_it_is_judged(s3_bucket: Callable[[], str]) -> None:
    bucket = s3_bucket()
    s3_client().put_object(Bucket=bucket, Key=f"p/{KEY}", Body=b"pixels")
    assert open_store(f"s3://{bucket}/p").put_if_absent(KEY, b"pixels") is PutOutcome.ALREADY_EQUAL


def test_damage_in_the_bucket_is_found_when_the_object_is_read(s3_bucket: Callable[[], str]) -> None:
    bucket = s3_bucket()
    s3_client().put_object(Bucket=bucket, Key=KEY, Body=b"pixelz", Metadata={"sha256": "0" * 64})
    store = open_store(f"s3://{bucket}")
    with pytest.raises(StoreError) as caught:
        store.get(KEY)
    assert caught.value.code == "corrupt_object"
    with pytest.raises(StoreError), store.local_copy(KEY):
        pass


def test_a_bucket_that_does_not_exist_is_an_error_with_a_hint(s3_bucket: Callable[[], str]) -> None:
    s3_bucket()
    store = open_store("s3://no-such-bucket-anywhere/p")
    for operation in (
        lambda: store.put_if_absent(KEY, b"pixels"),
        lambda: store.get(KEY),
        lambda: list(store.list()),
    ):
        with pytest.raises(StoreError) as caught:
            operation()
        assert "create the bucket" in caught.value.hint


def test_a_server_that_does_not_answer_is_an_error_with_a_hint(
    s3_bucket: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreError) as caught:
        open_store("s3://bucket/p").head(KEY)
    assert caught.value.code == "store_unreachable"
    assert "AWS_*" in caught.value.hint


def test_the_store_travels_to_another_process_by_pickle(s3_bucket: Callable[[], str]) -> None:
    store = open_store(f"s3://{s3_bucket()}/p/")
    store.put_if_absent(KEY, b"pixels")
    copy = pickle.loads(pickle.dumps(store))
    assert copy.uri == store.uri
    assert copy.get(KEY) == b"pixels"


@pytest.mark.parametrize("uri", ["s3://", "s3://UPPER/x", "http://host/x", "", "a\0b"])
def test_an_address_that_is_no_store_is_refused(uri: str) -> None:
    with pytest.raises(SettingsError):
        open_store(uri)
