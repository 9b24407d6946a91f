"""Batches, in every database that may keep a journal: every row is asked at once or none, and never twice."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer

from infra.journal import Journal, open_journal
from infra.journal.batches import BatchSubmit, UnknownBatch
from jobs.errors import TokenTaken


@pytest.fixture(params=["file", "memory", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        address = server.fresh_address(f"batches_{secrets.token_hex(6)}")
    else:
        address = ":memory:" if request.param == "memory" else str(tmp_path / "farm.sqlite")
    opened = open_journal(address)
    yield opened
    opened.close()


def submits(count: int, *, body: str = "{}") -> list[BatchSubmit]:
    return [BatchSubmit(title=f"shot-{row}", body=body) for row in range(1, count + 1)]


def test_rows_are_requests_that_stand_in_line_with_all_others(journal: Journal) -> None:
    assert journal.ask('{"a":1}', token="one") == 1
    batch = journal.batches.ask(submits(3), studio="north", name="spring", token="t")
    assert batch.jobs == ("shot-1-2", "shot-2-3", "shot-3-4")
    assert journal.ask('{"b":1}', token="two") == 5
    assert [asked.request for asked in journal.asked()] == [1, 2, 3, 4, 5]
    assert journal.batches.get(batch.batch_id, studio="north") == batch
    (listed,) = journal.batches.all(studio="north")
    assert (listed.batch_id, listed.name, listed.jobs) == (batch.batch_id, "spring", ())
    assert journal.batches.all(studio="south") == []
    for studio, name in (("south", batch.batch_id), (None, "b_none")):
        with pytest.raises(UnknownBatch):
            journal.batches.get(name, studio=studio)


def test_the_same_token_is_the_same_batch_of_its_studio(journal: Journal) -> None:
    first = journal.batches.ask(submits(3), studio="north", name="spring", token="t")
    assert journal.batches.ask(submits(3), studio="north", name="spring", token="t") == first
    for changed, name in ((submits(2), "spring"), (submits(3, body="[]"), "spring"), (submits(3), "autumn")):
        with pytest.raises(TokenTaken):
            journal.batches.ask(changed, studio="north", name=name, token="t")
    assert (
        journal.batches.ask(submits(3), studio="south", name="spring", token="t").batch_id != first.batch_id
    )
    assert len(journal.asked()) == 6


def test_many_that_ask_for_one_batch_at_the_same_moment_get_the_same(journal: Journal) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(
                lambda _: journal.batches.ask(submits(20), studio="north", name="spring", token="t"), range(8)
            )
        )
    assert len({batch.jobs for batch in made}) == 1
    assert len(journal.asked()) == 20
