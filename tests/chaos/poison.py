"""One segment that takes every replica down that draws it, among twenty small jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fake_stages import Fault
from stormy_cluster import StormyCluster
from stormy_farm import StormyFarm

from farm.ledger import LedgerJob
from jobs.journal_events import StateMoved, event_from_json
from jobs.lifecycle import JobState, SegmentState
from jobs.priority import OnQuarantine

JOBS = 20
REPLICAS = 3
POISONED = "poisoned"
# Only the recording of the poisoned job is long enough to have a segment that begins here.
POISONED_SEGMENT = 2
POISON = Fault(stage="render", frame=100, kind="segv", times=99)

_GOOD = SegmentState.COMMITTED


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonReport:
    """What became of the twenty.

    Attributes:
        jobs: Every job by its title.
        deaths: Why renderers ended by themselves, one reason each.
        innocents_hurt: Segments other than the poison that are not committed, or were ever under suspicion.
        bundles: Replay bundles that were written.
    """

    farm: StormyFarm
    jobs: dict[str, LedgerJob]
    deaths: tuple[str, ...]
    innocents_hurt: tuple[str, ...]
    bundles: tuple[Path, ...]
    seconds: float

    @property
    def poisoned(self) -> LedgerJob:
        """The job with the poison."""
        return self.jobs[POISONED]


def run_poison(cluster: StormyCluster, folder: Path, *, on_quarantine: OnQuarantine) -> PoisonReport:
    """Twenty jobs of three studios on three replicas; the poisoned one is neither the first nor the last."""
    farm = StormyFarm(folder, replicas=REPLICAS, faults=(POISON,), seconds_per_segment=0.1)
    farm.speak("small.wav", seconds=3.0)
    farm.speak("poison.wav", seconds=5.0, pitch=333.0)
    titles = [f"job-{number}" for number in range(JOBS)]
    titles[6] = POISONED
    names = {}
    for number, title in enumerate(titles):
        is_bad = title == POISONED
        names[title] = farm.submit(
            title,
            studio=("north", "south", "east")[number % 3],
            speech="poison.wav" if is_bad else "small.wav",
            seed=number,
            scheduling={"on_quarantine": on_quarantine.value} if is_bad else {},
        )
    pools = farm.ray_pools()
    seconds = farm.run_on(pools)
    jobs = {title: farm.job(name) for title, name in names.items()}
    return PoisonReport(
        farm=farm,
        jobs=jobs,
        # A task on its way to a replica whose end was told has a report of its own; the death is one.
        deaths=tuple(
            {gone.replica: gone.reason for gone in pools.gone if gone.stage.value == "render"}.values()
        ),
        innocents_hurt=tuple(_hurt(farm, jobs)),
        bundles=tuple(Path(path) for job in jobs.values() for path in job.bundles.values()),
        seconds=seconds,
    )


def _hurt(farm: StormyFarm, jobs: dict[str, LedgerJob]) -> Iterator[str]:
    """A job that fails leaves its other segments as they are; they are no victims."""
    for title, job in jobs.items():
        if title == POISONED and job.state is JobState.FAILED:
            continue
        for number in range(job.takes * job.segments_per_take):
            if (title, number) != (POISONED, POISONED_SEGMENT) and job.segments[number] is not _GOOD:
                yield f"{title}/{number} is {job.segments[number].value}"
    for entry in farm.journal.read():
        event = event_from_json(entry.body)
        if (
            isinstance(event, StateMoved)
            and event.after == SegmentState.SUSPECT.value
            and event.subject != f"{jobs[POISONED].name}/{POISONED_SEGMENT}"
        ):
            yield f"{event.subject} was suspected: {event.reason}"
