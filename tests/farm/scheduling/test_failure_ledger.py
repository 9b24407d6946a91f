"""Who pays when a window or a face comes to nothing, and when a job ends with it."""

from __future__ import annotations

import pytest

from farm.scheduling.unit_failures import FailureBudget, FailureLedger, Owner, UnitFailed, UnitLost
from farm.scheduling.units import Stage, Unit

WINDOW = Unit(1, 3, Stage.MOTION)


def ledger(**budget: int) -> FailureLedger:
    return FailureLedger(FailureBudget(**budget))


def test_a_second_failure_proves_the_first() -> None:
    account = ledger()
    assert account.charge(UnitFailed(WINDOW, is_final=False)) is None
    verdict = account.charge(UnitFailed(WINDOW, is_final=False))
    assert verdict is not None
    assert (verdict.unit, verdict.owner) == (WINDOW, Owner.UNIT)


def test_what_no_second_try_can_help_is_given_up_at_once() -> None:
    assert ledger().charge(UnitFailed(WINDOW, is_final=True)) is not None


def test_a_unit_that_only_waited_on_a_lost_replica_is_innocent() -> None:
    account = ledger(deaths_per_unit=1, deaths_per_job=1)
    assert account.charge(UnitLost(WINDOW, was_running=False)) is None


def test_a_unit_over_which_replicas_keep_dying_is_given_up() -> None:
    account = ledger(deaths_per_unit=3)
    verdicts = [account.charge(UnitLost(WINDOW, was_running=True)) for _ in range(3)]
    assert verdicts[:2] == [None, None]
    assert verdicts[2] is not None
    assert verdicts[2].owner is Owner.UNIT


def test_a_machine_whose_replicas_keep_dying_pays_itself() -> None:
    account = ledger(deaths_per_unit=2, deaths_per_job=4)
    units = [Unit(1, index, Stage.FACE) for index in range(4)]
    verdicts = [account.charge(UnitLost(unit, was_running=True)) for unit in units]
    assert verdicts[:3] == [None, None, None]
    assert verdicts[3] is not None
    assert verdicts[3].owner is Owner.INFRASTRUCTURE


@pytest.mark.parametrize("budget", [{"failures_per_unit": 0}, {"deaths_per_unit": 5, "deaths_per_job": 4}])
def test_a_budget_that_forgives_nothing_is_refused(budget: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="budget"):
        FailureBudget(**budget)
