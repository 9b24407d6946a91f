from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bucket_audit import direct_client, objects_in, open_uploads
from fault_proxy import Fault, FaultProxy, Kind, fault_proxy
from rclone_server import SECRET_KEY

from infra.storage import PutOutcome, open_store
from infra.storage.s3 import S3Store
from infra.storage.s3_client import s3_client
from infra.storage.s3_content import Content
from infra.storage.s3_multipart import MultipartUpload
from jobs.errors import SegmentDivergence, SettingsError, StoreError
from jobs.identity import sha256_of_bytes

KEY = "renders/demo/segment-00000.mp4"
PART_BYTES = 64 << 10

MakeBucket = Callable[[], str]


@dataclass
class Proxied:
    store: S3Store
    proxy: FaultProxy
    direct: Any
    bucket: str


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.storage.s3_retry.sleep", lambda _: None)


@pytest.fixture
def proxied(s3_server: str, s3_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxied]:
    """A store of large objects, with a proxy before its server."""
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", PART_BYTES)
    bucket = s3_bucket()
    with fault_proxy(s3_server) as (proxy, address):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        store = S3Store(bucket=bucket, prefix="", client=s3_client(), part_bytes=PART_BYTES)
        yield Proxied(store=store, proxy=proxy, direct=direct_client(s3_server), bucket=bucket)


def test_a_store_finds_out_once_whether_conditions_are_honoured(proxied: Proxied) -> None:
    for number in range(3):
        proxied.store.put_if_absent(f"{number}.mp4", b"pixels")
    assert proxied.proxy.requests == ["put", "put", "delete", "put", "put", "put"]


def test_a_server_that_knows_no_conditions_is_written_without(proxied: Proxied, no_waits: None) -> None:
    proxied.proxy.plan(Fault(Kind.NOT_IMPLEMENTED, "put", key=".farm-", times=1))
    assert proxied.store.put_if_absent(KEY, b"pixels") is PutOutcome.CREATED
    assert proxied.proxy.requests == ["put", "delete", "head", "put", "head"]
    with pytest.raises(SegmentDivergence):
        proxied.store.put_if_absent(KEY, b"others")
    assert proxied.store.get(KEY) == b"pixels"


def test_an_acknowledgement_that_was_lost_is_told_from_another_copy(proxied: Proxied, no_waits: None) -> None:
    proxied.proxy.plan(Fault(Kind.RESET_AFTER, "put", key=KEY))
    assert proxied.store.put_if_absent(KEY, b"pixels") is PutOutcome.ALREADY_EQUAL
    with pytest.raises(SegmentDivergence):
        proxied.store.put_if_absent(KEY, b"others")
    assert proxied.store.get(KEY) == b"pixels"


@pytest.mark.parametrize("size", [PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES])
def test_a_large_object_goes_up_in_parts_and_is_created_once(
    proxied: Proxied, size: int, tmp_path: Path
) -> None:
    source = tmp_path / "master.mp4"
    source.write_bytes(b"x" * size)
    assert proxied.store.put_if_absent(KEY, source) is PutOutcome.CREATED
    assert proxied.store.put_if_absent(KEY, source) is PutOutcome.ALREADY_EQUAL
    with pytest.raises(SegmentDivergence):
        proxied.store.put_if_absent(KEY, b"y" * size)
    assert proxied.store.get(KEY) == b"x" * size
    parts = proxied.proxy.requests.count("part")
    assert parts == (0 if size == PART_BYTES else -(-size // PART_BYTES))
    assert open_uploads(proxied.direct, proxied.bucket) == []


def test_a_copy_that_arrives_while_a_large_one_goes_up_is_not_overwritten(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = S3Store(bucket=proxied.bucket, prefix="", client=s3_client())
    sent = MultipartUpload._complete

    def overtaken(*arguments: Any, **named: Any) -> None:
        other.put_if_absent(KEY, b"first")
        sent(*arguments, **named)

    monkeypatch.setattr(MultipartUpload, "_complete", overtaken)
    with pytest.raises(SegmentDivergence):
        proxied.store.put_if_absent(KEY, b"x" * (2 * PART_BYTES))
    assert objects_in(proxied.direct, proxied.bucket) == {KEY: b"first"}
    assert open_uploads(proxied.direct, proxied.bucket) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "Input/output error"), MemoryError()])
def test_an_upload_that_is_interrupted_is_aborted(
    proxied: Proxied, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(content: Content, size_bytes: int) -> Iterator[bytes]:
        yield b"x" * size_bytes
        raise error

    monkeypatch.setattr(Content, "parts", parts)
    with pytest.raises((type(error), StoreError)):
        proxied.store.put_if_absent(KEY, b"x" * (2 * PART_BYTES))
    assert proxied.proxy.requests[-2:] == ["part", "abort"]
    assert open_uploads(proxied.direct, proxied.bucket) == []
    assert objects_in(proxied.direct, proxied.bucket) == {}


def test_an_abort_that_fails_at_first_is_tried_again(proxied: Proxied, no_waits: None) -> None:
    proxied.proxy.plan(Fault(Kind.SLOW_DOWN, "part", times=99), Fault(Kind.RESET_AFTER, "abort", times=2))
    with pytest.raises(StoreError) as caught:
        proxied.store.put_if_absent(KEY, b"x" * (2 * PART_BYTES))
    assert caught.value.code == "store_busy"
    assert open_uploads(proxied.direct, proxied.bucket) == []


def test_a_listing_that_is_old_hides_objects_but_no_question_about_one(proxied: Proxied) -> None:
    assert list(proxied.store.list()) == []
    proxied.store.put_if_absent(KEY, b"pixels")
    for kind in (Kind.STALE_LIST, Kind.EMPTY_LIST):
        proxied.proxy.plan(Fault(kind, "list"))
        assert list(proxied.store.list()) == []
    assert proxied.store.head(KEY) is not None
    assert list(proxied.store.list()) == [KEY]


def test_a_server_that_forgot_the_hash_of_an_object_is_read_instead(
    signing_s3_bucket: MakeBucket, signing_s3_server: str
) -> None:
    # rclone keeps metadata in memory; this is what its objects look like after a restart.
    bucket, key = signing_s3_bucket(), "renders/a.mp4"
    direct_client(signing_s3_server).put_object(Bucket=bucket, Key=key, Body=b"pixels")
    store = open_store(f"s3://{bucket}")
    facts = store.head(key)
    assert facts is not None
    assert facts.sha256 == sha256_of_bytes(b"pixels")
    assert store.put_if_absent(key, b"pixels") is PutOutcome.ALREADY_EQUAL
    with pytest.raises(SegmentDivergence):
        store.put_if_absent(key, b"others")


def test_objects_of_others_in_the_bucket_are_no_keys(s3_bucket: MakeBucket) -> None:
    bucket = s3_bucket()
    for key in ("p/.hidden", "p/folder/", "p/with space", "p/a.mp4"):
        s3_client().put_object(Bucket=bucket, Key=key, Body=b"")
    assert list(open_store(f"s3://{bucket}/p").list()) == ["a.mp4"]


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"])
def test_wrong_keys_are_named_as_the_cause_and_shown_nowhere(
    signing_s3_bucket: MakeBucket,
    name: str,
    wrong_s3_keys: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bucket = signing_s3_bucket()
    wrong_s3_keys(name)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-nobodys-business")
    caplog.set_level(logging.DEBUG)
    store = open_store(f"s3://{bucket}/p")
    for operation in (
        lambda: store.put_if_absent(KEY, b"pixels"),
        lambda: store.get(KEY),
        lambda: store.head(KEY),
        lambda: list(store.list()),
        lambda: store.delete(KEY),
    ):
        with pytest.raises(StoreError) as caught:
            operation()
        logging.getLogger("tests").info("failed", exc_info=caught.value)
        assert caught.value.code == "store_denied"
        assert "credentials" in caught.value.hint
        assert "nobodys-business" not in f"{caught.value} {caught.value.hint}"
    assert "nobodys-business" not in caplog.text
    assert SECRET_KEY not in caplog.text


@pytest.mark.parametrize("uri", ["s3://AKIA:hush@bucket/p", "s3://hush@bucket"])
def test_an_address_with_credentials_is_refused_without_repeating_them(uri: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_store(uri)
    assert "hush" not in f"{caught.value} {caught.value.hint}"


def test_an_endpoint_with_credentials_is_refused_without_repeating_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hush@127.0.0.1:9")
    with pytest.raises(SettingsError) as caught:
        open_store("s3://bucket/p")
    assert caught.value.where == "AWS_ENDPOINT_URL"
    assert "hush" not in f"{caught.value} {caught.value.hint}"


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
    s3_bucket: Callable[[], str], no_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
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
