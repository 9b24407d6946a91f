from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from farm.destinations import check_destination, write_whole
from jobs.errors import DiskFull, OutputUnwritable


def test_a_good_place_is_left_as_it_was(tmp_path: Path) -> None:
    check_destination(tmp_path / "new" / "deep" / "hello.mp4", need_bytes=100_000, where="spec.output.uri")
    assert list(tmp_path.iterdir()) == []


def test_an_older_master_is_not_touched(tmp_path: Path) -> None:
    master = tmp_path / "hello.mp4"
    master.write_bytes(b"older")
    check_destination(master, where="spec.output.uri")
    assert master.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [master]


def test_a_folder_is_no_place_for_a_master(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable, match="folder") as caught:
        check_destination(tmp_path, where="spec.output.uri")
    assert caught.value.where == "spec.output.uri"


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputUnwritable):
        check_destination(tmp_path / "file" / "hello.mp4", where="spec.output.uri")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputUnwritable, match="permission"):
        check_destination(tmp_path / "locked" / "hello.mp4", where="spec.output.uri")


def test_a_place_that_the_system_refuses_is_refused() -> None:
    with pytest.raises(OutputUnwritable):
        check_destination(Path("/proc/hello.mp4"), where="spec.output.uri")


@pytest.fixture
def small_files() -> Iterator[None]:
    """The kernel refuses files above a megabyte, as a full disk or a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_place_without_room_is_found_before_rendering_and_nothing_remains(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="no room"):
        check_destination(tmp_path / "out" / "hello.mp4", need_bytes=5_000_000, where="spec.output.uri")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_files")
def test_a_file_that_does_not_fit_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "hello.manifest.json"
    path.write_bytes(b"older")
    with pytest.raises(DiskFull):
        write_whole(path, bytes(2_000_000), where="manifest")
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_small_file_is_written_whole_into_new_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "hello.manifest.json"
    write_whole(path, b"{}", where="manifest")
    assert path.read_bytes() == b"{}"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".mp4", "x" * 300 + "/a.mp4", "/".join(["deep"] * 2000) + "/a.mp4"]
)
def test_a_name_that_no_file_can_have_is_not_writable(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputUnwritable):
        check_destination(tmp_path / name, where="spec.output.uri")
    assert list(tmp_path.iterdir()) == []


def test_a_thousand_folders_are_made_and_taken_away(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*"d" * 1500, "a.mp4")
    check_destination(path, need_bytes=10, where="spec.output.uri")
    assert list(tmp_path.iterdir()) == []


def test_jobs_that_prove_the_same_new_folder_at_the_same_time_do_not_disturb_each_other(
    tmp_path: Path,
) -> None:
    def prove(number: int) -> None:
        for _ in range(200):
            check_destination(tmp_path / "out" / "new" / f"{number}.mp4", need_bytes=10, where="output")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(prove, number) for number in range(4)]:
            done.result()
    assert list(tmp_path.iterdir()) == []


def test_a_proof_takes_no_folder_from_under_a_job_that_is_about_to_write(tmp_path: Path) -> None:
    folders = [tmp_path / f"out-{number}" for number in range(300)]
    current = [folders[0]]

    def prove() -> None:
        while not over.is_set():
            check_destination(current[0] / "other.mp4", need_bytes=10, where="output")

    over = Event()
    with ThreadPoolExecutor(2) as pool:
        provers = [pool.submit(prove) for _ in range(2)]
        try:
            for folder in folders:
                current[0] = folder
                write_whole(folder / "hello.manifest.json", b"{}", where="manifest")
        finally:
            over.set()
        for prover in provers:
            prover.result()
