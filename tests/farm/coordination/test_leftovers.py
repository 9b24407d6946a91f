"""What a killed run of the farm left beside masters: removed where the farm knows the place, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from farm.coordination.leftovers import remove_leftovers
from farm.destinations import check_destination
from infra.storage import open_store

Sweep = Any


@pytest.fixture
def sweep(make_job: Any, tmp_path: Path) -> Sweep:
    """Removes what was left of a job whose master has this place."""

    def run(uri: str) -> None:
        loaded = make_job(output={"uri": uri})
        remove_leftovers([loaded], store=open_store(str(tmp_path / "renders" / "store")))

    return run


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def killed_while_proving(path: Path, monkeypatch: pytest.MonkeyPatch, *, at: str) -> None:
    """Leaves what is there when the process ends before it removes the proof of room, or the file in it."""

    class Killed(BaseException):
        """The end of the process, as far as the file system can tell."""

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(Path, "rmdir", die)
        dying.setattr(*((Path, "unlink") if at == "file" else (os, "posix_fallocate")), die)
        with pytest.raises(Killed):
            check_destination(path, need_bytes=1, where="spec.output.uri")


@pytest.mark.parametrize("at", ["folder", "file"])
@pytest.mark.parametrize("name", ["out/a/b", "n" * 100])
def test_the_folders_of_a_proof_of_room_are_removed(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: str
) -> None:
    for path in (tmp_path / name / "hello.mp4", tmp_path / "renders" / "store" / "probe"):
        killed_while_proving(path, monkeypatch, at=at)
    assert len(list(tmp_path.glob(".*.part"))) == 2
    sweep(f"{name}/hello.mp4")
    assert list(tmp_path.glob(".*.part")) == []


def test_the_folders_of_a_proof_of_room_are_found_where_the_master_was_written_meanwhile(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = tmp_path / "out" / "a" / "hello.mp4"
    killed_while_proving(master, monkeypatch, at="folder")
    master.parent.mkdir(parents=True)
    master.touch()
    sweep("out/a/hello.mp4")
    assert below(tmp_path / "out") == {"a", "a/hello.mp4"}
    assert list(tmp_path.glob(".*.part")) == []


def test_a_deep_proof_of_room_is_removed_too(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = "d/" * 200
    killed_while_proving(tmp_path / deep / "hello.mp4", monkeypatch, at="folder")
    sweep(f"{deep}hello.mp4")
    assert list(tmp_path.glob(".*.part")) == []


def test_what_is_in_the_way_or_somebody_elses_stays(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    kept = [
        ".out.0123abcd.part/out/film.mp4",
        ".other.0123abcd.part/empty",
        ".out.part/empty",
        ".out.0123abcf.part/one/empty",
        ".out.0123abcf.part/two/empty",
        "out/.hello.mp4.0123abcd.part/film.mp4",
    ]
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"mine") if name.endswith(".mp4") else (tmp_path / name).mkdir()
    (tmp_path / "link").mkdir()
    (tmp_path / ".out.0123abce.part").symlink_to(tmp_path / "link")
    (tmp_path / "out" / ".hello.mp4.89abcdef.part").touch()
    sweep("out/hello.mp4")
    assert not (tmp_path / "out" / ".hello.mp4.89abcdef.part").exists(), "one in the way is no reason to stop"
    assert all((tmp_path / name).exists() for name in kept)
    assert (tmp_path / ".out.0123abce.part").is_symlink()


def test_a_place_that_no_file_system_knows_is_passed_over(sweep: Sweep, tmp_path: Path) -> None:
    remove_leftovers([], store=_Named("a\0b/store"))
    remove_leftovers([], store=_Named("/" + "n" * 300 + "/store"))


class _Named:
    """A store of which only the address matters."""

    def __init__(self, uri: str) -> None:
        self.uri = uri


def test_the_files_that_a_commit_was_tried_with_are_removed_wherever_the_store_had_come_to(
    sweep: Sweep, tmp_path: Path
) -> None:
    (tmp_path / "renders" / "store").mkdir(parents=True)
    places = [tmp_path, tmp_path / "renders", tmp_path / "renders" / "store"]
    for place in places:
        (place / ".probe.0123abcd.part").touch()
        (place / ".probes.0123abcd.part").touch()
    sweep("out/hello.mp4")
    assert (
        sorted(path.name for place in places for path in place.glob(".*.part"))
        == [".probes.0123abcd.part"] * 3
    )
