"""Work beside the loop: everything that was asked for comes back, once."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from farm.coordination.background import BackgroundWork, WorkKind
from jobs.errors import FarmError, StoreError


class EndsWhenLookedAt(Future[int]):
    """Work that ends right after somebody asked whether it had."""

    def done(self) -> bool:
        was_done = super().done()
        if not was_done:
            self.set_result(7)
        return was_done


def deliver_all(background: BackgroundWork) -> None:
    while not background.is_idle:
        background.deliver()


def test_work_that_ends_while_it_is_looked_at_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    background, results = BackgroundWork(), list[Any]()
    monkeypatch.setattr(background._threads[WorkKind.PLAN], "submit", lambda _work: EndsWhenLookedAt())
    background.ask(lambda: 7, results.append, kind=WorkKind.PLAN)
    background.deliver()
    assert not background.is_idle
    background.deliver()
    assert results == [7]
    background.close()


def test_everything_comes_back_once_results_as_well_as_errors() -> None:
    def work(number: int) -> int:
        if number % 5 == 0:
            raise StoreError("the store failed", where=str(number))
        return number

    background, results = BackgroundWork(), list[Any]()
    for number in range(200):
        background.ask(partial(work, number), results.append, kind=WorkKind.PLAN)
    deliver_all(background)
    assert sorted(result for result in results if isinstance(result, int)) == [n for n in range(200) if n % 5]
    assert sum(isinstance(result, FarmError) for result in results) == 40
    background.close()


def test_what_nobody_foresaw_is_an_error_that_brings_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    background, results = BackgroundWork(), list[Any]()
    background.ask(lambda: 1 // 0, results.append, kind=WorkKind.PLAN)
    deliver_all(background)
    [error] = results
    assert isinstance(error, FarmError)
    assert "ZeroDivisionError" in error.message
    # The traceback travels with the error, to a file; a terminal gets one line.
    assert "Traceback" in error.traceback
    assert "Traceback" not in caplog.text
    background.close()


def test_what_is_tried_again_holds_up_nothing_else() -> None:
    background, results, away = BackgroundWork(), list[Any](), threading.Event()
    for number in range(20):
        background.ask(
            partial(away.wait, 30.0), results.append, kind=WorkKind.PLAN, after_s=0.001 * (number + 1)
        )
    background.ask(lambda: "soon", results.append, kind=WorkKind.SPEECH)
    while "soon" not in results:
        background.deliver()
    assert results == ["soon"]
    away.set()
    deliver_all(background)
    assert len(results) == 21
    background.close()
