"""One suite for every object store: what the farm relies on, whatever lies below."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bucket_audit import objects_in, open_uploads

from infra.storage import FolderStore, MemoryStore, ObjectStore, PutOutcome, open_store
from infra.storage.s3_client import s3_client
from jobs.errors import ObjectNotFound, SegmentDivergence, StoreError
from jobs.locations import s3_address

KEY = "renders/demo/hello/0123456789abcdef/take-01/segment-00007.mp4"


# The rclone server overwrites whatever a write's condition says, so a store there promises less.
UNCONDITIONAL = "s3 without conditional writes"
STORES = ["folder", "memory", "s3", "s3 at the root of a bucket", UNCONDITIONAL]


def make_store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if kind == "folder":
        return FolderStore(tmp_path / "store")
    if kind == "memory":
        return MemoryStore()
    fixture = "signing_s3_bucket" if kind == UNCONDITIONAL else "s3_bucket"
    make_bucket: Callable[[], str] = request.getfixturevalue(fixture)
    prefix = "" if kind == "s3 at the root of a bucket" else "studio/farm"
    return open_store(f"s3://{make_bucket()}/{prefix}")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return make_store(request.param, request, tmp_path)


@pytest.fixture(params=[kind for kind in STORES if kind != UNCONDITIONAL])
def conditional_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return make_store(request.param, request, tmp_path)


@pytest.fixture
def unconditional_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return make_store(UNCONDITIONAL, request, tmp_path)


def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    data = bytes(range(256)) * 40
    assert store.put_if_absent(KEY, data) is PutOutcome.CREATED
    assert store.get(KEY) == data


def test_a_store_says_whether_its_place_refuses_second_copies(
    conditional_store: ObjectStore, unconditional_store: ObjectStore
) -> None:
    assert conditional_store.refuses_second_copies()
    assert not unconditional_store.refuses_second_copies()
    assert list(unconditional_store.list()) == [], "nothing of the question is left"


def test_an_object_may_be_empty(store: ObjectStore) -> None:
    store.put_if_absent(KEY, b"")
    assert store.get(KEY) == b""


def test_an_object_can_come_from_a_file(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "master.mp4"
    source.write_bytes(b"x" * 3_000_000)
    assert store.put_if_absent(KEY, source) is PutOutcome.CREATED
    assert store.put_if_absent(KEY, b"x" * 3_000_000) is PutOutcome.ALREADY_EQUAL
    assert store.get(KEY) == source.read_bytes()


def test_a_second_equal_copy_is_a_success(store: ObjectStore) -> None:
    store.put_if_absent(KEY, b"same")
    assert store.put_if_absent(KEY, b"same") is PutOutcome.ALREADY_EQUAL


def test_a_second_different_copy_raises_the_alarm_and_changes_nothing(store: ObjectStore) -> None:
    store.put_if_absent(KEY, b"first")
    with pytest.raises(SegmentDivergence) as caught:
        store.put_if_absent(KEY, b"second")
    assert caught.value.where == KEY
    assert store.get(KEY) == b"first"
    assert list(store.list()) == [KEY]


def test_bytes_that_do_not_match_their_announced_hash_are_refused(store: ObjectStore) -> None:
    with pytest.raises(StoreError) as caught:
        store.put_if_absent(KEY, b"damaged", sha256=hashlib.sha256(b"intact").hexdigest())
    assert caught.value.code == "checksum_mismatch"
    assert store.head(KEY) is None


def test_the_facts_of_an_object_are_its_size_and_hash(store: ObjectStore) -> None:
    store.put_if_absent(KEY, b"abc", sha256=hashlib.sha256(b"abc").hexdigest())
    facts = store.head(KEY)
    assert facts is not None
    assert (facts.key, facts.size_bytes) == (KEY, 3)
    assert facts.sha256 == hashlib.sha256(b"abc").hexdigest()


def test_a_key_that_holds_nothing_is_said_to_hold_nothing(store: ObjectStore) -> None:
    assert store.head(KEY) is None
    assert list(store.list("renders/")) == []
    with pytest.raises(ObjectNotFound):
        store.get(KEY)
    with pytest.raises(ObjectNotFound), store.local_copy(KEY):
        pass


def test_keys_are_listed_in_order_below_a_prefix(store: ObjectStore) -> None:
    keys = [f"renders/demo/hello/take-01/segment-{index:05d}.mp4" for index in (10, 2, 1)]
    for key in [*keys, "renders/demo/hello-again/take-01/segment-00001.mp4", "renders/other.mp4"]:
        store.put_if_absent(key, b"x")
    assert list(store.list("renders/demo/hello/")) == sorted(keys)
    assert list(store.list("renders/demo/hello/take-01/segment-0000")) == sorted(keys)[:2]
    assert len(list(store.list("renders/demo/hello"))) == 4
    assert len(list(store.list())) == 5


def test_a_deleted_object_is_gone_and_its_key_is_free_again(store: ObjectStore) -> None:
    store.put_if_absent(KEY, b"first")
    store.delete(KEY)
    store.delete(KEY)
    assert store.head(KEY) is None
    assert store.put_if_absent(KEY, b"second") is PutOutcome.CREATED
    assert store.get(KEY) == b"second"


def test_a_local_copy_is_a_file_with_the_same_bytes(store: ObjectStore) -> None:
    store.put_if_absent(KEY, b"pixels")
    with store.local_copy(KEY) as path:
        assert path.read_bytes() == b"pixels"
    assert store.get(KEY) == b"pixels"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../outside",
        "a/../b",
        "a//b",
        "a/",
        ".hidden",
        "a/.hidden",
        "a\\b",
        "a\0b",
        "ä",
        "x" * 1025,
    ],
    ids=lambda key: repr(key[:16]),
)
def test_an_unsafe_key_is_refused_by_every_operation(store: ObjectStore, key: str) -> None:
    for operation in (
        lambda: store.put_if_absent(key, b"x"),
        lambda: store.get(key),
        lambda: store.head(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(StoreError) as caught:
            operation()
        assert caught.value.code == "bad_key"


@pytest.mark.parametrize("prefix", ["/", "../", "a//", ".hidden", "a/.", "ä"])
def test_a_prefix_that_starts_no_key_is_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(StoreError) as caught:
        list(store.list(prefix))
    assert caught.value.code == "bad_key"


def test_a_file_that_is_not_there_cannot_be_put(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        store.put_if_absent(KEY, tmp_path / "missing.mp4")
    assert "missing.mp4" in caught.value.where
    assert store.head(KEY) is None


def offer_equal_bytes_16_times(store: ObjectStore) -> list[PutOutcome]:
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda _: store.put_if_absent(KEY, b"same bytes"), range(16)))


def offer_different_bytes_16_times(store: ObjectStore) -> list[int]:
    """The numbers of those who were told that theirs is the object."""

    def write(number: int) -> int | None:
        try:
            return number if store.put_if_absent(KEY, bytes([number])) is PutOutcome.CREATED else None
        except SegmentDivergence:
            return None

    with ThreadPoolExecutor(8) as threads:
        return [number for number in threads.map(write, range(16)) if number is not None]


def test_of_many_equal_writers_one_creates_and_all_succeed(conditional_store: ObjectStore) -> None:
    outcomes = offer_equal_bytes_16_times(conditional_store)
    assert outcomes.count(PutOutcome.CREATED) == 1
    assert outcomes.count(PutOutcome.ALREADY_EQUAL) == 15


def test_of_many_different_writers_one_wins_and_the_rest_hear_the_alarm(
    conditional_store: ObjectStore,
) -> None:
    winners = offer_different_bytes_16_times(conditional_store)
    assert len(winners) == 1
    assert conditional_store.get(KEY) == bytes(winners)


def test_without_conditions_many_equal_writers_all_succeed(unconditional_store: ObjectStore) -> None:
    assert PutOutcome.CREATED in offer_equal_bytes_16_times(unconditional_store)
    assert unconditional_store.get(KEY) == b"same bytes"


def test_without_conditions_the_object_is_one_that_somebody_was_told_is_his(
    unconditional_store: ObjectStore,
) -> None:
    # Several may have been told so: that is what cannot be promised there. What stays does not change any more.
    winners = offer_different_bytes_16_times(unconditional_store)
    kept = unconditional_store.get(KEY)
    assert kept[0] in winners
    with pytest.raises(SegmentDivergence):
        unconditional_store.put_if_absent(KEY, b"later")
    assert unconditional_store.get(KEY) == kept


def test_writing_leaves_nothing_but_the_objects(store: ObjectStore, tmp_path: Path) -> None:
    store.put_if_absent(KEY, b"first")
    with pytest.raises(SegmentDivergence):
        store.put_if_absent(KEY, b"second")
    with pytest.raises(StoreError):
        store.put_if_absent("a/b", b"x", sha256="0" * 64)
    assert list(store.list()) == [KEY]
    if store.uri.startswith("s3://"):
        bucket, client = s3_address(store.uri).bucket, s3_client()
        assert [key.endswith(KEY) for key in objects_in(client, bucket)] == [True]
        assert open_uploads(client, bucket) == []
    else:
        assert list(tmp_path.rglob(".incoming/*")) == []
