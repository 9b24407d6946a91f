"""How many dispatch decisions the scheduler takes in a second: `python -m farm.simulation.throughput`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import deque

from farm.scheduling.shared.actions import Dispatch, FarmAction
from farm.scheduling.shared.events import ReplicaJoined, Started, Submit, Succeeded, Tick
from farm.scheduling.shared.requests import FarmRules, JobRequest, StudioTerms
from farm.scheduling.shared.scheduler import SharedScheduler
from farm.simulation.agenda import Agenda
from jobs.spec import Profile

_STUDIOS = {"north": 60.0, "south": 30.0, "west": 10.0}


def measure(*, jobs: int, segments: int, replicas: int, most: int = 20_000) -> float:
    """Dispatches a second of processor time, with a start, a commit and its share of ticks for each."""
    agenda, chance = Agenda(), random.Random(1)
    rules = FarmRules(studios={name: StudioTerms(weight=weight) for name, weight in _STUDIOS.items()})
    scheduler = SharedScheduler(rules, clock=agenda.clock, randomness=chance)
    for number in range(jobs):
        request = JobRequest(
            job=f"job-{number}",
            studio=list(_STUDIOS)[number % len(_STUDIOS)],
            subject=f"actor-{number % 10}",
            segment_count=segments,
            profile=Profile.PREVIEW,
        )
        scheduler.on(Submit(request))
    started = time.process_time()
    flying: deque[Dispatch] = deque()
    dispatched = 0

    def take(actions: list[FarmAction]) -> int:
        new = [action for action in actions if isinstance(action, Dispatch)]
        flying.extend(new)
        return len(new)

    for number in range(replicas):
        dispatched += take(scheduler.on(ReplicaJoined(f"replica-{number}")))
    while flying and dispatched < most:
        attempt = flying.popleft().attempt
        agenda.now += 0.1
        scheduler.on(Started(attempt))
        dispatched += take(scheduler.on(Succeeded(attempt, chance.uniform(8, 12))))
        if dispatched % 10 == 0:
            dispatched += take(scheduler.on(Tick()))
    return dispatched / (time.process_time() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--segments", type=int, default=200)
    parser.add_argument("--replicas", type=int, default=64)
    given = parser.parse_args()
    rate = measure(jobs=given.jobs, segments=given.segments, replicas=given.replicas)
    sys.stdout.write(f"{rate:.0f} dispatches a second\n")


if __name__ == "__main__":
    main()
