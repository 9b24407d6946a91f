"""Counts that are kept up to date are those of somebody who goes through all jobs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_lives import events_of_a_farm

from farm.ledger import Ledger
from farm.ledger.counts import LedgerCounts
from jobs.errors import JournalCorrupt
from jobs.journal_events import AnyJournalEvent, StateMoved
from jobs.lifecycle import SegmentState


def counted(ledger: Ledger) -> tuple[Counter, dict[str, Counter], Counter]:
    """States of jobs, of each studio's jobs, and of segments of jobs that have not ended, one by one."""
    jobs, of_studios, segments = Counter(), {"north": Counter(), "south": Counter()}, Counter()
    for job in ledger.jobs.values():
        jobs[job.state] += 1
        of_studios[job.studio][job.state] += 1
        if not job.state.is_terminal:
            segments.update(job.segments)
    return jobs, of_studios, segments


@given(events_of_a_farm(), st.integers(0, 40))
def test_counts_are_right_after_every_event_wherever_they_began(
    events: list[AnyJournalEvent], began: int
) -> None:
    ledger = Ledger.fold(events[:began])
    counts, commits = LedgerCounts.of(ledger), 0
    for event in events[began:]:
        with counts.counting(ledger, event):
            ledger.take(event)
        jobs, of_studios, segments = counted(ledger)
        assert counts.jobs() == jobs
        assert {studio: Counter(counts.of_studio(studio)) for studio in of_studios} == of_studios
        assert counts.unfinished == segments
        if isinstance(event, StateMoved) and "/" in event.subject and "#" not in event.subject:
            commits += event.before != event.after == SegmentState.COMMITTED.value
        assert counts.commits == commits


def test_an_event_that_is_refused_counts_for_nothing() -> None:
    ledger = Ledger()
    counts = LedgerCounts.of(ledger)
    wrong = StateMoved(
        subject="hello-1", before="queued", event="leased", after="running", reason_kind="turn", reason="so"
    )
    with pytest.raises(JournalCorrupt), counts.counting(ledger, wrong):
        ledger.take(wrong)
    assert counts == LedgerCounts()
