"""All that users, machines and bad luck can do to a farm, in any order, with every invariant checked after each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from farm.scheduling.messages import (
    AttemptFailed,
    Broken,
    Drain,
    Expire,
    FarmEvent,
    Forget,
    MotionGone,
    Recalled,
    RequestRefused,
    Requeue,
    SegmentFound,
    Started,
    Stopped,
    Succeeded,
    Tick,
    Waive,
    WorkEvent,
)
from farm.simulation.simulator import InvariantBroken, Simulator
from jobs.errors import InputError, SegmentFailed
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, RetryRequest
from jobs.farm_spec import Studio
from jobs.lifecycle import JobState, SegmentState
from jobs.priority import OnQuarantine, Tier
from jobs.simulation_spec import SimulatedFaults, SimulatedJob, SimulatedPool, SimulationSpec

T = TypeVar("T")

_MOST_JOBS = 10
_SUBJECTS = ("actor-a", "actor-b", "actor-c")
_STUDIOS = {
    "north": Studio(weight=60),
    "south": Studio(weight=30, max_replicas=3),
    "west": Studio(weight=10, max_queued_segments=30),
}


class Chaos:
    """A small farm in much trouble.

    Attributes:
        happened: How often each kind of thing was done to it.
        refused: How often a user was refused.
    """

    def __init__(self, *, seed: int, replicas: int = 4) -> None:
        first = SimulatedJob(name="first", studio="north", subject="actor-a", segments=8, segment_seconds=2.0)
        spec = SimulationSpec(
            seed=seed,
            pool=SimulatedPool(replicas=replicas, start=2.0, load=0.5, stitch=1.0, stall=8.0, grace=4.0),
            studios=_STUDIOS,
            jobs=(first,),
            faults=SimulatedFaults(crash=0.06, hang=0.03, output=0.05, storage=0.05, slow=0.05),
            audited=True,
        )
        self.run = Simulator(spec)
        self.happened: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._submitted = 0
        self._old_answers: list[WorkEvent] = []
        self.run.open()
        self.run.submit(first)

    def step(self, chance: random.Random) -> None:
        """Do one thing to it, drawn with sensible odds: mostly time passes."""
        names = list(_ODDS)
        name = chance.choices(names, weights=list(_ODDS.values()))[0]
        self.do(name, chance)

    def do(self, name: str, chance: random.Random) -> None:
        """Do one kind of thing to it, to whom chance says.

        Raises:
            InvariantBroken: An invariant does not hold after it.
        """
        doings: dict[str, Callable[[random.Random], None]] = {
            "time": self._let_time_pass,
            "tick": lambda _: self._tell(Tick()),
            "submit": self._submit,
            "crash": self._crash,
            "drain": lambda chance: self._to_replica(Drain, chance),
            "join": self._join,
            "waive": self._waive,
            "requeue": self._requeue,
            "resume": self._resume,
            "old answer": self._answer_again,
            "found": self._find,
            "motion gone": self._let_motion_go,
            "why": self._ask_why,
            "finish fails": self._fail_a_finish,
            "broken": self._break,
            "pause": lambda chance: self._ask(lambda name: PauseRequest(job=name), chance),
            "cancel": lambda chance: self._ask(lambda name: CancelRequest(job=name), chance),
            "retry": lambda chance: self._ask(lambda name: RetryRequest(job=name), chance),
            "expire": lambda chance: self._ask(Expire, chance),
            "forget": lambda chance: self._ask(Forget, chance),
        }
        self.happened[name] += 1
        doings[name](chance)

    def calm(self, *, longest: float = 3000.0) -> None:
        """Let faults stop, decide what waits for a person, and let everything come to its end.

        Raises:
            InvariantBroken: Something does not end.
        """
        run = self.run
        run.pool.faults = SimulatedFaults()
        until = run.agenda.now + longest
        while any(not job.state.is_terminal for job in run.scheduler.jobs.values()):
            for job in tuple(run.scheduler.jobs.values()):
                if job.state is JobState.PAUSED:
                    self._tell(ResumeRequest(job=job.name))
                elif job.state is JobState.HELD:
                    self._tell(
                        ResumeRequest(job=job.name, max_gpu_seconds=1e9)
                        if not job.given_up
                        else CancelRequest(job=job.name)
                    )
            if run.agenda.now > until:
                left = [
                    f"{job.name} is {job.state.value}: {run.scheduler.why_waiting(job.name).sentence}"
                    for job in run.scheduler.jobs.values()
                    if not job.state.is_terminal
                ]
                raise InvariantBroken("it does not end: " + "; ".join(left))
            run.agenda.step()

    def _tell(self, event: FarmEvent) -> None:
        try:
            self.run.tell(event)
        except RequestRefused as refusal:
            # A refusal leaves everything as it was, and that is checked too.
            self.refused[refusal.code] += 1
            self.run.check()

    def _let_time_pass(self, chance: random.Random) -> None:
        self.run.agenda.step()
        attempts = list(self.run.scheduler.state.attempts)
        if attempts and chance.random() < 0.05:
            attempt = chance.choice(attempts)
            self._old_answers = [
                *self._old_answers[-40:],
                Started(attempt),
                Succeeded(attempt, 2.0),
                AttemptFailed(attempt, SegmentFailed("it is black"), 1.0),
                Recalled(attempt),
                Stopped(attempt),
            ]

    def _answer_again(self, chance: random.Random) -> None:
        """An answer that comes when its attempt is long over."""
        live = self.run.scheduler.state.attempts
        old = [event for event in self._old_answers if event.attempt not in live]
        if old:
            self._tell(chance.choice(old))

    def _submit(self, chance: random.Random) -> None:
        jobs = self.run.scheduler.jobs
        if len(jobs) >= _MOST_JOBS:
            over = [name for name, job in jobs.items() if job.state.is_terminal and not job.attempts]
            if over:
                self._tell(Forget(over[0]))
            return
        self._submitted += 1
        try:
            self.run.submit(_random_job(f"job-{self._submitted}", chance))
        except RequestRefused as refusal:
            self.refused[refusal.code] += 1
            self.run.check()

    def _crash(self, chance: random.Random) -> None:
        if self.run.pool.replicas:
            name = _pick(list(self.run.pool.replicas), chance)
            self.run.pool.crash(name, explained=chance.random() < 0.5)

    def _join(self, chance: random.Random) -> None:
        if len(self.run.pool.replicas) < 6:
            self.run.pool.join()

    def _to_replica(self, event: Callable[[str], FarmEvent], chance: random.Random) -> None:
        if self.run.pool.replicas:
            self._tell(event(_pick(list(self.run.pool.replicas), chance)))

    def _ask(self, event: Callable[[str], FarmEvent], chance: random.Random) -> None:
        self._tell(event(_pick([*self.run.scheduler.jobs, "nobody"], chance)))

    def _resume(self, chance: random.Random) -> None:
        more = chance.choice((None, None, 20.0, 1e6))
        self._ask(lambda name: ResumeRequest(job=name, max_gpu_seconds=more), chance)

    def _waive(self, chance: random.Random) -> None:
        self._ask(lambda name: Waive(name, (chance.randrange(10), chance.randrange(10))), chance)

    def _requeue(self, chance: random.Random) -> None:
        first = chance.randrange(10)
        self._ask(lambda name: Requeue(name, tuple(range(first, first + chance.randrange(10)))), chance)

    def _find(self, chance: random.Random) -> None:
        jobs = self.run.scheduler.jobs
        committed = sorted(place for place in self.run.pool.committed if place[0] in jobs)
        untold = [
            (job, segment)
            for job, segment in committed
            if jobs[job].states[segment] is not SegmentState.COMMITTED
        ]
        if committed:
            self._tell(SegmentFound(*_pick(untold or committed, chance)))

    def _let_motion_go(self, chance: random.Random) -> None:
        made = [name for name in self.run.scheduler.jobs if self.run.jobs[name].motion_seconds]
        if made:
            name = _pick(made, chance)
            one = (chance.randrange(self.run.jobs[name].segments),)
            self._tell(MotionGone(name, chance.choice((None, one))))

    def _fail_a_finish(self, chance: random.Random) -> None:
        finishing = [name for name, job in self.run.scheduler.jobs.items() if job.finishing]
        if finishing:
            self.run.pool.fail_to_finish(_pick(finishing, chance))

    def _break(self, chance: random.Random) -> None:
        is_internal = chance.random() < 0.5
        self._ask(
            lambda name: Broken(name, InputError("what it needs is gone"), is_internal=is_internal), chance
        )

    def _ask_why(self, chance: random.Random) -> None:
        jobs = list(self.run.scheduler.jobs)
        if jobs and not self.run.scheduler.why_waiting(_pick(jobs, chance)).sentence.endswith("."):
            raise InvariantBroken("a job waits without a sentence")


_ODDS = {
    "time": 100,
    "tick": 4,
    "submit": 6,
    "crash": 2,
    "drain": 1,
    "join": 1,
    "waive": 1,
    "requeue": 1,
    "resume": 5,
    "old answer": 2,
    "found": 3,
    "motion gone": 1,
    "finish fails": 0.5,
    "broken": 1,
    "why": 2,
    "pause": 2,
    "cancel": 1,
    "retry": 2,
    "expire": 0.5,
    "forget": 2,
}

DOINGS = tuple(_ODDS)
"""Everything that can be done to the farm."""


def _random_job(name: str, chance: random.Random) -> SimulatedJob:
    segments = chance.randint(1, 10)
    bad = tuple(index for index in range(segments) if chance.random() < 0.04)
    kind = chance.choice(("poison", "broken", "unusable"))
    return SimulatedJob(
        name=name,
        studio=chance.choice(list(_STUDIOS)),
        subject=chance.choice(_SUBJECTS),
        segments=segments,
        tier=chance.choice(list(Tier)),
        segment_seconds=chance.uniform(1, 4),
        motion_seconds=chance.choice((0.0, 0.0, 0.5)),
        weight=chance.choice((1.0, 2.0)),
        preview_first=chance.randint(0, min(3, segments)),
        max_replicas=chance.choice((None, None, 1, 2)),
        max_gpu_seconds=chance.choice((None, None, None, 40.0)),
        on_quarantine=chance.choice(list(OnQuarantine)),
        max_failed_segments=chance.choice((None, None, 1)),
        poison=bad if kind == "poison" else (),
        broken=bad if kind == "broken" else (),
        unusable=bad if kind == "unusable" else (),
    )


def _pick(things: Sequence[T], chance: random.Random) -> T:
    return things[chance.randrange(len(things))]
