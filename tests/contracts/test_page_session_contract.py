"""Sessions of the page, in every database that may keep a journal."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer
from sqlalchemy import text

from infra.journal import open_journal
from infra.journal.page_sessions import PageSessionTable
from infra.journal.sql_journal import SqlJournal
from jobs.access import ApiKey, Scope


@pytest.fixture(params=["file", "memory", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlJournal]:
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        address = server.fresh_address(f"sessions_{secrets.token_hex(6)}")
    else:
        address = ":memory:" if request.param == "memory" else str(tmp_path / "farm.sqlite")
    opened = open_journal(address)
    yield opened
    opened.close()


def made(journal: SqlJournal) -> ApiKey:
    return journal.keys.create(studio="north", label="", scopes=[Scope.READ], expires_at=None, by="a test")[1]


def kept(journal: SqlJournal) -> int:
    count = text("SELECT count(*) FROM page_sessions")
    return int(journal._database.read(lambda connection: connection.execute(count).scalar_one()))


def test_a_session_stands_for_its_key_until_it_ends(journal: SqlJournal) -> None:
    north, south = made(journal), made(journal)
    sessions = journal.page_sessions
    first, second = sessions.begin(north.key_id, lasts_s=60.0), sessions.begin(south.key_id, lasts_s=60.0)
    assert (sessions.key_of(first), sessions.key_of(second)) == (north, south)
    sessions.end(first)
    sessions.end(first)
    assert (sessions.key_of(first), sessions.key_of(second)) == (None, south)
    assert sessions.key_of("") is sessions.key_of("nonsense") is None
    assert sessions.key_of(sessions.begin("no key", lasts_s=60.0)) is None


def test_a_session_tells_that_its_key_is_revoked(journal: SqlJournal) -> None:
    key = made(journal)
    session = journal.page_sessions.begin(key.key_id, lasts_s=60.0)
    revoked = journal.keys.revoke(key.key_id, by="a test")
    assert journal.page_sessions.key_of(session) == revoked != key


def test_a_session_is_over_in_time_and_then_forgotten(journal: SqlJournal) -> None:
    now = 1000.0
    sessions = PageSessionTable(journal._database, clock=lambda: now)
    key = made(journal)
    session = sessions.begin(key.key_id, lasts_s=60.0)
    now = 1059.0
    assert sessions.key_of(session) == key
    now = 1060.0
    assert sessions.key_of(session) is None
    assert kept(journal) == 1
    sessions.begin(key.key_id, lasts_s=60.0)
    assert kept(journal) == 1


def test_nothing_that_is_kept_opens_anything(journal: SqlJournal) -> None:
    session = journal.page_sessions.begin(made(journal).key_id, lasts_s=60.0)
    rows = journal._database.read(lambda c: c.execute(text("SELECT * FROM page_sessions")).all())
    assert all(session not in str(value) for row in rows for value in row)
    assert all(journal.page_sessions.key_of(str(value)) is None for row in rows for value in row)
