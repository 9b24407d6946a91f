"""The loop of the farm: what happened goes to the scheduler, what it decides is written down and then done.

    users ──► journal ──► requests ─┐                        ┌─► journal, first
    replicas ──► events ────────┼──► Scheduler ────┤
    background (planning, joining) ───────┘                        └─► pools, background

One process at a time: a second one begins a later epoch, and the first can write nothing more and ends.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from farm.config import PoolSizes
from farm.coordination import endings, segments, upstream
from farm.coordination.alarm import StandstillAlarm
from farm.coordination.background import BackgroundWork
from farm.coordination.choosing import expire_choices
from farm.coordination.job_run import JobRun
from farm.coordination.journal_writer import JournalWriter, moved_event
from farm.coordination.new_jobs import adopt, note_account
from farm.coordination.recovery import restore_all
from farm.coordination.requests import answer_requests
from farm.coordination.sketches import is_sketching
from farm.coordination.standing import HeartbeatTexts
from farm.coordination.state import Assignment, CoordinatorState, FarmServices, Helper, Watcher
from farm.coordination.unforeseen import ends_alone
from farm.coordination.whole_jobs import gets_on
from farm.execution.pools.backend import PoolBackend
from farm.execution.pools.messages import (
    Began,
    Draining,
    Finished,
    Gone,
    Joined,
    PoolEvent,
    Refused,
    StoppedAsAsked,
    TakenBack,
    TaskAdvanced,
)
from farm.scheduling.messages import (
    Dispatch,
    Drain,
    FarmAction,
    Finish,
    Progressed,
    Recall,
    Recalled,
    ReplicaJoined,
    Started,
    Stop,
    StopFinish,
    Stopped,
    Tick,
)
from farm.scheduling.scheduler import Scheduler
from farm.scheduling.state import Moved
from infra.journal.base import Journal
from jobs.farm_spec import FarmSpec
from jobs.journal_events import TakesSketched
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
        services: FarmServices,
        journal: Journal,
        backend: PoolBackend,
        rules: FarmSpec,
        pools: PoolSizes,
        watcher: Watcher,
        owner: str,
        clock: Callable[[], float] = time.monotonic,
        look_s: float = 0.2,
    ) -> None:
        """Become the journal's writer. The backend's replicas are started by the caller.

        Args:
            services: What is the same for all jobs.
            journal: Open; nothing else of this process writes it.
            backend: Where replicas run.
            rules: What the scheduler goes by.
            pools: Replicas per stage.
            watcher: Is told what happens.
            owner: Who writes, for whoever reads the journal.
            clock: Seconds that only grow.
            look_s: Between two looks at what users ask, and the longest wait for a event.

        Raises:
            JournalError: The journal cannot be used, or is not whole.
        """
        self._journal = journal
        self._clock, self._look_s = clock, look_s
        self._ticked_at = self._looked_at = float("-inf")
        self._turned_at, self._has_put_off = time.monotonic(), False
        self._alarm = StandstillAlarm()
        self._heartbeat = HeartbeatTexts(owner=owner)
        writer = JournalWriter(journal, owner=owner)
        self.state = CoordinatorState(
            services=services,
            writer=writer,
            backend=backend,
            background=BackgroundWork(),
            watcher=watcher,
            rules=rules,
            pools=pools,
            scheduler=Scheduler(
                rules,
                clock=clock,
                randomness=random.Random(writer.epoch),
                epoch=writer.epoch,
                record=self._record,
            ),
        )

    def restore(self) -> None:
        """Take up the jobs of earlier runs."""
        restore_all(self.state)

    def adopt(self, run: JobRun, *, studio: str) -> None:
        """Take in a job that is planned already, without waiting for the background.

        Raises:
            RequestRefused: The studio has too much in the queue.
        """
        adopt(self.state, run, studio=studio)

    def has_ended(self, job: str) -> bool:
        """The job has ended, and nothing of it runs any more."""
        line = self.state.writer.ledger.jobs.get(job)
        return line is not None and line.state.is_terminal and job not in self.state.runs

    def sketched(self, job: str) -> TakesSketched | None:
        """What shows the takes that one of is to be chosen; None where that is not to be done, or not yet."""
        line = self.state.writer.ledger.jobs.get(job)
        return None if line is None else line.sketched

    @property
    def is_idle(self) -> bool:
        """Every job has ended or waits for a person, and nothing is under way."""
        farm = self.state
        if farm.planning or farm.restoring or not farm.background.is_idle or farm.writer.has_unwritten:
            return False
        states = [farm.scheduler.jobs[name].state for name in (*farm.runs, *farm.whole)]
        if any(is_sketching(farm.scheduler.jobs[name], run) for name, run in farm.runs.items()):
            return False
        return all(state in _RESTING for state in states) and not self._journal.asked()

    def step(self) -> None:
        """One turn of the loop.

        Raises:
            FarmError: The journal cannot be written or another run took over, or the replicas cannot be started.
        """
        farm = self.state
        is_busy = self._look_at_requests()
        for event in farm.backend.wait(timeout_s=0.0 if is_busy or farm.actions else self._look_s):
            is_busy = True
            self._take_in(event)
            endings.follow_up(farm)
        is_busy |= farm.background.deliver()
        self._tick()
        endings.follow_up(farm)
        self._do_what_is_wanted()
        if not is_busy:
            time.sleep(_IDLE_S)

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Turn the loop until it is over. Raises as `step`."""
        while not is_over():
            self.step()

    def close(self) -> None:
        """Write down what is known and wait for the background. The backend is closed by whoever opened it."""
        for work in self.state.finishing.values():
            work.stop.set()
        self.state.background.close()

    def _do_what_is_wanted(self) -> None:
        """Write first, then act; what acting leads to at once is written and done in the same way."""
        farm = self.state
        while True:
            upstream.open_upstream(farm)
            endings.follow_up(farm)
            endings.forget_ended(farm)
            endings.follow_up(farm)
            farm.writer.write()
            while farm.actions:
                self._carry_out(farm.actions.popleft())
                endings.follow_up(farm)
            if farm.writer.has_unwritten:
                continue
            upstream.hand_out(farm)
            if not (farm.actions or farm.moves or farm.writer.has_unwritten):
                break

    def _carry_out(self, action: FarmAction) -> None:
        """What raises ends the job that the action is for; where it is for none, the farm."""
        farm = self.state
        if isinstance(action, Finish):
            with ends_alone(farm, action.job, undo=partial(farm.finishing.pop, action.job, None)):
                endings.finish(farm, action)
        elif isinstance(action, StopFinish):
            with ends_alone(farm, action.job):
                endings.stop_finish(farm, action)
        elif isinstance(action, Dispatch):
            undo = partial(farm.tasks.pop, farm.key_of(action.attempt), None)
            with ends_alone(farm, action.job, attempt=action.attempt, undo=undo):
                segments.carry_out(farm, action)
        elif isinstance(action, (Recall, Stop)) and action.attempt in farm.scheduler.attempts:
            with ends_alone(farm, farm.scheduler.attempts[action.attempt].job):
                segments.carry_out(farm, action)
        else:
            segments.carry_out(farm, action)

    def _take_in(self, event: PoolEvent) -> None:
        """What raises ends the job that it happened to; where it happened to none, the farm."""
        farm = self.state
        if isinstance(event, Joined):
            self._joined(event)
        elif isinstance(event, Gone):
            self._gone(event)
        elif isinstance(event, Draining):
            farm.tell(Drain(event.replica))
        elif isinstance(event, (Began, TaskAdvanced)):
            assignment = farm.tasks.get(event.key)
            if assignment is not None:
                with ends_alone(farm, assignment.job):
                    self._goes_on(assignment, event)
        else:
            assignment = farm.tasks.pop(event.key, None)
            if assignment is not None:
                with ends_alone(farm, assignment.job, attempt=assignment.attempt):
                    self._answered(assignment, event)

    def _goes_on(self, assignment: Assignment, event: Began | TaskAdvanced) -> None:
        assignment.goes_on_at = self._clock()
        if isinstance(event, Began):
            assignment.since = assignment.goes_on_at
        if assignment.attempt is None:
            return
        whole = self.state.whole.get(assignment.job)
        if isinstance(event, Began):
            self.state.tell(Started(assignment.attempt))
        elif whole is None or gets_on(self.state, whole, event.step):
            self.state.tell(Progressed(assignment.attempt))

    def _answered(
        self, assignment: Assignment, answer: Finished | Refused | TakenBack | StoppedAsAsked
    ) -> None:
        farm = self.state
        if isinstance(answer, Finished) and answer.notice:
            farm.watcher.note("", answer.notice)
        if assignment.attempt is None:
            self._helper_answered(assignment, answer)
        elif isinstance(answer, Finished):
            segments.take_result(farm, assignment, answer)
        elif isinstance(answer, Refused):
            segments.take_refusal(farm, assignment, answer)
        elif isinstance(answer, TakenBack):
            farm.tell(Recalled(assignment.attempt))
        else:
            farm.tell(Stopped(assignment.attempt))
            if assignment.job in farm.whole and assignment.job in farm.scheduler.jobs:
                note_account(farm, assignment.job)

    def _helper_answered(
        self, assignment: Assignment, answer: Finished | Refused | TakenBack | StoppedAsAsked
    ) -> None:
        farm = self.state
        pool = farm.helpers[assignment.unit.stage]
        if assignment.replica in pool:
            pool[assignment.replica].keys.remove(answer.key)
            pool[assignment.replica].is_alone = False
        if isinstance(answer, Finished):
            upstream.take_result(farm, assignment, answer)
        elif isinstance(answer, Refused):
            upstream.take_failure(farm, assignment, answer.error)
        else:
            upstream.take_back(farm, assignment)

    def _joined(self, joined: Joined) -> None:
        farm = self.state
        farm.watcher.joined(joined)
        if joined.stage not in farm.helpers:
            farm.tell(ReplicaJoined(joined.replica, joined.stage))
        else:
            farm.helpers[joined.stage][joined.replica] = Helper()
            farm.fresh_helper_due.pop(joined.stage, None)

    def _gone(self, gone: Gone) -> None:
        farm = self.state
        if gone.stage not in farm.helpers:
            segments.take_loss(farm, gone)
        else:
            upstream.take_loss(farm, gone.replica, gone.stage, explained=gone.explained, reason=gone.reason)

    def _look_at_requests(self) -> bool:
        now = self._clock()
        if now - self._looked_at < self._look_s:
            return False
        self._looked_at = now
        return answer_requests(self.state, tuple(self._journal.asked()))

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
        self.state.writer.beat(self._heartbeat.next(self.state))
        self.state.tell(Tick())
        upstream.end_hung_helpers(self.state, now=now)
        expire_choices(self.state)
        self._alarm.look(self.state, now=now)

    def _record(self, moved: Moved) -> None:
        farm = self.state
        farm.moves.append(moved)
        farm.writer.note(moved_event(moved))


@contextmanager
def coordinating(coordinator: FarmCoordinator) -> Iterator[FarmCoordinator]:
    """The coordinator for the length of a block."""
    try:
        yield coordinator
    finally:
        coordinator.close()
