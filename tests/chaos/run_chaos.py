"""Measures what the farm promises under chaos: `python tests/chaos/run_chaos.py --seeds 5 --times`.

Prints one row for each run. Ends with 1 where two masters differ or any promise is broken.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

# The helpers are plain modules of several folders of tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent.parent / "farm"))
sys.path.insert(0, str(Path(__file__).parent.parent / "farm" / "coordination"))
sys.path.insert(0, str(Path(__file__).parent.parent / "farm" / "execution" / "pools"))
sys.path.insert(0, str(Path(__file__).parent.parent / "infra" / "s3_servers"))

from recovery_times import measured_times
from stormy_cluster import StormyCluster, stormy_cluster
from stormy_farm import StormReport, run_storm
from stormy_s3 import StormyS3, stormy_s3

HEADER = "replicas  seed  GPUs  kills  nodes  lost  renders/segments  copies  time     masters"


_RESULTS = sys.stdout


def tell(line: str) -> None:
    """Print a line of the result; what Ray says about each kill goes elsewhere."""
    print(line, file=_RESULTS, flush=True)


def row(report: StormReport, *, gpus: int) -> str:
    """One line of the table."""
    return (
        f"{report.replicas:8d}  {report.seed:4d}  {gpus:4d}  {report.kills:5d}  {report.nodes_killed:5d}"
        f"  {report.lost:4d}  {report.renders:7d}/{report.segments:<8d}  {report.copies:6d}"
        f"  {report.seconds:5.1f} s  {report.digest}"
    )


def storms(
    cluster: StormyCluster, folder: Path, *, replicas: list[int], seeds: list[int], kills: int
) -> Iterator[tuple[StormReport, int]]:
    """A calm run with one replica, then every number of replicas with every seed; odd sums book logical GPUs."""
    yield run_storm(cluster, folder / "calm", replicas=1, seed=0, kills=0), 0
    for seed in seeds:
        for count in replicas:
            gpus = (seed + count) % 2
            where = folder / f"seed-{seed}-replicas-{count}"
            yield run_storm(cluster, where, replicas=count, seed=seed, kills=kills, gpus=gpus), gpus


def storms_over_s3(
    cluster: StormyCluster, s3: StormyS3, folder: Path, *, replicas: list[int], seeds: list[int], kills: int
) -> Iterator[tuple[StormReport, int]]:
    """The same with the store in a bucket, behind a proxy that fails requests."""
    for seed in seeds:
        for count in replicas:
            bucket = s3.bucket()
            s3.storm(seed=seed)
            report = run_storm(
                cluster,
                folder / f"s3-seed-{seed}-replicas-{count}",
                replicas=count,
                seed=seed,
                kills=kills,
                store=f"s3://{bucket}/store",
                before_audit=s3.calm,
            )
            left = s3.leftovers(bucket, kills=report.kills)
            yield replace(report, broken=report.broken + left), 0
            faults = ", ".join(f"{count} x {kind}" for kind, count in s3.proxy.faults.most_common())
            tell(f"    faults of the store: {faults}")


class Table:
    """Prints reports and holds every one against the first."""

    def __init__(self) -> None:
        self.reference: Mapping[str, str] | None = None
        self.is_bad = False

    def add(self, report: StormReport, *, gpus: int) -> None:
        """Print a report and what is wrong with it."""
        if self.reference is None:
            tell(HEADER)
            self.reference = report.masters
        tell(row(report, gpus=gpus))
        differing = [name for name in self.reference if report.masters.get(name) != self.reference[name]]
        for sentence in (*report.broken, *(f"the master of {name} differs" for name in differing)):
            tell(f"    BROKEN: {sentence}")
            self.is_bad = True


def main() -> int:
    """Run and print; 0 where every promise was kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicas", type=int, nargs="*", default=[1, 2, 3, 4])
    parser.add_argument("--seeds", type=int, default=5, help="seeds for each number of replicas")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument(
        "--times", action="store_true", help="also how soon lost segments are dispatched again"
    )
    parser.add_argument("--s3", type=int, default=0, help="also so many seeds with a store that fails")
    given = parser.parse_args()
    started, table, is_late = time.monotonic(), Table(), False
    seeds = list(range(given.first_seed, given.first_seed + given.seeds))
    with (
        tempfile.TemporaryDirectory(prefix="farm-chaos-") as name,
        stormy_s3() as s3,
        stormy_cluster() as cluster,
    ):
        folder = Path(name)
        tell(f"load of this machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        if given.replicas:
            for report, gpus in storms(
                cluster, folder, replicas=given.replicas, seeds=seeds, kills=given.kills
            ):
                table.add(report, gpus=gpus)
            for report, gpus in storms_over_s3(
                cluster, s3, folder, replicas=[2, 3], seeds=seeds[: given.s3], kills=given.kills
            ):
                table.add(report, gpus=gpus)
        for times in measured_times(cluster, folder, count=5) if given.times else ():
            tell(str(times))
            is_late |= not times.is_goal_met
    for name, sha256 in (table.reference or {}).items():
        tell(f"{name}  {sha256}")
    tell(f"{time.monotonic() - started:.0f} s in all, load now {os.getloadavg()[0]:.1f}")
    return int(table.is_bad or is_late)


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        status = main()
    sys.exit(status)
