"""One row for each fault and operation: what must come of it when it passes, and when it lasts.

The client speaks to a proxy, the proxy to a real server; nothing of the farm is replaced but the waits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bucket_audit import direct_client, keys_in, open_uploads
from fault_proxy import Fault, FaultProxy, Kind, fault_proxy
from rclone_server import SECRET_KEY

from infra.delivery import check_bucket, deliver
from infra.fetch import fetch_file, fetch_subject_folder
from infra.storage import ObjectFacts
from infra.storage.s3 import S3Store
from infra.storage.s3_client import s3_client
from infra.storage.s3_retry import ATTEMPTS
from jobs.errors import FarmError, Retry
from jobs.identity import sha256_of_bytes

KEY = "renders/demo/segment-00000.mp4"
SMALL = bytes(range(256)) * 64
PART_BYTES = 64 << 10
LARGE = bytes(range(251)) * 400  # two parts
THERE = "store/there.mp4"
INPUTS = {
    "put": {},
    "put large": {},
    "deliver": {},
    "check": {},
    "speech": {"speech.wav": SMALL},
    "subject": {"subject/subject.yaml": b"name: a", "subject/template.npz": SMALL},
}
CONDITIONAL, SIGNING = "s3_server", "signing_s3_server"


@dataclass
class Scene:
    """A bucket that holds what the operations read, reached through the proxy."""

    proxy: FaultProxy
    direct: Any
    bucket: str
    folder: Path

    @property
    def store(self) -> S3Store:
        return S3Store(bucket=self.bucket, prefix="store", client=s3_client(), part_bytes=PART_BYTES)

    def held(self, key: str) -> bytes:
        """What the server really holds."""
        return bytes(self.direct.get_object(Bucket=self.bucket, Key=key)["Body"].read())


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[tuple[str, FaultProxy, str]]:
    """The name of a server, a proxy in front of it, and the proxy's address."""
    server = request.getfixturevalue(request.param)
    with fault_proxy(server) as (proxy, address):
        yield request.param, proxy, address


@pytest.fixture
def scene(
    served: tuple[str, FaultProxy, str],
    name: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Scene:
    server, proxy, address = served
    bucket = request.getfixturevalue(server.replace("server", "bucket"))()
    direct = direct_client(request.getfixturevalue(server))
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setattr("infra.storage.s3_retry.sleep", lambda _: None)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", PART_BYTES)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for key, data in INPUTS.get(name, {THERE: SMALL}).items():
        # Only the farm's own objects have their hash with them.
        metadata = {"sha256": sha256_of_bytes(data)} if key == THERE else {}
        direct.put_object(Bucket=bucket, Key=key, Body=data, Metadata=metadata)
    proxy.plan()
    return Scene(proxy=proxy, direct=direct, bucket=bucket, folder=tmp_path)


@dataclass(frozen=True)
class Operation:
    """Something the farm does with a bucket.

    Attributes:
        run: Does it.
        is_right: Whether what it gave, and what the bucket holds then, is what was wanted.
        codes: The codes of its errors, where they differ from the store's.
    """

    run: Callable[[Scene], Any]
    is_right: Callable[[Scene, Any], bool]
    codes: dict[str, str]


def delivered(scene: Scene) -> None:
    master = scene.folder / "master.mp4"
    master.write_bytes(SMALL)
    deliver(master, f"s3://{scene.bucket}/out/hello.mp4")


def copied(scene: Scene) -> bytes:
    with scene.store.local_copy("there.mp4") as path:
        return path.read_bytes()


def packaged(scene: Scene) -> dict[str, bytes]:
    folder = fetch_subject_folder(f"s3://{scene.bucket}/subject", cache=scene.folder / "cache")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def heard(scene: Scene) -> bytes:
    uri = f"s3://{scene.bucket}/speech.wav"
    return fetch_file(uri, cache=scene.folder / "cache", where="spec.speech").read_bytes()


INPUT = {"store_busy": "input_unreachable", "store_unreachable": "input_unreachable"}
INPUT |= {"damaged_in_transit": "input_damaged"}
SUBJECT = {ours: code.replace("input", "subject") for ours, code in INPUT.items()}
OUTPUT = dict.fromkeys(["store_busy", "store_unreachable", "damaged_in_transit"], "output_unwritable")

OPERATIONS = {
    "put": Operation(
        lambda scene: scene.store.put_if_absent(KEY, SMALL),
        lambda scene, _: scene.held(f"store/{KEY}") == SMALL,
        {},
    ),
    "put large": Operation(
        lambda scene: scene.store.put_if_absent(KEY, LARGE),
        lambda scene, _: scene.held(f"store/{KEY}") == LARGE,
        {},
    ),
    "get": Operation(lambda scene: scene.store.get("there.mp4"), lambda _, data: data == SMALL, {}),
    "local copy": Operation(copied, lambda _, data: data == SMALL, {}),
    "head": Operation(
        lambda scene: scene.store.head("there.mp4"),
        lambda _, facts: isinstance(facts, ObjectFacts) and facts.size_bytes == len(SMALL),
        {},
    ),
    "list": Operation(lambda scene: list(scene.store.list()), lambda _, keys: keys == ["there.mp4"], {}),
    "delete": Operation(
        lambda scene: scene.store.delete("there.mp4"),
        lambda scene, _: keys_in(scene.direct, scene.bucket) == [],
        {},
    ),
    "speech": Operation(heard, lambda _, data: data == SMALL, INPUT),
    "subject": Operation(
        packaged, lambda _, files: files == {"subject.yaml": b"name: a", "template.npz": SMALL}, SUBJECT
    ),
    "deliver": Operation(delivered, lambda scene, _: scene.held("out/hello.mp4") == SMALL, OUTPUT),
    "check": Operation(
        lambda scene: check_bucket(f"s3://{scene.bucket}/out/hello.mp4"), lambda *_: True, OUTPUT
    ),
}

# Faults that meet every request, and the code of the error where they do not end.
EVERYWHERE = {
    Kind.SLOW_DOWN: "store_busy",
    Kind.INTERNAL_ERROR: "store_busy",
    Kind.RESET_BEFORE: "store_unreachable",
    Kind.RESET_AFTER: "store_unreachable",
    Kind.DELAY: None,
}
IN_BODIES = {
    Kind.TRUNCATED: "store_unreachable",
    Kind.CORRUPTED: "damaged_in_transit",
    Kind.ERROR_WITH_CHECKSUM: "store_busy",
}
IN_WRITES = {Kind.CORRUPTED_REQUEST: "damaged_in_transit", Kind.CONFLICT: "store_conflict"}
PROBE, OBJECT = ".farm-", KEY

# Operation, request that meets the fault, part of its key, faults beside those that meet every request.
ROWS: list[tuple[str, str, str, dict[Kind, str | None]]] = [
    ("put", "put", OBJECT, {**IN_WRITES, Kind.PRECONDITION_FAILED: "store_conflict"}),
    ("put", "put", PROBE, {Kind.CONFLICT: "store_conflict"}),
    ("put large", "head", OBJECT, {}),
    ("put large", "create", OBJECT, {Kind.NO_XML: "store_busy"}),
    # rclone gives up the whole upload for one part that arrived wrong, so it starts anew each time.
    ("put large", "part", OBJECT, {Kind.CORRUPTED_REQUEST: "upload_lost"}),
    ("put large", "complete", OBJECT, {Kind.CONFLICT: "store_conflict"}),
    ("get", "get", "", IN_BODIES),
    ("local copy", "get", "", IN_BODIES),
    ("head", "head", "", {}),
    ("list", "list", "", {Kind.TRUNCATED: "store_unreachable", Kind.NO_XML: "store_busy"}),
    ("delete", "delete", "", {}),
    ("speech", "head", "", {}),
    ("speech", "get", "", IN_BODIES),
    ("subject", "list", "", {Kind.TRUNCATED: "store_unreachable"}),
    ("subject", "head", "", {}),
    ("subject", "get", "template", IN_BODIES),
    ("deliver", "put", "", {Kind.CORRUPTED_REQUEST: "damaged_in_transit"}),
    ("check", "put", "", {}),
]


def rows(*servers: str) -> list[Any]:
    return [
        pytest.param(
            server, name, Fault(kind, request, key=key), code, id=f"{server}: {name}, {request} {key}: {kind}"
        )
        for server in servers
        for name, request, key, more in ROWS
        for kind, code in (EVERYWHERE | more).items()
        # Only writes differ where conditions are honoured; that server compares nothing with its checksum.
        if server is SIGNING or (name.startswith("put") and kind is not Kind.CORRUPTED_REQUEST)
    ]


@pytest.mark.parametrize(("served", "name", "fault", "code"), rows(SIGNING, CONDITIONAL), indirect=["served"])
def test_a_fault_that_passes_is_not_noticed(scene: Scene, name: str, fault: Fault, code: str | None) -> None:
    operation = OPERATIONS[name]
    scene.proxy.plan(replace(fault, times=2))
    result = operation.run(scene)
    assert scene.proxy.faults[fault.kind] >= 1
    scene.proxy.plan()
    assert operation.is_right(scene, result)
    assert leftovers(scene) == []


@pytest.mark.parametrize(("served", "name", "fault", "code"), rows(SIGNING), indirect=["served"])
def test_a_fault_that_lasts_is_one_coded_error(
    scene: Scene, name: str, fault: Fault, code: str | None
) -> None:
    operation = OPERATIONS[name]
    scene.proxy.plan(replace(fault, times=10_000))
    if code is None:
        assert operation.is_right(scene, operation.run(scene))
    else:
        with pytest.raises(FarmError) as caught:
            operation.run(scene)
        assert caught.value.code == operation.codes.get(code, code)
        assert caught.value.retry is Retry.LATER, "the same may succeed later"
        assert caught.value.hint
        assert SECRET_KEY not in str(caught.value) + caught.value.hint
    assert scene.proxy.faults[fault.kind] <= ATTEMPTS * 2, "nobody tries again what was tried again below"
    scene.proxy.plan()
    assert leftovers(scene) == []
    if name.startswith("put"):
        # Whatever became of it, the next run ends well and is told the truth.
        assert operation.is_right(scene, operation.run(scene))


def leftovers(scene: Scene) -> list[str]:
    keys = [key for key in keys_in(scene.direct, scene.bucket) if ".farm-" in key]
    files = [str(path) for path in (scene.folder / "tmp").iterdir()]
    cached = [str(path) for path in (scene.folder / "cache").rglob(".*")]
    return keys + open_uploads(scene.direct, scene.bucket) + files + cached
