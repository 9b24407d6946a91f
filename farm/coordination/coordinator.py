"""The loop of the farm: what happened goes to the scheduler, what it decides is written down and then done.

    users ──► journal ──► requests ─┐                        ┌─► journal, first
    replicas ──► happenings ────────┼──► SharedScheduler ────┤
    desk (planning, joining) ───────┘                        └─► pools, desk

One process at a time: a second one begins a later epoch, and the first can write nothing more and ends.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from farm.config import PoolSizes
from farm.coordination import endings, fronts, renders
from farm.coordination.alarm import StandstillAlarm
from farm.coordination.control import answer_requests
from farm.coordination.desk import Desk
from farm.coordination.floor import Assignment, Floor, House, Watcher
from farm.coordination.intake import adopt
from farm.coordination.job_run import JobRun
from farm.coordination.recovery import restore_all
from farm.coordination.scribe import Scribe
from farm.coordination.unforeseen import ends_alone
from farm.execution.pools.backend import PoolBackend
from farm.execution.pools.words import (
    Advanced,
    Began,
    Draining,
    Finished,
    Gone,
    Happening,
    Joined,
    Refused,
    StoppedAsAsked,
    TakenBack,
)
from farm.ledger import moved_event
from farm.scheduling.shared.actions import Dispatch, FarmAction, Finish, Recall, Stop, StopFinish
from farm.scheduling.shared.events import Drain, Progressed, Recalled, ReplicaJoined, Started, Stopped, Tick
from farm.scheduling.shared.farm_state import Moved
from farm.scheduling.shared.requests import FarmRules
from farm.scheduling.shared.scheduler import SharedScheduler
from farm.scheduling.units import Stage
from infra.journal.base import Journal
from jobs.lifecycle import JobState

_TICK_S = 1.0
# A turn of the loop takes milliseconds; one that took longer than this was held up, as by the database.
_BLOCKED_S = 5.0
_RESTING = frozenset({JobState.HELD, JobState.PAUSED})
# Where nothing runs, the pools have nothing to wait for.
_IDLE_S = 0.02


class FarmCoordinator:
    """One run of the farm. Not for several threads."""

    def __init__(
        self,
        *,
        house: House,
        journal: Journal,
        backend: PoolBackend,
        rules: FarmRules,
        pools: PoolSizes,
        watcher: Watcher,
        owner: str,
        clock: Callable[[], float] = time.monotonic,
        look_s: float = 0.2,
    ) -> None:
        """Become the journal's writer. The backend's replicas are started by the caller.

        Args:
            house: What is the same for all jobs.
            journal: Open; nothing else of this process writes it.
            backend: Where replicas run.
            rules: What the scheduler goes by.
            pools: Replicas per stage.
            watcher: Is told what happens.
            owner: Who writes, for whoever reads the journal.
            clock: Seconds that only grow.
            look_s: Between two looks at what users ask, and the longest wait for a happening.

        Raises:
            JournalError: The journal cannot be used, or is not whole.
        """
        self._journal = journal
        self._clock, self._look_s = clock, look_s
        self._ticked_at = self._looked_at = float("-inf")
        self._turned_at, self._has_put_off = time.monotonic(), False
        self._alarm = StandstillAlarm()
        scribe = Scribe(journal, owner=owner)
        self.floor = Floor(
            house=house,
            scribe=scribe,
            backend=backend,
            desk=Desk(),
            watcher=watcher,
            rules=rules,
            pools=pools,
            scheduler=SharedScheduler(
                rules,
                clock=clock,
                randomness=random.Random(scribe.epoch),
                epoch=scribe.epoch,
                record=self._record,
            ),
        )

    def restore(self) -> None:
        """Take up the jobs of earlier runs."""
        restore_all(self.floor)

    def adopt(self, run: JobRun, *, studio: str) -> None:
        """Take in a job that is planned already, without waiting for the desk.

        Raises:
            RequestRefused: The studio has too much in the queue.
        """
        adopt(self.floor, run, studio=studio)

    def has_ended(self, job: str) -> bool:
        """The job has ended, and nothing of it runs any more."""
        line = self.floor.scribe.ledger.jobs.get(job)
        return line is not None and line.state.is_terminal and job not in self.floor.runs

    @property
    def is_idle(self) -> bool:
        """Every job has ended or waits for a person, and nothing is under way."""
        floor = self.floor
        if floor.arrivals or floor.restoring or not floor.desk.is_idle or floor.scribe.has_unwritten:
            return False
        states = [floor.scheduler.jobs[name].state for name in floor.runs]
        return all(state in _RESTING for state in states) and not self._journal.asked()

    def step(self) -> None:
        """One turn of the loop.

        Raises:
            FarmError: The journal cannot be written or another run took over, or the replicas cannot be started.
        """
        floor = self.floor
        is_busy = self._look_at_requests()
        for happening in floor.backend.wait(timeout_s=0.0 if is_busy or floor.actions else self._look_s):
            is_busy = True
            self._take_in(happening)
            endings.follow_up(floor)
        is_busy |= floor.desk.deliver()
        self._tick()
        endings.follow_up(floor)
        self._do_what_is_wanted()
        if not is_busy:
            time.sleep(_IDLE_S)

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Turn the loop until it is over. Raises as `step`."""
        while not is_over():
            self.step()

    def close(self) -> None:
        """Write down what is known and wait for the desk. The backend is closed by whoever opened it."""
        for work in self.floor.finishing.values():
            work.stop.set()
        self.floor.desk.close()

    def _do_what_is_wanted(self) -> None:
        """Write first, then act; what acting leads to at once is written and done in the same way."""
        floor = self.floor
        while True:
            fronts.open_fronts(floor)
            endings.follow_up(floor)
            endings.forget_ended(floor)
            endings.follow_up(floor)
            floor.scribe.write()
            while floor.actions:
                self._carry_out(floor.actions.popleft())
                endings.follow_up(floor)
            if floor.scribe.has_unwritten:
                continue
            fronts.hand_out(floor)
            if not (floor.actions or floor.moves or floor.scribe.has_unwritten):
                break

    def _carry_out(self, action: FarmAction) -> None:
        """What raises ends the job that the action is for; where it is for none, the farm."""
        floor = self.floor
        if isinstance(action, Finish):
            with ends_alone(floor, action.job, undo=partial(floor.finishing.pop, action.job, None)):
                endings.finish(floor, action)
        elif isinstance(action, StopFinish):
            with ends_alone(floor, action.job):
                endings.stop_finish(floor, action)
        elif isinstance(action, Dispatch):
            undo = partial(floor.tasks.pop, floor.key_of(action.attempt), None)
            with ends_alone(floor, action.job, attempt=action.attempt, undo=undo):
                renders.carry_out(floor, action)
        elif isinstance(action, (Recall, Stop)) and action.attempt in floor.scheduler.state.attempts:
            with ends_alone(floor, floor.scheduler.state.attempts[action.attempt].job):
                renders.carry_out(floor, action)
        else:
            renders.carry_out(floor, action)

    def _take_in(self, happening: Happening) -> None:
        """What raises ends the job that it happened to; where it happened to none, the farm."""
        floor = self.floor
        if isinstance(happening, Joined):
            self._joined(happening)
        elif isinstance(happening, Gone):
            self._gone(happening)
        elif isinstance(happening, Draining):
            floor.tell(Drain(happening.replica))
        elif isinstance(happening, (Began, Advanced)):
            assignment = floor.tasks.get(happening.key)
            if assignment is not None:
                with ends_alone(floor, assignment.job):
                    self._goes_on(assignment, happening)
        else:
            assignment = floor.tasks.pop(happening.key, None)
            if assignment is not None:
                with ends_alone(floor, assignment.job, attempt=assignment.attempt):
                    self._answered(assignment, happening)

    def _goes_on(self, assignment: Assignment, happening: Began | Advanced) -> None:
        if isinstance(happening, Began):
            assignment.since = self._clock()
        if assignment.attempt is not None:
            told = Started if isinstance(happening, Began) else Progressed
            self.floor.tell(told(assignment.attempt))

    def _answered(
        self, assignment: Assignment, answer: Finished | Refused | TakenBack | StoppedAsAsked
    ) -> None:
        floor = self.floor
        if isinstance(answer, Finished) and answer.notice:
            floor.watcher.note("", answer.notice)
        if assignment.attempt is None:
            self._helper_answered(assignment, answer)
        elif isinstance(answer, Finished):
            renders.take_result(floor, assignment, answer)
        elif isinstance(answer, Refused):
            renders.take_refusal(floor, assignment, answer)
        elif isinstance(answer, TakenBack):
            floor.tell(Recalled(assignment.attempt))
        else:
            floor.tell(Stopped(assignment.attempt))

    def _helper_answered(
        self, assignment: Assignment, answer: Finished | Refused | TakenBack | StoppedAsAsked
    ) -> None:
        floor = self.floor
        pool = floor.helpers[assignment.unit.stage]
        if assignment.replica in pool:
            pool[assignment.replica].remove(answer.key)
        if isinstance(answer, Finished):
            fronts.take_result(floor, assignment, answer)
        elif isinstance(answer, Refused):
            fronts.take_refusal(floor, assignment, answer)
        else:
            fronts.take_loss(floor, assignment, was_running=False, reason="it was taken back")

    def _joined(self, joined: Joined) -> None:
        floor = self.floor
        floor.watcher.joined(joined)
        if joined.stage is Stage.RENDER:
            floor.tell(ReplicaJoined(joined.replica))
        else:
            floor.helpers[joined.stage][joined.replica] = []

    def _gone(self, gone: Gone) -> None:
        floor = self.floor
        if gone.stage is Stage.RENDER:
            renders.take_loss(floor, gone)
            return
        floor.helpers[gone.stage].pop(gone.replica, None)
        for key, assignment in tuple(floor.tasks_of(gone.replica)):
            del floor.tasks[key]
            was_running = assignment.since is not None and not gone.explained
            fronts.take_loss(floor, assignment, was_running=was_running, reason=gone.reason)

    def _look_at_requests(self) -> bool:
        now = self._clock()
        if now - self._looked_at < self._look_s:
            return False
        self._looked_at = now
        return answer_requests(self.floor, tuple(self._journal.asked()))

    def _tick(self) -> None:
        now = self._clock()
        turned, self._turned_at = self._turned_at, time.monotonic()
        if self._turned_at - turned > _BLOCKED_S and not self._has_put_off:
            # What replicas did meanwhile is not taken in yet: nobody's patience may be tried before it is. Once: a
            # database that is slow for hours must not keep the farm from looking at what hangs.
            self._ticked_at, self._has_put_off = now, True
        if now - self._ticked_at < _TICK_S:
            return
        self._ticked_at, self._has_put_off = now, False
        self.floor.scribe.check_writer()
        self.floor.tell(Tick())
        fronts.end_hung_helpers(self.floor, now=now)
        self._alarm.look(self.floor, now=now)

    def _record(self, moved: Moved) -> None:
        floor = self.floor
        floor.moves.append(moved)
        if moved.subject in floor.muted:
            floor.muted.discard(moved.subject)
            return
        floor.scribe.note(moved_event(moved))


@contextmanager
def coordinating(coordinator: FarmCoordinator) -> Iterator[FarmCoordinator]:
    """The coordinator for the length of a block."""
    try:
        yield coordinator
    finally:
        coordinator.close()
