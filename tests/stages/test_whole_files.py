"""A file is there whole or not at all, and what a killed process left of it goes when it is written again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.whole_files import PARTIAL, beside, written_whole

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from stages.whole_files import written_whole
with written_whole(Path(sys.argv[1])) as partial:
    partial.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text("old")
    with written_whole(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_what_was_there_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text("old")

    def write_half() -> None:
        with written_whole(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    with pytest.raises(FileNotFoundError), written_whole(path):
        pass  # nothing was written
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_goes_with_the_next_write_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    with written_whole(tmp_path / "b.json") as partial:
        partial.touch()
    assert len(list(tmp_path.iterdir())) == 2, "another name's stays"
    with written_whole(path) as partial:
        partial.write_text("whole")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_what_an_earlier_process_of_the_same_number_left_goes_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with beside(path) as left:
        pass
    left.write_text("half")  # as the first process of a container that was started again finds it
    with written_whole(path) as partial:
        partial.write_text("whole")
    assert list(tmp_path.iterdir()) == [path]


def test_who_lives_and_who_may_live_on_another_machine_keeps_what_he_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    foreign, others = tmp_path / ".a.json.0123abcd.part", tmp_path / ".b.json.0123abcd.part"
    for left in (foreign, others):
        left.write_text("half")
    with written_whole(path) as mine:
        mine.write_text("half")
        with beside(path) as second:
            assert second != mine
            assert mine.exists()
    assert foreign.exists()
    long_ago = time.time() - 2 * 24 * 3600
    for left in (foreign, others):
        os.utime(left, (long_ago, long_ago))
    with written_whole(path) as mine:
        mine.write_text("whole")
    assert not foreign.exists()
    assert others.exists()


@pytest.mark.parametrize("name", ["a.json", "line\nbreak", ".hidden", "0123abcd"])
def test_the_name_of_what_is_not_whole_tells_the_name_it_will_have(tmp_path: Path, name: str) -> None:
    with beside(tmp_path / name) as path:
        partial = PARTIAL.fullmatch(path.name)
    assert partial is not None
    assert partial[1] == name
