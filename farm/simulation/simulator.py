"""Runs a scenario to its end: the scheduler on one side, the made-up world on the other, a virtual clock between."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial

from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import FarmEvent, RequestRefused, SegmentsReady, Submit, Tick
from farm.scheduling.scheduler import Scheduler
from farm.scheduling.state import Moved
from farm.simulation.agenda import Agenda
from farm.simulation.life_audit import LifeAudit
from farm.simulation.made_up_pool import MadeUpPool
from farm.simulation.observer import Observer
from farm.simulation.turn_audit import TurnAudit
from jobs.farm_spec import FarmPool, FarmSpec, PoolTerms
from jobs.lifecycle import JobState, SegmentEvent
from jobs.simulation_spec import SimulatedJob, SimulationSpec

_TICK_S = 1.0


class InvariantBroken(AssertionError):
    """The scheduler broke one of its promises: a bug."""


@dataclass(slots=True)
class Course:
    """What a simulation came to.

    Attributes:
        events: How many the scheduler took in.
        refused: Submits that were refused, with the reason.
    """

    events: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Simulator:
    """One simulation. Use once."""

    def __init__(self, spec: SimulationSpec) -> None:
        self.spec = spec
        self.agenda = Agenda()
        self.life = LifeAudit()
        self.course = Course()
        self.jobs = {job.name: job for job in _copies(spec.jobs)}
        self.farm = farm_of(spec)
        self._awaited = 0
        self.scheduler = Scheduler(
            self.farm,
            clock=self.agenda.clock,
            randomness=random.Random(spec.seed),
            record=self._record,
        )
        self.turns = TurnAudit(self.scheduler, rules=self.farm)
        self.observer = Observer(self.scheduler, studios=sorted({job.studio for job in self.jobs.values()}))
        self.pool = MadeUpPool(
            spec.pool,
            faults=spec.faults,
            agenda=self.agenda,
            chance=random.Random(spec.seed + 1),
            tell=self.tell,
            jobs=self.jobs,
        )

    def run(self) -> Course:
        """From the first submit to the last master, or to the longest time the scenario allows.

        Raises:
            InvariantBroken: The scenario is audited, and an invariant does not hold.
        """
        self.open()
        for original in self.spec.jobs:
            for number, job in enumerate(_copies((original,))):
                self._awaited += 1
                self.agenda.after(job.at + number * job.every, partial(self._submit_awaited, job))
        while not self.is_over and self.agenda.now <= self.spec.longest:
            self.agenda.step()
        return self.course

    def open(self) -> None:
        """Start the replicas and the clock's ticks."""
        for _ in range(self.spec.pool.replicas):
            self.agenda.after(0, self.pool.join)
        self.agenda.after(_TICK_S, self._tick)

    @property
    def is_over(self) -> bool:
        """Every job was submitted and has ended, or waits for a person."""
        return self._awaited == 0 and all(
            job.state.is_terminal or job.state is JobState.HELD for job in self.scheduler.jobs.values()
        )

    def tell(self, event: FarmEvent) -> None:
        """Hand an event to the scheduler and carry out what it wants.

        Raises:
            RequestRefused: The scheduler refuses what a user asks.
            InvariantBroken: The scenario is audited, and an invariant does not hold.
        """
        actions = self.scheduler.on(event)
        self.course.events += 1
        for action in actions:
            self.pool.carry_out(action)
        self.observer.look(self.agenda.now)
        if self.spec.audited:
            self.check()

    def check(self) -> None:
        """Check every invariant.

        Raises:
            InvariantBroken: With everything that does not hold.
        """
        broken = self.scheduler.violations() + self.life.take() + self.turns.take()
        if broken:
            raise InvariantBroken(f"at {self.agenda.now:.3f} s: " + "; ".join(broken))

    def _record(self, moved: Moved) -> None:
        self.observer.take(moved)
        if self.spec.audited:
            self.life.add(moved)
            self.turns.add(moved)
        if moved.event is SegmentEvent.MOTION_GONE:
            name, _, segment = moved.subject.partition("/")
            ready = SegmentsReady(name, (int(segment),))
            self.agenda.after(self.jobs[name].motion_seconds, partial(self.tell, ready))

    def _submit_awaited(self, job: SimulatedJob) -> None:
        self._awaited -= 1
        try:
            self.submit(job)
        except RequestRefused as refusal:
            self.course.refused[job.name] = refusal.message

    def submit(self, job: SimulatedJob) -> None:
        """Submit a job now; its motion is merged as time goes by.

        Raises:
            RequestRefused: The farm does not take it.
        """
        self.jobs[job.name] = job
        self.tell(Submit(job_request(job)))
        if job.motion_seconds:
            for segment in range(job.segments):
                ready = SegmentsReady(job.name, (segment,))
                self.agenda.after((segment + 1) * job.motion_seconds, partial(self.tell, ready))

    def _tick(self) -> None:
        self.tell(Tick())
        self.agenda.after(_TICK_S, self._tick)


def farm_of(spec: SimulationSpec) -> FarmSpec:
    """The farm that the scenario describes."""
    pool = FarmPool(**spec.pool.model_dump(include=set(PoolTerms.model_fields)))
    return FarmSpec(studios=spec.studios, pool=pool)


def job_request(job: SimulatedJob) -> JobRequest:
    """A job of the scenario as the scheduler takes it."""
    return JobRequest(
        job=job.name,
        studio=job.studio,
        subject=job.subject,
        segment_count=job.segments,
        profile=job.profile,
        tier=job.tier,
        weight=job.weight,
        preview_first=job.preview_first,
        max_replicas=job.max_replicas,
        max_gpu_seconds=job.max_gpu_seconds,
        on_quarantine=job.on_quarantine,
        max_failed_segments=job.max_failed_segments,
        motion_merged=job.motion_seconds == 0,
    )


def _copies(jobs: tuple[SimulatedJob, ...]) -> list[SimulatedJob]:
    return [
        job.model_copy(update={"name": f"{job.name}-{number}"} if job.copies > 1 else {})
        for job in jobs
        for number in range(1, job.copies + 1)
    ]
