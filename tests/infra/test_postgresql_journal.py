"""What only a journal in PostgreSQL meets: lost connections, restarts, refusals, and writers that hang."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cutting_proxy import Cut, CuttingProxy, cutting_proxy
from postgresql_server import PASSWORD, PostgresqlServer
from sqlalchemy import event

from infra.journal import DatabasePatience, Journal, open_journal
from jobs.errors import JournalError, JournalFenced

QUICK = DatabasePatience(busy_s=5.0, waits_s=(0.05, 0.1, 0.2, 0.4))


@pytest.fixture
def schema() -> str:
    return f"test_{secrets.token_hex(6)}"


@pytest.fixture
def proxy(postgresql: PostgresqlServer) -> Iterator[CuttingProxy]:
    with cutting_proxy(postgresql.port) as proxy:
        yield proxy


@pytest.fixture
def journal(postgresql: PostgresqlServer, proxy: CuttingProxy, schema: str) -> Iterator[Journal]:
    """A journal whose connections go through the proxy."""
    journal = open_journal(postgresql.fresh_address(schema, port=proxy.port), patience=QUICK)
    yield journal
    journal.close()


def bodies(journal: Journal) -> list[str]:
    return [entry.body for entry in journal.read()]


@pytest.mark.parametrize(
    "cuts",
    [
        [Cut.BEFORE_COMMIT],
        [Cut.AFTER_COMMIT],
        [Cut.AT_ONCE],
        [Cut.AT_ONCE, Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT],
        [Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT, Cut.AT_ONCE],
        [Cut.AFTER_COMMIT, Cut.AT_ONCE, Cut.AT_ONCE],
    ],
    ids=lambda cuts: " + ".join(cut.name for cut in cuts),
)
def test_an_append_whose_connection_is_lost_lands_once(
    journal: Journal, proxy: CuttingProxy, cuts: list[Cut]
) -> None:
    epoch = journal.begin_epoch("one")
    request = journal.ask("please", token="t")
    journal.append(epoch, ["a"])
    proxy.cuts.extend(cuts)
    assert journal.append(epoch, ["b", "c"], answers=[(request, "yes")]) == 3
    assert proxy.cuts == []
    assert journal.append(epoch, ["d"]) == 4
    assert (bodies(journal), journal.answer_to(request)) == (["a", "b", "c", "d"], "yes")
    assert journal.check() == 4


@pytest.mark.parametrize("cut", list(Cut), ids=lambda cut: cut.name)
def test_a_request_whose_connection_is_lost_is_asked_once(
    journal: Journal, proxy: CuttingProxy, cut: Cut
) -> None:
    proxy.cuts.append(cut)
    request = journal.ask("please", token="t")
    assert [asked.request for asked in journal.asked()] == [request]


def test_an_epoch_that_begins_while_the_journal_is_checked_is_no_damage(
    postgresql: PostgresqlServer, schema: str
) -> None:
    address = postgresql.fresh_address(schema)
    journal, other = open_journal(address, patience=QUICK), open_journal(address, patience=QUICK)
    journal.append(journal.begin_epoch("one"), ["a"])
    begun: list[int] = []
    engine = journal._database._engine  # type: ignore[attr-defined]

    @event.listens_for(engine, "after_cursor_execute")
    def begin(*_: object) -> None:
        # As early as another can: between two statements, if there are two.
        if not begun:
            begun.append(other.begin_epoch("two"))

    assert journal.check() == 1
    assert begun == [2]
    assert journal.check() == 1
    journal.close()
    other.close()


def test_an_append_that_landed_before_another_took_over_is_acknowledged(
    postgresql: PostgresqlServer, journal: Journal, proxy: CuttingProxy, schema: str
) -> None:
    other = open_journal(postgresql.fresh_address(schema), patience=QUICK)
    epoch = journal.begin_epoch("one")
    proxy.hold.clear()
    proxy.cuts.append(Cut.AFTER_COMMIT)
    with ThreadPoolExecutor(2) as pool:
        appending = pool.submit(journal.append, epoch, ["a"])
        assert proxy.held.wait(10)
        taking_over = pool.submit(other.begin_epoch, "two")
        assert not threading.Event().wait(0.2)
        assert not taking_over.done(), "it waits until the COMMIT is decided"
        proxy.hold.set()
        assert appending.result(20) == 1
        assert taking_over.result(20) == epoch + 1
    with pytest.raises(JournalFenced):
        journal.append(epoch, ["b"])
    assert bodies(other) == ["a"]
    other.close()


def test_an_append_that_did_not_land_before_another_took_over_is_refused(
    postgresql: PostgresqlServer, journal: Journal, proxy: CuttingProxy, schema: str
) -> None:
    other = open_journal(postgresql.fresh_address(schema), patience=QUICK)
    epoch = journal.begin_epoch("one")
    proxy.hold.clear()
    proxy.cuts.append(Cut.BEFORE_COMMIT)
    with ThreadPoolExecutor(2) as pool:
        appending = pool.submit(journal.append, epoch, ["lost"])
        assert proxy.held.wait(10)
        taking_over = pool.submit(other.begin_epoch, "two")
        assert not threading.Event().wait(0.2)
        proxy.hold.set()
        new = taking_over.result(20)
        try:
            appending.result(20)
            landed = ["lost"]  # it was first to come back, before the other took over
        except JournalFenced:
            landed = []
    other.append(new, ["b"])
    assert bodies(other) == [*landed, "b"]
    other.close()


def test_where_it_stays_unknown_whether_it_was_written_the_error_says_so(
    journal: Journal, proxy: CuttingProxy
) -> None:
    epoch = journal.begin_epoch("one")
    proxy.cuts.extend([Cut.AFTER_COMMIT, *[Cut.AT_ONCE] * 40])
    with pytest.raises(JournalError) as caught:
        journal.append(epoch, ["a"])
    assert caught.value.code == "journal_outcome_unknown"
    proxy.cuts.clear()
    assert bodies(journal) == ["a"]


def test_a_restarted_server_is_come_back_to(postgresql: PostgresqlServer, schema: str) -> None:
    patience = DatabasePatience(busy_s=5.0, waits_s=(0.25,) * 150)
    journal = open_journal(postgresql.fresh_address(schema), patience=patience)
    epoch = journal.begin_epoch("one")
    journal.append(epoch, ["a"])
    postgresql.stop()
    restart = threading.Thread(target=postgresql.start)
    restart.start()
    assert journal.append(epoch, ["b"]) == 2
    restart.join()
    assert bodies(journal) == ["a", "b"]
    journal.close()


def test_a_writer_that_hangs_is_not_waited_for_forever(postgresql: PostgresqlServer, schema: str) -> None:
    import psycopg

    address = postgresql.fresh_address(schema)
    journal = open_journal(address, patience=DatabasePatience(busy_s=0.2, waits_s=(0.01,)))
    with psycopg.connect(address) as hung:
        hung.execute("SELECT 1 FROM head FOR UPDATE")
        with pytest.raises(JournalError) as caught:
            journal.begin_epoch("two")
        assert caught.value.code == "journal_busy"
    assert journal.begin_epoch("two") == 1
    journal.close()


def test_commits_wait_for_the_disk_whatever_the_server_prefers(
    postgresql: PostgresqlServer, schema: str
) -> None:
    postgresql.run("ALTER ROLE farm SET synchronous_commit = off")
    try:
        journal = open_journal(postgresql.fresh_address(schema), patience=QUICK)
        shown = journal._database.read(
            lambda connection: connection.exec_driver_sql("SHOW synchronous_commit").scalar()
        )
        assert shown == "on"
        journal.close()
    finally:
        postgresql.run("ALTER ROLE farm RESET synchronous_commit")


def refusal(address: str) -> JournalError:
    with pytest.raises(JournalError) as caught:
        open_journal(address, patience=QUICK)
    error = caught.value
    assert "\n" not in error.line()
    for hidden in (PASSWORD, "wrong-password"):
        assert hidden not in error.line() + error.hint
    return error


def test_what_cannot_be_reached_is_said_in_one_line_without_the_password(
    postgresql: PostgresqlServer,
) -> None:
    denied = refusal(postgresql.address(password="wrong-password"))
    assert denied.code == "journal_denied"
    assert denied.where == f"postgresql://farm@127.0.0.1:{postgresql.port}/postgres"
    missing = refusal(postgresql.address("nowhere"))
    assert (missing.code, missing.message) == (
        "journal_unreachable",
        "the server has no such database or user",
    )
    assert refusal(postgresql.address(port=9)).code == "journal_unreachable"
    assert refusal(f"postgresql://farm@127.0.0.1:9/farm?password={PASSWORD}").code == "journal_unreachable"


def test_rights_that_are_missing_are_said(postgresql: PostgresqlServer, schema: str) -> None:
    address = postgresql.fresh_address(schema)
    postgresql.run(f"CREATE ROLE {schema} LOGIN PASSWORD '{PASSWORD}'")
    theirs = address.replace("//farm:", f"//{schema}:")
    assert refusal(theirs).code in {"journal_denied", "journal_unreachable"}
    postgresql.run(f"GRANT USAGE ON SCHEMA {schema} TO {schema}")
    assert refusal(theirs).code == "journal_denied"


def test_a_database_that_cannot_keep_every_text_is_refused(postgresql: PostgresqlServer, schema: str) -> None:
    postgresql.run(
        f"CREATE DATABASE {schema} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    assert refusal(postgresql.address(schema)).code == "not_a_journal"
    postgresql.run(f"DROP DATABASE {schema}")
