"""A folder store needs hard links: where there are none, that is found out and told before anything is rendered."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rclone_server import rclone_command

from infra.storage import FolderStore
from jobs.errors import Retry, StoreError, StoreUnavailable

KEY = "renders/demo/segment-00000.mp4"
# FAT and shares say EPERM or ENOTSUP, most FUSE file systems ENOSYS, some that a file has one name at most; a folder
# of the store that is a mount of its own makes it EXDEV.
NEVER = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL)


def everything_below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def no_links(number: int, *, with_both_names: bool) -> object:
    def refuse(source: Path, target: Path) -> None:
        names = (str(source), None, str(target)) if with_both_names else ()
        raise OSError(number, os.strerror(number), *names)

    return refuse


@pytest.mark.parametrize("with_both_names", [True, False], ids=["names", "no names"])
@pytest.mark.parametrize("number", NEVER, ids=errno.errorcode.get)
def test_a_file_system_without_links_is_named_as_the_cause_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, with_both_names: bool
) -> None:
    store = FolderStore(tmp_path / "store")
    monkeypatch.setattr(os, "link", no_links(number, with_both_names=with_both_names))
    with pytest.raises(StoreError) as proved:
        store.refuses_second_copies(below="renders/demo/")
    assert everything_below(tmp_path) == [], "nothing is left of the proof"
    with pytest.raises(StoreError) as committed:
        store.put_if_absent(KEY, b"pixels")
    for error in (proved.value, committed.value):
        assert (error.code, error.retry) == ("store_without_links", Retry.NEVER)
        assert "hard links" in error.hint
    assert store.head(KEY) is None


def test_links_that_always_fail_where_renaming_works_are_no_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As `rclone mount` answers.
    monkeypatch.setattr(os, "link", no_links(errno.EIO, with_both_names=True))
    with pytest.raises(StoreError) as caught:
        FolderStore(tmp_path / "store").refuses_second_copies()
    assert (caught.value.code, caught.value.retry) == ("store_without_links", Retry.NEVER)
    assert everything_below(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE], ids=errno.errorcode.get)
def test_a_disk_that_is_away_during_the_proof_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(StoreUnavailable):
        FolderStore(tmp_path / "store").refuses_second_copies()


def test_the_proof_is_made_where_the_commits_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def linked(source: Path, target: Path) -> None:
        # Only what lies below the mount is on another file system than what is being written.
        if "renders" in Path(target).parts:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
        link(source, target)

    (tmp_path / "renders").mkdir()
    monkeypatch.setattr(os, "link", linked)
    store = FolderStore(tmp_path)
    assert store.refuses_second_copies(below="training/")
    with pytest.raises(StoreError, match="cross-device"):
        store.refuses_second_copies(below="renders/demo/hello/")
    assert everything_below(tmp_path) == ["renders"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_below_that_may_not_be_written_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "renders").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="permission denied"):
        FolderStore(tmp_path).refuses_second_copies(below="renders/")


def test_a_proof_in_a_store_that_is_not_there_yet_leaves_it_so(tmp_path: Path) -> None:
    assert FolderStore(tmp_path / "new" / "store").refuses_second_copies(below="renders/demo/")
    assert everything_below(tmp_path) == []


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system in user space that has no hard links."""
    command, unmount = rclone_command(), shutil.which("fusermount3") or shutil.which("fusermount")
    if command is None or unmount is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs rclone, fusermount and /dev/fuse")
    (tmp_path / "source").mkdir()
    mount = tmp_path / "mount"
    mount.mkdir()
    process = subprocess.Popen(
        [command, "mount", "--config", "/dev/null", str(tmp_path / "source"), str(mount)],
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 10
        while not mount.is_mount():
            if process.poll() is not None or time.monotonic() > until:
                pytest.skip("this machine may not mount file systems in user space")
            time.sleep(0.05)
        yield mount
    finally:
        subprocess.run([unmount, "-u", str(mount)], check=False, stderr=subprocess.DEVNULL)
        process.kill()
        process.wait(timeout=10)


@pytest.mark.parametrize("exists", [True, False])
def test_a_real_file_system_without_links_is_found_out(mounted: Path, exists: bool) -> None:
    root = mounted / "store"
    if exists:
        (root / "renders").mkdir(parents=True)
    before = everything_below(mounted)
    with pytest.raises(StoreError) as caught:
        FolderStore(root).refuses_second_copies(below="renders/demo/")
    assert (caught.value.code, caught.value.retry) == ("store_without_links", Retry.NEVER)
    assert everything_below(mounted) == before
