"""One farm with several jobs on the stormy cluster, run once, calm or with a killer, and what came of it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fake_stages import FakeStages, Fault
from killer import Deed, Killer
from noted_pools import NotedPools
from promises import broken_promises
from small_farm import SmallFarm
from stormy_cluster import CPUS_PER_NODE, NODES, StormyCluster

from farm.coordination.state import FarmServices
from infra.storage import open_store
from jobs.farm_spec import FarmSpec
from jobs.lifecycle import JobState

SECONDS_PER_SEGMENT = 0.3
LONGEST_RUN_S = 150.0
# 29 segments of 50 frames, in five jobs of three studios.
JOBS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("anchor", "north", {"speech": "long.wav"}),
    ("brief", "south", {"speech": "short.wav", "seed": 7, "scheduling": {"tier": "interactive"}}),
    ("chorus", "north", {"takes": 2}),
    ("dub", "east", {"speech": "short.wav", "scheduling": {"tier": "bulk"}}),
    ("echo", "south", {"seed": 3, "scheduling": {"preview_first": 2}}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StormReport:
    """What a run came to.

    Attributes:
        masters: sha256 of every master, by job and take.
        deeds: What the killer did.
        lost: Renderers that ended by themselves.
        segments, renders, copies: Segments of all jobs, renders that were begun, and those of them that only doubled
            a slow lease.
        seconds: From the first turn of the coordinator to the last.
        broken: Promises that were not kept, in sentences.
    """

    replicas: int
    seed: int
    masters: Mapping[str, str]
    deeds: Counter[Deed] = field(default_factory=Counter)
    lost: int
    segments: int
    renders: int
    copies: int
    seconds: float
    broken: tuple[str, ...] = ()

    @property
    def kills(self) -> int:
        """Deeds of the killer, of whatever kind."""
        return self.deeds.total()

    @property
    def digest(self) -> str:
        """The start of one sha256 over those of all masters."""
        told = "".join(f"{name} {sha256}\n" for name, sha256 in sorted(self.masters.items()))
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def nodes_killed(self) -> int:
        """Nodes that were killed, whether or not notice was given."""
        return self.deeds[Deed.NODE] + self.deeds[Deed.DRAIN]


class StormyFarm(SmallFarm):
    """A small farm whose replicas are Ray actors, and whose store may be anywhere."""

    def __init__(
        self,
        folder: Path,
        *,
        replicas: int,
        store: str | None = None,
        faults: tuple[Fault, ...] = (),
        seconds_per_segment: float = SECONDS_PER_SEGMENT,
        rules: FarmSpec | None = None,
    ) -> None:
        super().__init__(folder, faults=faults, replicas=replicas)
        self.store = store or str(folder / "store")
        self.stages = FakeStages.in_folder(
            folder / "stages", faults=faults, seconds_per_segment=seconds_per_segment
        )
        self.rules = rules or FarmSpec()

    @property
    def services(self) -> FarmServices:
        return FarmServices(
            store=open_store(self.store),
            cache=self.folder / "cache",
            stages=self.stages,
            device_kind="cpu test",
            bundles=self.folder / "bundles",
        )

    def ray_pools(self, *, gpus: int = 0) -> NotedPools:
        """Pools that fit on the cluster while one of its nodes is gone."""
        from farm.execution.pools.ray_pools import RayPools

        cores = CPUS_PER_NODE * (NODES - 1)
        return NotedPools(RayPools(stages=self.stages, cores=cores, gpus=gpus))

    def run_on(self, pools: NotedPools, *, within_s: float = LONGEST_RUN_S) -> float:
        """Run until nothing is left to do; returns the seconds that it took.

        Raises:
            TimeoutError: It does not come to an end.
        """
        with self.running(pools) as coordinator:
            started = time.monotonic()
            while not coordinator.is_idle:
                coordinator.step()
                if time.monotonic() - started > within_s:
                    raise TimeoutError(f"the farm is not done after {within_s:g} s")
            return time.monotonic() - started


def run_storm(
    cluster: StormyCluster,
    folder: Path,
    *,
    replicas: int,
    seed: int,
    kills: int = 6,
    gpus: int = 0,
    store: str | None = None,
    before_audit: Callable[[], None] = lambda: None,
) -> StormReport:
    """One farm, from its jobs to its masters.

    Args:
        cluster: Where its replicas run.
        folder: An empty folder.
        replicas: Renderers.
        seed: Of the killer.
        kills: How often it strikes; 0 is a calm run.
        gpus: Logical GPUs that the replicas share; 0 books none.
        store: Where segments are committed; a folder when not given.
        before_audit: Called when the farm is done, before anything is looked at.
    """
    farm = StormyFarm(folder, replicas=replicas, store=store)
    farm.speak("long.wav", seconds=15.0, pitch=180.0)
    farm.speak("short.wav", seconds=5.0, pitch=300.0)
    jobs = [farm.submit(name, studio=studio, **spec) for name, studio, spec in JOBS]
    segments = 8 + 3 + 2 * 5 + 3 + 5
    pools = farm.ray_pools(gpus=gpus)
    killer = Killer(cluster, seed=seed, segments=segments, kills=kills) if kills else None
    if killer is not None:
        killer.pools, pools.on_segment = pools, killer.watch
    try:
        seconds = farm.run_on(pools)
    finally:
        if killer is not None:
            killer.close()
    before_audit()
    masters = {
        f"{name}/{take}": farm.sha256(name, take)
        for name, _, spec in JOBS
        for take in range(1, int(str(spec.get("takes", 1))) + 1)
        if farm.job(f"{name}-{[each for each, _, _ in JOBS].index(name) + 1}").state is JobState.SUCCEEDED
    }
    return StormReport(
        replicas=replicas,
        seed=seed,
        masters=masters,
        deeds=killer.done if killer else Counter(),
        lost=sum(gone.stage.value == "render" for gone in pools.gone),
        segments=segments,
        renders=farm.renders(),
        copies=pools.copies,
        seconds=seconds,
        broken=tuple(broken_promises(farm, pools, cluster, jobs=jobs, segments=segments)),
    )
