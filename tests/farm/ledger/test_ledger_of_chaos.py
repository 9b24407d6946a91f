"""Whatever happens on a farm: the ledger of its journal says of every job and segment what the scheduler says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import troubled_farm
from troubled_farm import Chaos

from farm.coordination.journal_writer import moved_event
from farm.ledger import Ledger, load_ledger
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import FarmEvent, RequestRefused, SegmentsReady, Submit
from farm.scheduling.state import Moved
from farm.simulation import simulator as simulator_module
from farm.simulation.simulator import Simulator
from infra.journal import Snapshot, open_journal
from jobs.journal_events import AnyJournalEvent, JobPlanned, JobReceived, StateMoved, event_from_json
from jobs.lifecycle import AttemptState, JobState
from jobs.reasons import ReasonKind
from jobs.simulation_spec import SimulatedJob, SimulationSpec


class WritingSimulator(Simulator):
    """Writes what happens as a coordinator would; segments wait for their motion, as those of a real farm do."""

    def __init__(self, spec: SimulationSpec) -> None:
        self.bodies: list[str] = []
        self.ledger = Ledger()
        super().__init__(spec)

    def write(self, event: AnyJournalEvent) -> None:
        self.bodies.append(event.model_dump_json())
        self.ledger.take(event_from_json(self.bodies[-1]))

    def submit(self, job: SimulatedJob) -> None:
        super().submit(job)
        if not job.motion_seconds:
            self.tell(SegmentsReady(job.name, tuple(range(job.segments))))

    def tell(self, event: FarmEvent) -> None:
        if not isinstance(event, Submit):
            super().tell(event)
            return
        self._receive(event.request)
        try:
            super().tell(event)
        except RequestRefused:
            self._move(event.request.job, "planned", "rejected", "rejected", ReasonKind.REFUSAL)
            raise

    def _record(self, moved: Moved) -> None:
        super()._record(moved)
        self.write(moved_event(moved))

    def _receive(self, request: JobRequest) -> None:
        job, plan = request.job, ReasonKind.PLAN
        self.write(JobReceived(job=job, studio=request.studio, document={}, folder="/"))
        self._move(job, "received", "validation started", "validating", plan)
        self._move(job, "validating", "planned", "planned", plan)
        self.write(JobPlanned(job=job, plan_hash="0" * 64, takes=1, segments_per_take=request.segment_count))

    def _move(self, job: str, before: str, event: str, after: str, kind: ReasonKind) -> None:
        self.write(
            StateMoved(
                subject=job, before=before, event=event, after=after, reason_kind=kind, reason="so it is"
            )
        )


@pytest.fixture(autouse=True)
def a_farm_that_writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    request_of = simulator_module.job_request
    monkeypatch.setattr(
        simulator_module, "job_request", lambda job: replace(request_of(job), motion_merged=False)
    )
    monkeypatch.setattr(troubled_farm, "Simulator", WritingSimulator)
    return


def compare(run: WritingSimulator) -> None:
    """The ledger and the scheduler agree."""
    for name, job in run.scheduler.jobs.items():
        told = run.ledger.jobs[name]
        assert told.state is job.state
        assert list(told.segments) == job.states
        assert told.attempts == {
            (attempt.segment, attempt.try_number): attempt.state
            for attempt in job.attempts.values()
            if attempt.state is not AttemptState.DISPATCHED  # nothing is written of a dispatch
        }


def live(seed: int, *, steps: int) -> WritingSimulator:
    chaos, chance = Chaos(seed=seed), random.Random(seed)
    run = chaos.run
    assert isinstance(run, WritingSimulator)
    for step in range(steps):
        chaos.step(chance)
        if step % 5 == 0:
            compare(run)
    chaos.calm()
    compare(run)
    return run


@pytest.mark.parametrize("seed", [1, 2])
def test_the_ledger_of_a_farm_in_trouble_says_what_its_scheduler_says(seed: int) -> None:
    run = live(seed, steps=700)
    assert len(run.bodies) > 800
    ended = {job.state for job in run.ledger.jobs.values()}
    assert ended <= {state for state in JobState if state.is_terminal}
    assert len(ended) > 2
    assert not any(job.attempts for job in run.ledger.jobs.values() if job.state is JobState.SUCCEEDED)


def test_a_journal_of_it_is_loaded_from_a_snapshot_as_from_its_beginning() -> None:
    run = live(3, steps=300)
    journal = open_journal(":memory:")
    epoch = journal.begin_epoch("test")
    half = len(run.bodies) // 2
    journal.append(epoch, run.bodies[:half], at=0.0)
    ledger, last = load_ledger(journal)
    journal.keep_snapshot(epoch, Snapshot(sequence=last, body=ledger.to_json()))
    journal.append(epoch, run.bodies[half:], at=0.0)
    assert load_ledger(journal) == (run.ledger, len(run.bodies))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 16))
def test_the_same_for_longer(seed: int) -> None:
    assert len(live(seed, steps=8000).bodies) > 8000
