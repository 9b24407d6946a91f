"""A journal of a former release becomes one of this release as it is opened, and loses nothing."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.journal import Entry, open_journal
from infra.journal.batches import BatchSubmit
from infra.journal.tables import SCHEMA_VERSION
from jobs.access import Scope
from jobs.errors import JournalError

KEPT = Path(__file__).parent / "kept_databases"


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    path = tmp_path / "farm.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript((KEPT / "version-1.sql").read_text())
    database.close()
    return path


def test_a_former_journal_goes_on_with_all_it_holds(version_1: Path) -> None:
    journal = open_journal(str(version_1), must_exist=True)
    assert journal.check() == 2
    assert [(entry.sequence, entry.body) for entry in journal.read()] == [(1, '{"a":1}'), (2, '{"b":2}')]
    assert journal.answer_to(1) == '{"text":"yes"}'
    assert [asked.request for asked in journal.asked()] == [2]
    assert journal.heartbeat() is None
    assert journal.keys.all() == []
    epoch = journal.begin_epoch("this release")
    assert epoch == 2
    assert journal.append(epoch, ["{}"]) == 3
    journal.beat(epoch, "{}")
    text, key = journal.keys.create(
        studio="north", label="a", scopes=[Scope.READ], expires_at=None, by="a test"
    )
    assert journal.keys.find(text) == key
    journal.close()


def test_a_journal_of_version_2_keeps_its_keys_and_takes_receivers(tmp_path: Path) -> None:
    path = tmp_path / "farm.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript((KEPT / "version-2.sql").read_text())
    database.close()
    journal = open_journal(str(path), must_exist=True)
    assert journal.check() == 2
    heartbeat = journal.heartbeat()
    assert heartbeat is not None
    assert heartbeat.body == '{"e":5}'
    assert [key.label for key in journal.keys.all()] == ["kept"]
    _, webhook = journal.webhooks.add(studio="north", url="https://a.example", label="", types=[])
    assert webhook.after == 2
    assert journal.outbox.put([], after=0, up_to=2)
    journal.close()


def test_a_journal_of_version_3_keeps_its_receivers_and_takes_batches(tmp_path: Path) -> None:
    path = tmp_path / "farm.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript((KEPT / "version-3.sql").read_text())
    database.close()
    journal = open_journal(str(path), must_exist=True)
    assert journal.check() == 3
    (webhook,) = journal.webhooks.all(studio="north")
    assert (webhook.label, webhook.after) == ("kept", 2)
    (claimed,) = journal.outbox.claim(busy={}, most_each=4, hold_s=60.0)
    assert (claimed.delivery.job, claimed.delivery.sequence) == ("a-1", 3)
    batch = journal.batches.ask([BatchSubmit(title="a", body="{}")], studio="north", name="spring", token="t")
    assert batch.jobs == ("a-1",)
    journal.close()


def test_many_may_open_a_former_journal_at_the_same_moment(version_1: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        journals = list(pool.map(lambda _: open_journal(str(version_1)), range(6)))
    assert [journal.check() for journal in journals] == [2] * 6
    for journal in journals:
        journal.close()


def test_a_farm_of_the_former_release_that_still_runs_goes_on_writing(version_1: Path) -> None:
    """What it does is SQL on the tables that it knows; none of them is another one after the migration."""
    former = sqlite3.connect(version_1)
    before = dict(former.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    open_journal(str(version_1)).close()
    after = dict(former.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    assert before.items() <= after.items()
    assert former.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    former.close()


@pytest.mark.parametrize("lost", ["entries", "requests"])
def test_half_a_former_journal_is_refused_and_left_as_it_is(version_1: Path, lost: str) -> None:
    with sqlite3.connect(version_1) as database:
        database.execute(f"DROP TABLE {lost}")
    database.close()
    with pytest.raises(JournalError) as caught:
        open_journal(str(version_1))
    assert caught.value.code == "not_a_journal"
    with sqlite3.connect(version_1) as database:
        assert database.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
    database.close()


def test_entries_have_the_time_they_are_given(tmp_path: Path) -> None:
    journal = open_journal(str(tmp_path / "farm.sqlite"))
    epoch = journal.begin_epoch("one")
    journal.append(epoch, ["{}"], at=12.5)
    assert list(journal.read()) == [Entry(sequence=1, epoch=epoch, at=12.5, body="{}")]
    journal.close()


def test_a_journal_of_version_4_keeps_its_batches_and_takes_sessions(tmp_path: Path) -> None:
    path = tmp_path / "farm.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript((KEPT / "version-4.sql").read_text())
    database.close()
    journal = open_journal(str(path), must_exist=True)
    assert journal.check() == 2
    (batch,) = journal.batches.all(studio="north")
    assert batch.name == "spring"
    (key,) = journal.keys.all()
    session = journal.page_sessions.begin(key.key_id, lasts_s=60.0)
    assert journal.page_sessions.key_of(session) == key
    journal.close()
