"""Journals of every release are read: their entries are kept here, with what became of their jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from farm.ledger import Ledger, load_ledger
from infra.journal import Journal, Snapshot, open_journal

KEPT = Path(__file__).parent / "kept_journals"
RELEASES = sorted(folder.name for folder in KEPT.iterdir())


def journal_of(release: str) -> tuple[Journal, int, int]:
    """The journal, its epoch and the number of its entries."""
    bodies = (KEPT / release / "entries.jsonl").read_text().splitlines()
    journal = open_journal(":memory:")
    epoch = journal.begin_epoch("test")
    journal.append(epoch, bodies)
    return journal, epoch, len(bodies)


def told(ledger: Ledger) -> dict[str, Any]:
    return {
        name: {
            "state": job.state.value,
            "segments": [state.value for state in job.segments],
            "tries": job.tries,
            "delivered": sorted(job.delivered),
            "bundles": {str(segment): place for segment, place in job.bundles.items()},
            "error": job.error,
        }
        for name, job in ledger.jobs.items()
    }


@pytest.mark.parametrize("release", RELEASES)
def test_the_entries_of_a_release_tell_what_they_told_then(release: str) -> None:
    journal, _, count = journal_of(release)
    ledger, last = load_ledger(journal)
    assert last == count
    assert told(ledger) == json.loads((KEPT / release / "jobs.json").read_text())


@pytest.mark.parametrize("release", RELEASES)
def test_a_snapshot_of_a_release_is_read_or_the_entries_are_read_again(release: str) -> None:
    journal, epoch, count = journal_of(release)
    body = (KEPT / release / "snapshot.json").read_text()
    journal.keep_snapshot(epoch, Snapshot(sequence=count, body=body))
    ledger, last = load_ledger(journal)
    assert (last, told(ledger)) == (count, json.loads((KEPT / release / "jobs.json").read_text()))
