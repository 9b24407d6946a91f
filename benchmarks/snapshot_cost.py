"""What a snapshot of many long jobs costs: `python -m benchmarks.snapshot_cost [--jobs N] [--segments N]`."""

from __future__ import annotations

import argparse
import random
import sys
import time

from farm.ledger.ledger import Ledger
from jobs.journal_events import JobPlanned, JobReceived, JobRestored

# As long as that of a render job with every default filled in.
_DOCUMENT = {"spec": {f"field-{number}": "x" * 20 for number in range(25)}}


def busy_ledger(*, jobs: int, segments: int) -> Ledger:
    """Jobs that are halfway; whatever order segments are committed in, none is packed less well than at random."""
    ledger, chance = Ledger(), random.Random(1)
    for number in range(jobs):
        name = f"job-{number}"
        done = tuple(chance.sample(range(segments), segments // 2))
        ledger.take(JobReceived(job=name, studio="north", document=_DOCUMENT, folder="/jobs"))
        ledger.take(JobPlanned(job=name, plan_hash="ab" * 32, takes=1, segments_per_take=segments))
        ledger.take(JobRestored(job=name, state="queued", committed=done))
    return ledger


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--segments", type=int, default=10_000)
    given = parser.parse_args()
    ledger = busy_ledger(jobs=given.jobs, segments=given.segments)
    began = time.perf_counter()
    body = ledger.to_json()
    written = time.perf_counter()
    is_same = Ledger.from_json(body) == ledger
    read = time.perf_counter()
    sys.stdout.write(
        f"{len(body) / 1e6:.2f} MB, written in {written - began:.2f} s, read in {read - written:.2f} s"
        f"{'' if is_same else ', and not the same'}\n"
    )


if __name__ == "__main__":
    main()
