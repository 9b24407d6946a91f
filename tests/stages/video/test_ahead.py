"""Reading ahead changes when items are made, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from stages.video.ahead import read_ahead


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_items_come_in_order_and_the_thread_ends():
    assert list(read_ahead(iter(range(100)))) == list(range(100))
    assert readers() == []


def test_an_error_is_raised_at_its_place():
    def broken() -> Iterator[int]:
        yield from range(7)
        raise ValueError("frame 7 is damaged")

    seen: list[int] = []
    with pytest.raises(ValueError, match="frame 7 is damaged"):
        seen.extend(read_ahead(broken()))
    assert seen == list(range(7))
    assert readers() == []


def test_whoever_stops_early_leaves_no_thread_and_nothing_open():
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.set()

    items = read_ahead(endless())
    assert next(items) == 0
    items.close()
    assert closed.is_set()
    assert readers() == []


def test_items_are_made_before_they_are_asked_for_but_only_a_few():
    made: list[int] = []
    third_is_made = threading.Event()

    def counted() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            if number == 3:
                third_is_made.set()
            yield number

    items = read_ahead(counted())
    next(items)
    assert third_is_made.wait(timeout=30)
    assert len(made) <= 8
    assert list(items) == list(range(1, 50))
