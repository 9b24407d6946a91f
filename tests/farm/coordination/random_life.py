"""A small farm among users, faults and restarts drawn by chance; what must hold is checked after every turn."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from fake_stages import FIRST_FACE, Fault
from held_background import HeldBackground
from small_farm import SmallFarm

from farm.config import PoolSizes
from farm.coordination.coordinator import FarmCoordinator
from farm.coordination.sketches import is_sketching
from farm.coordination.state import CoordinatorState
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.inline_pools import InlinePools
from farm.execution.pools.messages import Began, Gone, PoolEvent, Task
from farm.execution.stages import StageFactory
from farm.ledger import Ledger, load_ledger
from farm.scheduling.units import Stage
from jobs.farm_requests import (
    AnyRequest,
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    WaiveRequest,
    WhyRequest,
)
from jobs.farm_spec import FarmPool, FarmSpec
from jobs.journal_events import event_from_json
from jobs.lifecycle import JobState, SegmentState

T = TypeVar("T")

_SPEECHES = {"word.wav": 0.4, "phrase.wav": 2.2, "sentence.wav": 4.2, "chapter.wav": 14.0}
_MOST_JOBS = 5
_MOST_TURNS = 4000
_RESTING = {JobState.HELD, JobState.PAUSED, JobState.STITCHING}
_NEEDS_A_FACE = {SegmentState.READY, SegmentState.LEASED, SegmentState.SUSPECT}


class ShakyPools(InlinePools):
    """Two renderers; replicas that now and then die with all they hold, or hang; things that happen at once."""

    def __init__(self, *, stages: StageFactory, chance: random.Random, deaths: float) -> None:
        super().__init__(stages=stages)
        self._deaths = deaths
        self._chance = chance
        self._hung: dict[str, str] = {}

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        self._to_join.append(Stage.RENDER)
        return 1 + super().start(pools, warm=warm)

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        happened: list[PoolEvent] = []
        for _ in range(self._chance.randint(1, 3)):
            free = [entry for entry in self._queue if entry[0] not in self._hung]
            if free and self._chance.random() < self._deaths:
                happened += self._death(*free[0])
            elif free and self._chance.random() < self._deaths / 4:
                replica, task = free[0]
                self._hung[replica] = task.key
                happened.append(Began(task.key))
            stuck = [entry for entry in self._queue if entry[0] in self._hung]
            self._queue = deque(entry for entry in self._queue if entry[0] not in self._hung)
            happened += super().wait(timeout_s=timeout_s)
            self._queue.extendleft(reversed(stuck))
        return happened

    def recall(self, key: str) -> None:
        if key not in self._hung.values():
            super().recall(key)

    def stop(self, key: str) -> None:
        if key not in self._hung.values():
            super().stop(key)

    def kill(self, replica: str) -> None:
        self._hung.pop(replica, None)
        super().kill(replica)

    def _death(self, replica: str, first: Task) -> list[PoolEvent]:
        held = tuple(task.key for holder, task in self._queue if holder == replica)
        self.kill(replica)
        gone = Gone(
            replica=replica,
            stage=first.unit.stage,
            tasks=held,
            explained=self._chance.random() < 0.5,
            reason="it was shaken",
        )
        return [Began(first.key), gone]


class LazyBackground(HeldBackground):
    """A background whose work is done sooner or later."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def deliver(self) -> bool:
        names = {name for name, _, _ in self.waiting}
        self.holds = frozenset(name for name in sorted(names) if self._chance.random() < 0.6)
        return super().deliver()


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that was asked for."""

    title: str
    speech: str
    takes: int
    asks: bool = False


class RandomLife:
    """One farm, its users and its bad luck.

    Attributes:
        happened: How often each kind of thing was done.
        ends: What became of each job.
        succeeded: Those of them that came to a master without a gap, and the takes that were delivered.
    """

    def __init__(self, folder: Path, *, seed: int, journal: str = "") -> None:
        self.chance = random.Random(seed)
        self.happened: Counter[str] = Counter()
        self.wishes: dict[str, Wish] = {}
        self.ends: dict[str, JobState] = {}
        self.succeeded: list[tuple[Wish, tuple[int, ...]]] = []
        self.farm = SmallFarm(folder, faults=self._faults(), replicas=1, journal=journal)
        # Short patience: the clock of a life runs no longer than its turns.
        self.farm.rules = FarmSpec(
            pool=FarmPool(max_tries_failed=3, stall=6.0, run_timeout=9.0, grace=3.0, speculate_with=3)
        )
        speak_all(self.farm)
        self._now = 0.0
        self._deaths = 0.05
        self._asked: list[int] = []
        self._run = ExitStack()
        self.coordinator = self._start()

    def live(self, *, steps: int) -> None:
        """Let things happen, and then let everything come to its end."""
        for _ in range(steps):
            names = list(_ODDS)
            name = self.chance.choices(names, weights=list(_ODDS.values()))[0]
            self.happened[name] += 1
            _DOINGS[name](self)
        self._calm()
        self._check_end()
        self._run.close()
        self.ends = {name: self.farm.job(name).state for name in self.wishes}
        self.succeeded = self._succeeded()
        self.farm.journal.close()

    def _faults(self) -> tuple[Fault, ...]:
        chance = self.chance
        faults = [
            Fault(stage="render", frame=chance.choice((0, 50, 100)), kind=kind, times=chance.randint(1, 4))
            for kind in ("raise", "raise", "black")
        ]
        stage = chance.choice(("motion", "face"))
        frame = chance.choice((0, 50 if stage == "motion" else FIRST_FACE))
        faults.append(Fault(stage=stage, frame=frame, kind="raise"))
        return tuple(faults)

    def _start(self) -> FarmCoordinator:
        pools = ShakyPools(stages=self.farm.stages, chance=self.chance, deaths=self._deaths)
        running = self.farm.running(pools, clock=self._time, background=LazyBackground(self.chance))
        return self._run.enter_context(running)

    def _time(self) -> float:
        self._now += self.chance.choice((0.01, 0.05, 0.3))
        return self._now

    def turn(self) -> None:
        """One turn of the loop, and a look at everything."""
        self.coordinator.step()
        found = broken(self.coordinator)
        assert not found, "\n".join(found)

    def turns(self) -> None:
        """A few turns."""
        for _ in range(self.chance.randint(1, 6)):
            self.turn()

    def restart(self) -> None:
        """The farm is gone, with all that it did not write down, and starts anew."""
        self._run.close()
        self._run = ExitStack()
        self.coordinator = self._start()

    def submit(self) -> None:
        """Somebody wants a video."""
        if len(self.wishes) >= _MOST_JOBS:
            return
        chance, title = self.chance, f"job{len(self.wishes)}"
        takes = chance.choice((1, 1, 2))
        asks = takes > 1 and chance.random() < 0.5
        wish = Wish(title, chance.choice(sorted(_SPEECHES)), takes, asks)
        scheduling = {
            "tier": chance.choice(("interactive", "normal", "bulk")),
            "on_quarantine": chance.choice(("fail", "hold", "fill")),
            "preview_first": chance.choice((0, 0, 1, 2)),
            "max_gpu_seconds": chance.choice((None, None, 10.5)),
        }
        name = self.farm.submit(
            title,
            studio=chance.choice(("north", "south")),
            on_hold=chance.random() < 0.2,
            speech=wish.speech,
            takes=wish.takes,
            choose="ask" if wish.asks else None,
            scheduling={key: value for key, value in scheduling.items() if value is not None},
        )
        self.wishes[name] = wish
        self._asked.append(int(name.rpartition("-")[2]))

    def ask(self, make: Callable[[str], Any]) -> None:
        """A user asks for something."""
        if self.wishes:
            self._asked.append(self.farm.ask(make(self.chance.choice([*self.wishes, "nobody-1"]))))

    def frames(self) -> tuple[int, int]:
        """Some frames."""
        first = self.chance.randrange(0, 350)
        return first, first + self.chance.randrange(1, 120)

    def burst(self) -> None:
        """A user who gets no answer asks on: the farm finds all of it at once."""
        if not self.wishes:
            return
        job = self.chance.choice(list(self.wishes))
        for _ in range(self.chance.randint(2, 5)):
            doing = self.chance.choice(("pause", "resume", "retry", "waive", "requeue"))
            self._asked.append(self.farm.ask(_request(doing, job, *self.frames())))

    def _calm(self) -> None:
        """Faults end, users decide what waits for them."""
        self.farm.stages = replace(self.farm.stages, faults=())
        self._deaths = 0.0
        self.restart()
        for _ in range(_MOST_TURNS):
            self.turn()
            if self.coordinator.is_idle and not self._decide():
                return
        left = {name: self.farm.job(name).state for name in self.wishes}
        raise AssertionError(f"it does not end: {left}")

    def _decide(self) -> bool:
        """Answer every job that rests; False where none does."""
        scheduler = self.coordinator.state.scheduler
        entries = scheduler.jobs
        for name, entry in entries.items():
            if entry.is_held_for_choice:
                self.farm.ask(ChooseRequest(job=name, take=self.chance.randint(1, 2)))
            elif entry.given_up and entry.can_pay(scheduler.cost_of(name)):
                self.farm.ask(RetryRequest(job=name))
            elif entry.given_up:
                # As the refusal of a retry says: requeued first, resumed with more then.
                self.farm.ask(RequeueRequest(job=name, first_frame=0, stop_frame=10_000))
            else:
                self.farm.ask(ResumeRequest(job=name, max_gpu_seconds=1e6))
        return bool(entries)

    def _check_end(self) -> None:
        farm, state = self.farm, self.coordinator.state
        left = [state.tasks, state.runs, state.finishing, state.actions, state.moves]
        left += [state.opening, state.planning, state.restoring]
        assert not any(left)
        assert not any(helper.keys for pool in state.helpers.values() for helper in pool.values())
        assert not state.scheduler.jobs
        assert not state.scheduler.attempts
        events = [event_from_json(entry.body) for entry in farm.journal.read()]
        assert (
            Ledger.fold(events, at=[entry.at for entry in farm.journal.read()])
            == load_ledger(farm.journal)[0]
            == state.writer.ledger
        )
        assert farm.journal.check() == len(events)
        assert farm.journal.asked() == ()
        assert all(farm.journal.answer_to(number) for number in self._asked)
        assert not list(farm.folder.rglob("*.part"))
        for name in self.wishes:
            assert farm.job(name).state.is_terminal

    def _succeeded(self) -> list[tuple[Wish, tuple[int, ...]]]:
        """Jobs that came to the end that everybody hopes for, and without a gap."""
        jobs = [self.farm.job(name) for name in self.wishes]
        return [
            (self.wishes[job.name], tuple(job.delivered))
            for job in jobs
            if job.state is JobState.SUCCEEDED and SegmentState.WAIVED not in job.counts()
        ]


def speak_all(farm: SmallFarm) -> None:
    """Write the recordings."""
    for name, seconds in _SPEECHES.items():
        farm.speak(name, seconds=seconds)


def broken(coordinator: FarmCoordinator) -> list[str]:
    """What does not hold between two turns, in words."""
    state = coordinator.state
    return [
        *state.scheduler.violations(),
        *_ledger_differs(state),
        *_tasks_differ(state),
        *_fronts_differ(state),
    ]


def _ledger_differs(state: CoordinatorState) -> list[str]:
    found = ["something is noted and not written"] if state.writer.has_unwritten else []
    if set(state.runs) != set(state.scheduler.jobs):
        found.append(f"runs {sorted(state.runs)}, in the scheduler {sorted(state.scheduler.jobs)}")
    for name, entry in state.scheduler.jobs.items():
        job = state.writer.ledger.jobs[name]
        if job.state is not entry.state:
            found.append(f"{name} is {entry.state.value}, the ledger has {job.state.value}")
        if list(job.segments) != entry.states:
            found.append(f"{name}: {entry.states}, the ledger has {list(job.segments)}")
        live = {(one.segment, one.try_number): one.state for one in entry.attempts.values()}
        known = {key: state for key, state in live.items() if key in job.attempts}
        if job.attempts != known:
            found.append(f"{name}: attempts {live}, the ledger has {job.attempts}")
    return found


def _tasks_differ(state: CoordinatorState) -> list[str]:
    segments = {key for key, task in state.tasks.items() if task.attempt is not None}
    attempts = {state.key_of(attempt) for attempt in state.scheduler.attempts}
    helping = {
        key: name for pool in state.helpers.values() for name, helper in pool.items() for key in helper.keys
    }
    others = {key: task.replica for key, task in state.tasks.items() if task.attempt is None}
    found = []
    if segments != attempts:
        found.append(f"segments out: {sorted(segments)}, attempts: {sorted(attempts)}")
    if helping != others:
        found.append(f"helpers hold {helping}, and out are {others}")
    return found


def _fronts_differ(state: CoordinatorState) -> list[str]:
    found = []
    out: Counter[tuple[str, Any]] = Counter(
        (task.job, task.unit) for task in state.tasks.values() if task.attempt is None
    )
    for name, run in state.runs.items():
        faces = {run.number(face) for face in run.open.faces} if run.open else set()
        states = enumerate(state.scheduler.jobs[name].states)
        bare = [number for number, state in states if state in _NEEDS_A_FACE and number not in faces]
        if bare:
            found.append(f"{name}: {bare} wait for a replica, and their faces are not there")
        if run.open is None:
            continue
        is_resting = not is_sketching(state.scheduler.jobs[name], run)
        if is_resting and state.scheduler.jobs[name].state in _RESTING:
            found.append(f"{name} rests, and its windows and faces are still wanted")
        lost = [unit for unit in run.open.order.out if not out[name, unit]]
        if lost:
            found.append(f"{name}: {lost} are handed out and nowhere")
        composed = {unit for unit in run.open.order.faces_held if run.open.order.holds(unit)}
        if set(run.open.faces) != composed:
            found.append(f"{name}: faces {sorted(run.open.faces)} are kept, {sorted(composed)} are wanted")
    return found


def _request(doing: str, job: str, first_frame: int, stop_frame: int) -> AnyRequest:
    if doing == "waive":
        return WaiveRequest(job=job, first_frame=first_frame, stop_frame=stop_frame)
    if doing == "requeue":
        return RequeueRequest(job=job, first_frame=first_frame, stop_frame=stop_frame)
    kinds = {"pause": PauseRequest, "resume": ResumeRequest, "retry": RetryRequest}
    return kinds[doing](job=job)


_DOINGS: dict[str, Callable[[RandomLife], None]] = {
    "turns": RandomLife.turns,
    "submit": RandomLife.submit,
    "restart": RandomLife.restart,
    "pause": lambda life: life.ask(lambda job: PauseRequest(job=job)),
    "resume": lambda life: life.ask(lambda job: ResumeRequest(job=job)),
    "more": lambda life: life.ask(lambda job: ResumeRequest(job=job, max_gpu_seconds=100.0)),
    "cancel": lambda life: life.ask(lambda job: CancelRequest(job=job)),
    "retry": lambda life: life.ask(lambda job: RetryRequest(job=job)),
    "why": lambda life: life.ask(lambda job: WhyRequest(job=job)),
    "waive": lambda life: life.ask(lambda job: _request("waive", job, *life.frames())),
    "requeue": lambda life: life.ask(lambda job: _request("requeue", job, *life.frames())),
    "burst": RandomLife.burst,
    "choose": lambda life: life.ask(
        lambda job: ChooseRequest(job=job, take=life.chance.choice((1, 1, 2, 2, 3)))
    ),
}
_ODDS = {
    "turns": 60,
    "submit": 12,
    "restart": 2.5,
    "pause": 5,
    "resume": 8,
    "more": 2,
    "cancel": 3,
    "retry": 5,
    "why": 2,
    "waive": 1.5,
    "requeue": 3,
    "burst": 4,
    "choose": 4,
}
