"""Who pays when a window or a face fails, and when to stop trying. Pure: counts in, a verdict out.

A lost replica is charged to the infrastructure, not to the units it held; only the unit that was running when the
replica died is remembered, because a unit that kills every replica it meets must not take the whole pool with it.
A failure that the stage itself reports is charged to the unit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from farm.scheduling.units import Unit


@dataclass(frozen=True, slots=True)
class UnitLost:
    """The replica that held the unit is gone.

    Attributes:
        was_running: False where the unit was only queued on that replica: such a unit is innocent of the death.
    """

    unit: Unit
    was_running: bool


@dataclass(frozen=True, slots=True)
class UnitFailed:
    """The stage refused or failed the unit.

    Attributes:
        is_final: True where trying again cannot help, for example a coded error about the input.
    """

    unit: Unit
    is_final: bool


class Owner(StrEnum):
    """Who a failure belongs to."""

    UNIT = "unit"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The render cannot be finished; no other action follows."""

    unit: Unit
    owner: Owner
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureBudget:
    """How much is forgiven.

    Attributes:
        failures_per_unit: Failures a stage may report for one unit before the job fails. Two: the stages are
            deterministic, so a second equal failure proves the first.
        deaths_per_unit: Replicas that may die while running one unit. Above the number of deaths that plain bad
            luck brings one unit in a chaos run (4 were seen), or an innocent segment would be condemned.
        deaths_per_job: Deaths of replicas in one job, whoever was running; ends a crash loop of the machine.
    """

    failures_per_unit: int = 2
    deaths_per_unit: int = 6
    deaths_per_job: int = 40

    def __post_init__(self) -> None:
        if self.failures_per_unit < 1 or not 0 < self.deaths_per_unit <= self.deaths_per_job:
            raise ValueError("every budget is at least 1, and one unit may not outspend the job")


@dataclass(slots=True)
class FailureLedger:
    """The running account of one render against its budget."""

    budget: FailureBudget
    failures: Counter[Unit] = field(default_factory=Counter)
    deaths: Counter[Unit] = field(default_factory=Counter)

    def charge(self, event: UnitLost | UnitFailed) -> GiveUp | None:
        """Enter the event.

        Returns:
            The end of the render and who caused it, or None where the unit shall be dispatched again.
        """
        unit = event.unit
        if isinstance(event, UnitFailed):
            self.failures[unit] += 1
            if event.is_final:
                return GiveUp(unit, Owner.UNIT, "trying again cannot help")
            if self.failures[unit] >= self.budget.failures_per_unit:
                return GiveUp(unit, Owner.UNIT, f"failed {self.failures[unit]} times")
            return None
        if event.was_running:
            self.deaths[unit] += 1
        if self.deaths[unit] >= self.budget.deaths_per_unit:
            return GiveUp(unit, Owner.UNIT, f"{self.deaths[unit]} replicas died while they worked on it")
        if self.deaths.total() >= self.budget.deaths_per_job:
            return GiveUp(unit, Owner.INFRASTRUCTURE, f"{self.deaths.total()} replicas died during this job")
        return None
