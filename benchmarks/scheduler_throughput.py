"""How many dispatch decisions the scheduler takes in a second: `python -m benchmarks.scheduler_throughput`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import deque

from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import Dispatch, FarmAction, ReplicaJoined, Started, Submit, Succeeded, Tick
from farm.scheduling.scheduler import Scheduler
from farm.simulation.agenda import Agenda
from jobs.farm_spec import FarmSpec, Studio
from jobs.spec import Profile

_STUDIOS = {"north": 60.0, "south": 30.0, "west": 10.0}


def measure(
    *,
    jobs: int,
    segments: int,
    replicas: int,
    budget: float | None = None,
    studio_replicas: int | None = None,
    most: int = 20_000,
) -> float:
    """Dispatches a second of processor time, with a start, a commit and its share of ticks for each.

    Args:
        jobs: How many, of three studios.
        segments: Of each job.
        replicas: In the pool.
        budget: GPU seconds that each job may spend.
        studio_replicas: Replicas that each of the three studios may have; the others idle.
        most: Dispatches after which it is enough.
    """
    agenda, chance = Agenda(), random.Random(1)
    terms = {name: Studio(weight=weight, max_replicas=studio_replicas) for name, weight in _STUDIOS.items()}
    rules = FarmSpec(studios=terms)
    scheduler = Scheduler(rules, clock=agenda.clock, randomness=chance)
    for number in range(jobs):
        request = JobRequest(
            job=f"job-{number}",
            studio=list(_STUDIOS)[number % len(_STUDIOS)],
            subject=f"actor-{number % 10}",
            segment_count=segments,
            profile=Profile.PREVIEW,
            max_gpu_seconds=budget,
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
    parser.add_argument("--budget", type=float, help="GPU seconds that each job may spend")
    parser.add_argument("--studio-replicas", type=int, help="replicas that each of three studios may have")
    given = parser.parse_args()
    rate = measure(
        jobs=given.jobs,
        segments=given.segments,
        replicas=given.replicas,
        budget=given.budget,
        studio_replicas=given.studio_replicas,
    )
    sys.stdout.write(f"{rate:.0f} dispatches a second\n")


if __name__ == "__main__":
    main()
