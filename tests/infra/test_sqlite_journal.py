"""What only a journal in a file meets: flipped bytes, a full disk, a busy file, files of others."""

from __future__ import annotations

import random
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.journal import DatabasePatience, Entry, Journal, Snapshot, open_journal
from jobs.errors import FarmError, JournalCorrupt, JournalError, SettingsError

IMPATIENT = DatabasePatience(busy_s=0.05, waits_s=(0.01, 0.01))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "farm.sqlite"


def written(path: Path, *, count: int = 60) -> list[Entry]:
    """A closed journal with entries, requests and a snapshot."""
    journal = open_journal(str(path))
    epoch = journal.begin_epoch("one")
    for number in range(count):
        journal.append(epoch, [f'{{"event": {number}, "note": "a sentence about it"}}'])
    journal.append(epoch, [], answers=[(journal.ask("please", token="t"), "yes")])
    journal.keep_snapshot(epoch, Snapshot(sequence=count, body="{}"))
    entries = list(journal.read())
    journal.close()
    return entries


def test_a_flipped_byte_in_any_entry_is_found_and_the_entry_named(path: Path) -> None:
    entries = written(path)
    whole = path.read_bytes()
    for entry in entries[::7]:
        place = whole.index(entry.body.encode()) + 20
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        with pytest.raises(JournalCorrupt) as caught:
            check(path)
        assert f"entry {entry.sequence} is not what was written" in caught.value.message
    path.write_bytes(whole)
    assert check(path) == len(entries)


def test_no_flipped_bit_anywhere_goes_unnoticed_and_changes_what_is_read(path: Path) -> None:
    entries = written(path)
    whole = path.read_bytes()
    chance = random.Random(4)
    found = 0
    for _ in range(150):
        place = chance.randrange(len(whole))
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :]
        )
        for leftover in (".sqlite-wal", ".sqlite-shm"):
            path.with_suffix(leftover).unlink(missing_ok=True)
        try:
            journal = open_journal(str(path), patience=IMPATIENT)
        except JournalError:
            found += 1
            continue
        try:
            journal.check()
            assert list(journal.read()) == entries
        except JournalError:
            found += 1
        finally:
            close_whatever_is_wrong(journal)
    assert found > 5, "most of the file is empty pages, not all of it"


def close_whatever_is_wrong(journal: Journal) -> None:
    try:
        journal.close()
    except JournalError:
        journal.close()


def check(path: Path) -> int:
    journal = open_journal(str(path))
    try:
        return journal.check()
    finally:
        journal.close()


def test_every_commit_is_durable_and_others_read_meanwhile(path: Path) -> None:
    journal = open_journal(str(path))
    database = journal._database
    pragmas = database.read(
        lambda connection: [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    )
    assert pragmas == ["wal", 2], "write-ahead log, and every commit waits for the disk"
    journal.close()


def test_the_log_does_not_grow_for_ever_while_somebody_reads(path: Path) -> None:
    journal, reader = open_journal(str(path)), open_journal(str(path))
    epoch = journal.begin_epoch("one")
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            for _ in reader.read():
                pass

    largest = 0
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for _ in range(30):
            journal.append(epoch, ["x" * 5000] * 100)
            largest = max(largest, path.with_suffix(".sqlite-wal").stat().st_size)
        is_over.set()
        reading.result()
    assert largest < 12e6, largest
    journal.keep_snapshot(epoch, Snapshot(sequence=1, body="{}"))
    assert path.with_suffix(".sqlite-wal").stat().st_size == 0
    # How much of it had left the log by the last append depends on where the reader was just then.
    assert path.stat().st_size > 12e6, "more was written than the log ever held"
    reader.close()
    journal.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name], "a closed journal is one file"


def test_a_file_that_another_process_holds_is_busy_and_nothing_is_written(path: Path) -> None:
    journal = open_journal(str(path), patience=IMPATIENT)
    epoch = journal.begin_epoch("one")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError) as caught:
        journal.append(epoch, ["a"])
    assert caught.value.code == "journal_busy"
    assert list(journal.read()) == [], "reading goes on"
    holder.execute("ROLLBACK")
    assert journal.append(epoch, ["b"]) == 1
    holder.close()
    journal.close()


def test_a_file_that_is_busy_for_a_moment_is_waited_for(path: Path) -> None:
    journal = open_journal(str(path), patience=DatabasePatience(busy_s=0.05, waits_s=(0.1, 0.2, 0.4, 0.8)))
    epoch = journal.begin_epoch("one")
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, lambda: holder.execute("ROLLBACK"))
    release.start()
    assert journal.append(epoch, ["a"]) == 1
    release.join()
    holder.close()
    journal.close()


def test_a_full_disk_is_said_in_one_line_and_nothing_is_written(path: Path) -> None:
    journal = open_journal(str(path))
    epoch = journal.begin_epoch("one")
    journal.append(epoch, ["a"])
    database = journal._database
    pages = database.read(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar())
    database.read(
        lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}").scalar()
    )
    with pytest.raises(JournalError) as caught:
        journal.append(epoch, ["x" * 100_000])
    assert caught.value.code == "journal_full"
    assert "\n" not in caught.value.message
    assert journal.append(epoch, ["b"]) == 2, "what fits is still written"
    assert journal.check() == 2
    journal.close()


def test_a_file_of_others_is_refused_and_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE photos (id INTEGER)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        open_journal(str(path))
    assert caught.value.code == "not_a_journal"
    assert path.read_bytes() == before
    path.write_bytes(b"this is a letter, no database at all" * 100)
    with pytest.raises(JournalError) as caught:
        open_journal(str(path))
    assert caught.value.code == "not_a_journal"


def test_a_place_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for wrong in (tmp_path / "file" / "farm.sqlite", tmp_path):
        with pytest.raises(JournalError) as caught:
            open_journal(str(wrong))
        assert caught.value.code == "journal_unreachable"


@pytest.mark.parametrize(
    "address", ["", "mysql://farm:secret@host/farm", "s3://bucket/farm", "postgresql://", "a\0b", "://secret"]
)
def test_what_is_no_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(FarmError) as caught:
        open_journal(address)
    assert isinstance(caught.value, SettingsError)
    assert "secret" not in str(caught.value)


def test_a_url_and_a_path_are_the_same_file(path: Path) -> None:
    journal = open_journal(f"sqlite:///{path}")
    journal.append(journal.begin_epoch("one"), ["a"])
    journal.close()
    assert check(path) == 1


def test_journals_in_memory_are_private() -> None:
    first, second = open_journal(":memory:"), open_journal("sqlite://")
    first.append(first.begin_epoch("one"), ["a"])
    assert (len(list(first.read())), len(list(second.read()))) == (1, 0)
