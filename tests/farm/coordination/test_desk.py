"""Work beside the loop: everything that was asked for comes back, once."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from farm.coordination.desk import Desk, Lane
from jobs.errors import FarmError, StoreError


class EndsWhenLookedAt(Future[int]):
    """Work that ends right after somebody asked whether it had."""

    def done(self) -> bool:
        was_done = super().done()
        if not was_done:
            self.set_result(7)
        return was_done


def deliver_all(desk: Desk) -> None:
    while not desk.is_idle:
        desk.deliver()


def test_work_that_ends_while_it_is_looked_at_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, results = Desk(), list[Any]()
    monkeypatch.setattr(desk._lanes[Lane.PLAN], "submit", lambda _work: EndsWhenLookedAt())
    desk.ask(lambda: 7, results.append, lane=Lane.PLAN)
    desk.deliver()
    assert not desk.is_idle
    desk.deliver()
    assert results == [7]
    desk.close()


def test_everything_comes_back_once_results_as_well_as_errors() -> None:
    def work(number: int) -> int:
        if number % 5 == 0:
            raise StoreError("the store failed", where=str(number))
        return number

    desk, results = Desk(), list[Any]()
    for number in range(200):
        desk.ask(partial(work, number), results.append, lane=Lane.PLAN)
    deliver_all(desk)
    assert sorted(result for result in results if isinstance(result, int)) == [n for n in range(200) if n % 5]
    assert sum(isinstance(result, FarmError) for result in results) == 40
    desk.close()


def test_what_nobody_foresaw_is_an_error_that_brings_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    desk, results = Desk(), list[Any]()
    desk.ask(lambda: 1 // 0, results.append, lane=Lane.PLAN)
    deliver_all(desk)
    [error] = results
    assert isinstance(error, FarmError)
    assert "ZeroDivisionError" in error.message
    # The traceback travels with the error, to a file; a terminal gets one line.
    assert "Traceback" in error.traceback
    assert "Traceback" not in caplog.text
    desk.close()


def test_what_is_tried_again_holds_up_nothing_else() -> None:
    desk, results, away = Desk(), list[Any](), threading.Event()
    for number in range(20):
        desk.ask(partial(away.wait, 30.0), results.append, lane=Lane.PLAN, after_s=0.001 * (number + 1))
    desk.ask(lambda: "soon", results.append, lane=Lane.SPEECH)
    while "soon" not in results:
        desk.deliver()
    assert results == ["soon"]
    away.set()
    deliver_all(desk)
    assert len(results) == 21
    desk.close()
