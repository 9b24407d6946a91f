"""Keys of the API, in every database that may keep a journal."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer
from sqlalchemy import text

from infra.journal import Journal, KeyTable, open_journal
from infra.journal.sql_journal import SqlJournal
from jobs.access import ApiKey, KeyState, Scope, hash_of_key, id_of_key
from jobs.errors import JournalFenced, UnknownKey


@pytest.fixture(params=["file", "memory", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlJournal]:
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        address = server.fresh_address(f"keys_{secrets.token_hex(6)}")
    else:
        address = ":memory:" if request.param == "memory" else str(tmp_path / "farm.sqlite")
    opened = open_journal(address)
    yield opened
    opened.close()


@pytest.fixture
def keys(journal: SqlJournal) -> KeyTable:
    return journal.keys


def made(keys: KeyTable, **changes: object) -> tuple[str, ApiKey]:
    given: dict[str, object] = {
        "studio": "north",
        "label": "pipeline",
        "scopes": [Scope.WRITE, Scope.READ],
        "expires_at": None,
        "by": "a test",
    }
    return keys.create(**given | changes)  # type: ignore[arg-type]


def test_a_key_is_found_by_its_text_alone(keys: KeyTable) -> None:
    shown, key = made(keys)
    other, second = made(keys, studio="south", expires_at=99.0)
    assert (keys.find(shown), keys.find(other)) == (key, second)
    assert id_of_key(shown) == key.key_id
    assert keys.all() == sorted([key, second], key=lambda each: (each.created_at, each.key_id))
    for wrong in ("", "moda_", shown[:-1], shown + "a", shown.upper(), f"moda_{key.key_id}_{other[18:]}"):
        assert keys.find(wrong) is None


def test_nothing_that_is_kept_opens_anything(keys: KeyTable, journal: SqlJournal) -> None:
    shown, _ = made(keys)
    kept = journal._database.read(lambda connection: connection.execute(text("SELECT * FROM api_keys")).all())
    secret = shown.rpartition("_")[2]
    assert all(secret not in str(value) for row in kept for value in row)
    assert hash_of_key(shown) in kept[0]
    assert keys.find(hash_of_key(shown)) is None


def test_a_revoked_key_stays_known_and_is_revoked_once(keys: KeyTable) -> None:
    shown, key = made(keys)
    ended = keys.revoke(key.key_id, by="somebody")
    assert ended.revoked_at is not None
    assert ended == replace(key, revoked_at=ended.revoked_at)
    assert keys.revoke(key.key_id, by="somebody else") == ended
    assert keys.find(shown) == ended
    assert ended.state(now=0.0) is KeyState.REVOKED
    assert [(change.number, change.key_id, change.what, change.by) for change in keys.changes()] == [
        (1, key.key_id, "created", "a test"),
        (2, key.key_id, "revoked", "somebody"),
    ]
    assert keys.last_change() == 2


def test_a_key_of_nobody_cannot_be_revoked_and_nothing_is_noted(keys: KeyTable) -> None:
    with pytest.raises(UnknownKey):
        keys.revoke("0123456789ab", by="somebody")
    assert keys.changes() == []
    assert keys.last_change() == 0


def test_a_key_ends_at_the_second_it_was_given(keys: KeyTable) -> None:
    _, key = made(keys, expires_at=100.0)
    assert [key.state(now=now) for now in (99.9, 100.0)] == [KeyState.ACTIVE, KeyState.EXPIRED]


def test_changes_of_many_at_once_are_numbered_without_gaps(keys: KeyTable) -> None:
    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda number: made(keys, label=str(number))[0], range(24)))
    assert len(set(shown)) == 24
    assert [change.number for change in keys.changes()] == list(range(1, 25))


def test_a_heartbeat_says_when_the_writer_was_last_there(journal: Journal) -> None:
    assert journal.heartbeat() is None
    first = journal.begin_epoch("one")
    journal.beat(first, '{"a": 1}')
    begun = journal.heartbeat()
    assert begun is not None
    assert (begun.epoch, begun.body) == (first, '{"a": 1}')
    journal.beat(first)
    later = journal.heartbeat()
    assert later is not None
    assert later.body == begun.body
    assert later.at >= begun.at
    second = journal.begin_epoch("two")
    with pytest.raises(JournalFenced):
        journal.beat(first, "late")
    journal.beat(second)
    last = journal.heartbeat()
    assert last is not None
    assert (last.epoch, last.body) == (second, '{"a": 1}')


def test_what_was_asked_can_be_read_after_the_answer(journal: Journal) -> None:
    number = journal.ask("please", token="t")
    assert journal.request(number) == "please"
    journal.append(journal.begin_epoch("one"), [], answers=[(number, "yes")])
    assert journal.request(number) == "please"
    assert journal.request(number + 1) is None
