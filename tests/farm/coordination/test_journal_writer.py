"""The snapshots of the ledger: kept from time to time, and nothing that a run of the farm depends on."""

from __future__ import annotations

import logging

import pytest
from small_farm import SmallFarm

from farm.coordination import journal_writer
from farm.ledger import Ledger
from infra.journal import Journal, Snapshot, open_journal
from jobs.errors import JournalError, JournalFenced
from jobs.journal_events import JobReceived

EVERY = 25


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(journal_writer, "_SNAPSHOT_EVERY", EVERY)
    return open_journal(":memory:")


class Refusal:
    """Refuses snapshots as a journal would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, journal: Journal, error: JournalError) -> None:
        self.refused = 0
        self.error: JournalError | None = error
        self._keep = journal.keep_snapshot
        monkeypatch.setattr(journal, "keep_snapshot", self.keep)

    def keep(self, epoch: int, snapshot: Snapshot) -> None:
        if self.error is not None:
            self.refused += 1
            raise self.error
        self._keep(epoch, snapshot)


def write_jobs(writer: journal_writer.JournalWriter, count: int) -> None:
    for _ in range(count):
        name = f"job-{writer.ledger.sequence}"
        writer.note(JobReceived(job=name, studio="north", document={}, folder="/"))
        writer.write()


def test_a_snapshot_that_cannot_be_kept_ends_no_run_and_is_tried_again_later(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = Refusal(monkeypatch, journal, JournalError("string or blob too big", where="the journal"))
    writer = journal_writer.JournalWriter(journal, owner="a test")
    with caplog.at_level(logging.WARNING):
        write_jobs(writer, EVERY + 5)
    assert refusal.refused == 1, "not with every write"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "string or blob too big" in caplog.text
    refusal.error = None
    write_jobs(writer, EVERY)
    snapshot = journal.latest_snapshot()
    assert snapshot is not None
    assert snapshot.sequence == 2 * EVERY
    assert journal.check() == 2 * EVERY + 5


def test_the_next_run_does_not_end_either(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal(monkeypatch, journal, JournalError("is held by another process", where="the journal"))
    write_jobs(journal_writer.JournalWriter(journal, owner="a test"), EVERY + 5)
    write_jobs(journal_writer.JournalWriter(journal, owner="the next"), 3)
    assert refusal.refused == 2
    assert journal.check() == EVERY + 8


def test_a_run_that_another_took_over_from_ends_at_its_snapshot(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Refusal(monkeypatch, journal, JournalFenced("another run of the farm took over", where="the journal"))
    writer = journal_writer.JournalWriter(journal, owner="a test")
    with pytest.raises(JournalFenced):
        write_jobs(writer, EVERY)


def test_a_snapshot_that_cannot_be_read_is_replaced_by_the_next_run(journal: Journal) -> None:
    writer = journal_writer.JournalWriter(journal, owner="a test")
    write_jobs(writer, EVERY + 5)
    journal.keep_snapshot(writer.epoch, Snapshot(sequence=EVERY + 5, body="of another version"))
    write_jobs(journal_writer.JournalWriter(journal, owner="the next"), 1)
    snapshot = journal.latest_snapshot()
    assert snapshot is not None
    assert Ledger.from_json(snapshot.body).sequence == EVERY + 6


def test_runs_that_end_early_keep_snapshots_all_the_same(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_writer, "_SNAPSHOT_EVERY", EVERY)
    for number in range(6):
        writer = journal_writer.JournalWriter(farm.journal, owner="a test")
        for more in range(10):
            name = f"job-{number}-{more}"
            writer.note(JobReceived(job=name, studio="north", document={}, folder="/"))
        writer.write()
    snapshot = farm.journal.latest_snapshot()
    assert snapshot is not None
    assert snapshot.sequence >= 30


def test_who_cannot_read_the_journal_ends_nobody_who_can(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal_writer.JournalWriter(journal, owner="a test")
    write_jobs(writer, 3)
    with monkeypatch.context() as patch:
        patch.setattr(journal_writer, "kept_ledger", _unreadable)
        with pytest.raises(JournalError):
            journal_writer.JournalWriter(journal, owner="of another version")
    write_jobs(writer, 2)
    assert journal.check() == 5


def test_what_is_written_while_another_reads_is_not_lost(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal_writer.JournalWriter(journal, owner="a test")
    write_jobs(writer, 3)
    begin = journal.begin_epoch

    def late(owner: str) -> int:
        write_jobs(writer, 2)
        return begin(owner)

    monkeypatch.setattr(journal, "begin_epoch", late)
    assert len(journal_writer.JournalWriter(journal, owner="the next").ledger.jobs) == 5


def _unreadable(_journal: Journal) -> Ledger:
    raise JournalError("is of a later version", where="the journal")
