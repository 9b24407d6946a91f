"""Faults drawn at random from a seed, met by several writers and readers at once: everything ends, and ends right."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bucket_audit import direct_client, objects_in, open_uploads
from fault_proxy import Kind, fault_proxy

from infra.storage.s3 import S3Store
from infra.storage.s3_client import s3_client
from jobs.errors import ObjectNotFound, SegmentDivergence, StoreError

PART_BYTES = 64 << 10
ANYWHERE = [Kind.SLOW_DOWN, Kind.INTERNAL_ERROR, Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.DELAY]
FAULTS = {
    "any": ANYWHERE,
    "get": [Kind.TRUNCATED, Kind.CORRUPTED],
    "put": [Kind.CONFLICT, Kind.PRECONDITION_FAILED],
    "complete": [Kind.CONFLICT],
    "list": [Kind.EMPTY_LIST, Kind.STALE_LIST, Kind.NO_XML],
}


def content(number: int) -> bytes:
    """Every third object goes up in parts."""
    return bytes([number, number % 7, number % 5]) * (40_000 if number % 3 == 0 else 2_000)


def mixture(
    server: str, bucket: str, *, seed: int, objects: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> Counter[str]:
    """Writes every object twice and reads it, eight at once; gives how often each code came back."""
    codes: Counter[str] = Counter()
    with fault_proxy(server) as (proxy, address), ThreadPoolExecutor(8) as threads:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        proxy.draw(seed=seed, share=share, kinds=FAULTS)
        store = S3Store(bucket=bucket, prefix="store", client=s3_client(), part_bytes=PART_BYTES)

        def work(number: int) -> list[int]:
            key, data = f"take-{number % 2}/object-{number // 2:03d}", content(number // 2)
            try:
                store.put_if_absent(key, data)
                assert store.get(key) == data, "what was committed is what is read"
                facts = store.head(key)
                assert facts is not None
                assert facts.size_bytes == len(data)
                assert set(store.list(f"take-{number % 2}/")) <= keys
            except (SegmentDivergence, ObjectNotFound):
                raise  # nothing was written twice with other bytes, and nothing deleted
            except StoreError as error:
                codes[error.code] += 1
                return []
            return [number]

        keys = {f"take-{number % 2}/object-{number // 2:03d}" for number in range(objects * 2)}
        numbers = [number for number in range(objects * 2) for _ in range(2)]
        done = {number for found in threads.map(work, numbers) for number in found}
        assert proxy.faults.total() > objects, "the faults were met"
        proxy.plan()
        held = objects_in(direct_client(server), bucket)
        for number in done:
            assert held[f"store/take-{number % 2}/object-{number // 2:03d}"] == content(number // 2)
        assert {key for key in held if ".farm-" in key} == set()
        assert open_uploads(direct_client(server), bucket) == []
        # Without faults the rest is written as well, and what was written is found equal.
        again = [work(number) for number in range(objects * 2)]
        assert again == [[number] for number in range(objects * 2)]
    return codes


@pytest.fixture
def without_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("infra.storage.s3_retry.sleep", lambda _: None)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", PART_BYTES)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("without_waits")
@pytest.mark.parametrize("kind", ["s3", "signing_s3"])
def test_a_mixture_of_faults_ends_right(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket: Callable[[], str] = request.getfixturevalue(f"{kind}_bucket")
    server = request.getfixturevalue(f"{kind}_server")
    codes = mixture(server, bucket(), seed=1, objects=6, share=0.15, monkeypatch=monkeypatch)
    assert codes.total() == 0, "seven attempts see through faults of every seventh request"


@pytest.mark.slow
@pytest.mark.timeout(480)
@pytest.mark.usefixtures("without_waits")
@pytest.mark.parametrize(("seed", "share"), [(0, 0.1), (1, 0.3), (2, 0.6)])
@pytest.mark.parametrize("kind", ["s3", "signing_s3"])
def test_a_long_mixture_of_faults_ends_right_or_in_one_coded_error(
    kind: str, seed: int, share: float, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket: Callable[[], str] = request.getfixturevalue(f"{kind}_bucket")
    server = request.getfixturevalue(f"{kind}_server")
    codes = mixture(server, bucket(), seed=seed, objects=12, share=share, monkeypatch=monkeypatch)
    print(f"{kind}, seed {seed}, faults of {share:.0%}: {dict(codes) or 'no errors'}")
    assert set(codes) <= {"store_busy", "store_unreachable", "store_conflict", "damaged_in_transit"}
