from __future__ import annotations

import errno
import hashlib
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.storage import FolderStore, PutOutcome, open_store
from infra.storage.folder import LEFTOVER_AGE_S
from jobs.errors import DiskFull, StoreError

KEY = "renders/demo/segment-00000.mp4"


def files_below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull) as caught:
        FolderStore(tmp_path).put_if_absent(KEY, b"pixels")
    assert caught.value.where == KEY
    assert "free some space" in caught.value.hint
    assert files_below(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the device that is always full")
def test_a_write_that_really_meets_a_full_device_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def onto_full_device(path: Path, mode: str = "r", *rest: object) -> object:
        return opened(Path("/dev/full"), "wb") if mode == "xb" else opened(path, mode)

    monkeypatch.setattr(Path, "open", onto_full_device)
    with pytest.raises(DiskFull):
        FolderStore(tmp_path).put_if_absent(KEY, b"pixels" * 100_000)


def test_a_root_that_is_a_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.write_text("not a folder")
    with pytest.raises(StoreError) as caught:
        FolderStore(root).put_if_absent(KEY, b"pixels")
    assert caught.value.hint


def test_damage_on_the_disk_is_found_when_the_object_is_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put_if_absent(KEY, b"pixels")
    (tmp_path / KEY).write_bytes(b"pixelz")
    with pytest.raises(StoreError) as caught:
        store.get(KEY)
    assert caught.value.code == "corrupt_object"
    with pytest.raises(StoreError), store.local_copy(KEY):
        pass


def test_damage_on_the_disk_is_not_taken_for_nondeterminism(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put_if_absent(KEY, b"pixels")
    (tmp_path / KEY).write_bytes(b"pixelz")
    with pytest.raises(StoreError) as caught:
        store.put_if_absent(KEY, b"pixels")
    assert caught.value.code == "corrupt_object"


def test_an_object_whose_hash_was_not_recorded_in_time_is_whole_all_the_same(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put_if_absent(KEY, b"pixels")
    (tmp_path / ".checksums" / KEY).unlink()
    facts = store.head(KEY)
    assert facts is not None
    assert facts.sha256 == hashlib.sha256(b"pixels").hexdigest()
    assert store.put_if_absent(KEY, b"pixels") is PutOutcome.ALREADY_EQUAL


def test_a_link_planted_in_the_root_does_not_lead_out_of_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "store"
    root.mkdir()
    (root / "renders").symlink_to(outside)
    with pytest.raises(StoreError) as caught:
        FolderStore(root).put_if_absent(KEY, b"pixels")
    assert caught.value.code == "bad_key"
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("place", [KEY, f".checksums/{KEY}"])
def test_a_link_in_the_place_of_an_object_is_not_followed_out_of_the_root(tmp_path: Path, place: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    link = tmp_path / "store" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    store = FolderStore(tmp_path / "store")
    for operation in (lambda: store.get(KEY), lambda: store.put_if_absent(KEY, b"x")):
        with pytest.raises(StoreError) as caught:
            operation()
        assert caught.value.code in ("bad_key", "object_not_found")
    assert secret.read_text() == "of somebody else"


def test_a_file_that_changes_while_it_is_copied_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "master.mp4"
    source.write_bytes(b"first")
    opened = FolderStore._prepare

    def prepared(store: FolderStore) -> None:
        source.write_bytes(b"other")
        opened(store)

    monkeypatch.setattr(FolderStore, "_prepare", prepared)
    store = FolderStore(tmp_path / "store")
    with pytest.raises(StoreError) as caught:
        store.put_if_absent(KEY, source)
    assert caught.value.code == "checksum_mismatch"
    assert files_below(tmp_path / "store") == []


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path)
    store.put_if_absent(KEY, b"pixels")
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("demo"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StoreError, match="permission denied"):
        list(store.list())


def test_a_key_below_another_is_one_coded_error_and_changes_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put_if_absent("a/b", b"pixels")
    for key in ("a", "a/b/c"):
        with pytest.raises(StoreError):
            store.put_if_absent(key, b"x")
        assert store.head(key) is None
    assert list(store.list()) == ["a/b"]
    assert files_below(tmp_path / ".incoming") == []


def test_a_root_that_is_itself_a_link_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "real")
    store = FolderStore(tmp_path / "store")
    store.put_if_absent(KEY, b"pixels")
    assert store.get(KEY) == b"pixels"


def test_leftovers_of_killed_writers_are_swept_after_a_day(tmp_path: Path) -> None:
    incoming = tmp_path / ".incoming"
    incoming.mkdir()
    (incoming / "old").write_bytes(b"half")
    (incoming / "young").write_bytes(b"half")
    long_ago = time.time() - LEFTOVER_AGE_S - 60
    os.utime(incoming / "old", (long_ago, long_ago))
    FolderStore(tmp_path).put_if_absent(KEY, b"pixels")
    assert [path.name for path in incoming.iterdir()] == ["young"]


def test_a_writer_killed_at_the_last_moment_leaves_no_object(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from infra.storage import FolderStore\n"
        "os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"FolderStore(pathlib.Path(sys.argv[1])).put_if_absent({KEY!r}, b'pixels')\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=root, check=False)
    assert done.returncode == -9
    store = FolderStore(tmp_path)
    assert store.head(KEY) is None
    assert list(store.list()) == []
    assert store.put_if_absent(KEY, b"pixels") is PutOutcome.CREATED


def test_the_store_travels_to_another_process_by_pickle_and_by_address(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put_if_absent(KEY, b"pixels")
    assert pickle.loads(pickle.dumps(store)).get(KEY) == b"pixels"
    assert open_store(store.uri).get(KEY) == b"pixels"


def test_opening_a_store_touches_nothing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "not" / "yet"))
    assert list(store.list()) == []
    assert store.head(KEY) is None
    assert list(tmp_path.iterdir()) == []
