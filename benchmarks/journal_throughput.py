"""How much a journal takes in and gives back in a second: `python -m benchmarks.journal_throughput [ADDRESS]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from infra.journal.base import Journal
from infra.journal.opening import open_journal

# As long as the transition of an attempt.
_BODY = (
    '{"kind":"moved","subject":"hello-7/123#1","before":"running","event":"succeeded","after":"succeeded",'
    '"reason_kind":"work","reason":"the segment is committed"}'
)


def measure(journal: Journal, *, seconds: float) -> Iterator[tuple[str, float]]:
    """Name and rate, in things a second, of what a coordinator does most."""
    epoch = journal.begin_epoch("throughput")
    for batch in (1, 10, 100):
        rate = _rate(partial(journal.append, epoch, [_BODY] * batch), seconds=seconds)
        yield f"durable appends of {batch} events", rate
    began = time.perf_counter()
    count = sum(1 for _ in journal.read())
    yield f"events read, of {count}", count / (time.perf_counter() - began)
    began = time.perf_counter()
    journal.check()
    yield "events checked", count / (time.perf_counter() - began)


def _rate(action: Callable[[], object], *, seconds: float) -> float:
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        action()
        done += 1
    return done / (time.perf_counter() - began)


@contextmanager
def _address(given: str | None) -> Iterator[str]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "throughput.sqlite")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", nargs="?", help="An empty journal; a new file where none is given.")
    parser.add_argument("--seconds", type=float, default=3.0, help="How long each rate is measured.")
    given = parser.parse_args()
    with _address(given.address) as address:
        journal = open_journal(address)
        for name, rate in measure(journal, seconds=given.seconds):
            sys.stdout.write(f"{name}: {rate:.0f} a second\n")
        journal.close()


if __name__ == "__main__":
    main()
