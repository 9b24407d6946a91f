"""Where jobs stand in the line and why: for whoever asks, and once a second for everybody who reads the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from farm.coordination.job_run import JobRun
from farm.coordination.sketches import sketching_sentence
from farm.coordination.state import CoordinatorState
from farm.coordination.whole_jobs import whole_sentence
from farm.crashes import caught, said_by
from farm.scheduling.failure_policy import Patience
from jobs.standings import Standing, Standings

logger = logging.getLogger(__name__)

_MOST_TOLD: Final = 500
"""Jobs in a heartbeat, which is written again whenever something happened."""

_REPEATED_AFTER: Final = 10
"""Heartbeats after which standings are told again though nothing happened: some waits end by themselves."""


def standing(farm: CoordinatorState, name: str, *, ahead: Callable[[str], int] | None = None) -> Standing:
    """Why nothing, or nothing more, of the job runs.

    Args:
        farm: The farm; the job is one that it knows.
        name: The job.
        ahead: How many jobs come before one, where that is known already for many.
    """
    if name in farm.restoring:
        known = farm.restoring[name].job.state.value
        return _planning(farm.restoring[name].patience, f"It was {known}, and is being planned again.")
    work = farm.finishing.get(name)
    if work is not None and work.patience.error and not work.stop.is_set():
        return Standing(code="backoff", sentence=f"Its {work.patience.sentence('master')}.")
    if name in farm.scheduler.jobs:
        run = farm.runs.get(name)
        entry = farm.scheduler.jobs[name]
        is_worked_on = entry.is_dispatching or entry.is_held_for_choice
        if run is not None and run.patience.error and is_worked_on:
            return Standing(code="backoff", sentence=f"Its {run.patience.sentence('motion')}.")
        if run is not None and entry.is_held_for_choice:
            return _choice(farm, run)
        found = farm.scheduler.why_waiting(name, ahead=ahead)
        if name in farm.whole:
            found = replace(found, sentence=whole_sentence(farm, farm.whole[name], found))
        return Standing(code=found.code.value, sentence=found.sentence, position=found.position)
    if name in farm.planning:
        job = farm.planning[name]
        if job.is_cancelled:
            return Standing(code="over", sentence="It is cancelled.")
        return _planning(job.patience, "It is being planned.")
    line = farm.writer.ledger.jobs[name]
    because = f": {line.reason}" if line.reason else ""
    return Standing(code="over", sentence=f"It is {line.state.value}{because}.")


class HeartbeatTexts:
    """What each heartbeat of one run of the farm says."""

    def __init__(self, *, owner: str) -> None:
        self._owner = owner
        self._told_at: tuple[int, int] | None = None
        self._unchanged = 0

    def next(self, farm: CoordinatorState) -> str | None:
        """The next one; None where it would say what the one before said."""
        now = (farm.writer.ledger.sequence, farm.scheduler.replica_count)
        self._unchanged += 1
        if now == self._told_at and self._unchanged < _REPEATED_AFTER:
            return None
        self._told_at, self._unchanged = now, 0
        text = None
        # Whoever reads it does without; a farm must not end over what it says of itself.
        with caught() as mishap:
            text = self._standings(farm).model_dump_json()
        if mishap.error is not None:
            logger.warning("where jobs stand cannot be told: %s", said_by(mishap.error))
        return text

    def _standings(self, farm: CoordinatorState) -> Standings:
        live = [name for name, job in farm.scheduler.jobs.items() if not job.state.is_terminal]
        first = sorted(live, key=farm.scheduler.turn)[:_MOST_TOLD]
        ahead = farm.scheduler.ahead_of_each()
        told = dict.fromkeys([*farm.restoring, *farm.planning, *first])
        return Standings(
            owner=self._owner,
            replicas=farm.scheduler.replica_count,
            jobs={name: standing(farm, name, ahead=ahead) for name in list(told)[:_MOST_TOLD]},
        )


def _choice(farm: CoordinatorState, run: JobRun) -> Standing:
    line = farm.writer.ledger.jobs.get(run.name)
    if line is None or line.sketched is None:
        return Standing(code="sketching", sentence=sketching_sentence(run))
    until = datetime.fromtimestamp(line.sketched_at + line.sketched.expires_after, UTC)
    sentence = (
        f"It waits for somebody to choose one of its {run.plan.takes} takes: farm choose {run.name} TAKE; "
        f"it expires on {until:%Y-%m-%d at %H:%M} UTC."
    )
    return Standing(code="choice", sentence=sentence)


def _planning(patience: Patience, sentence: str) -> Standing:
    if patience.error:
        return Standing(code="backoff", sentence=f"Its {patience.sentence('planning')}.")
    return Standing(code="planning", sentence=sentence)
