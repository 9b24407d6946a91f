"""What a farm promises whatever is killed, looked for in its journal, its store, its folders and its processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from noted_pools import NotedPools
from stormy_cluster import StormyCluster, lives, soon

from farm.ledger import Ledger, load_ledger
from infra.storage import open_store
from jobs.journal_events import SegmentCommitted, event_from_json
from jobs.lifecycle import JobState, SegmentState
from jobs.locations import is_s3

if TYPE_CHECKING:
    from stormy_farm import StormyFarm

_OUR_THREADS = ("node-watch", "background", "killer", "rebuild")


def broken_promises(
    farm: StormyFarm, pools: NotedPools, cluster: StormyCluster, *, jobs: Sequence[str], segments: int
) -> Iterator[str]:
    """What is wrong after a run in which every job should have succeeded, in sentences."""
    for name in jobs:
        job = farm.job(name)
        if job.state is not JobState.SUCCEEDED:
            yield f"{name} is {job.state.value}: {job.error or job.reason}"
        given_up = {SegmentState.QUARANTINED, SegmentState.FAILED, SegmentState.SUSPECT} & set(job.counts())
        if given_up:
            yield f"{name} has segments that are {', '.join(sorted(given_up))}"
    yield from broken_bookkeeping(farm, segments=segments)
    lost = sum(gone.stage.value == "render" for gone in pools.gone)
    most = segments + lost * farm.rules.pool.slots + pools.copies
    if farm.renders() > most:
        yield f"{farm.renders()} renders of {segments} segments, though only {lost} renderers were lost"
    yield from leaks(farm, pools, cluster, losses=len(pools.gone))


def broken_bookkeeping(farm: StormyFarm, *, segments: int) -> Iterator[str]:
    """Journal and store: one is whole and folds, the other holds one object for each segment, as recorded."""
    events = [event_from_json(entry.body) for entry in farm.journal.read()]
    if (
        farm.journal.check() != len(events)
        or Ledger.fold(events, at=[entry.at for entry in farm.journal.read()]) != load_ledger(farm.journal)[0]
    ):
        yield "the journal does not fold to what is known of it"
    told = {(each.job, each.segment): each.record for each in events if isinstance(each, SegmentCommitted)}
    # Jobs of one studio may share what is drawn alike.
    records = {record.key: record for record in told.values()}
    store = open_store(farm.store)
    held = {key for key in store.list("segments/") if key.endswith(".mp4")}
    if held != set(records) or len(told) != segments:
        yield f"{segments} segments are planned, {len(told)} in the journal and {len(held)} in the store"
    for key in held & set(records):
        facts = store.head(key)
        if facts is None or facts.sha256 != records[key].sha256:
            yield f"{key} is not what the journal says"


def leaks(farm: StormyFarm, pools: NotedPools, cluster: StormyCluster, *, losses: int) -> Iterator[str]:
    """Whatever is still there after the farm has closed."""
    if not soon(lambda: not any(lives(pid) for pid in pools.pids.values()), within_s=20.0):
        yield f"replicas live on: {[name for name, pid in pools.pids.items() if lives(pid)]}"
    if not soon(lambda: not _working(cluster), within_s=20.0):
        yield f"processes of replicas live on: {_working(cluster)}"
    if not soon(lambda: not _living_actors(), within_s=20.0):
        yield f"actors live on: {_living_actors()}"
    if not soon(_is_all_free, within_s=20.0):
        yield "resources of the cluster are still booked"
    threads = {each.name for each in threading.enumerate() if each.name.startswith(_OUR_THREADS)}
    if threads:
        yield f"threads live on: {sorted(threads)}"
    # What a process was writing when it was killed; the store sweeps it away after a day.
    unfinished = list((Path(farm.store) / ".incoming").glob("*")) if not is_s3(farm.store) else []
    if len(unfinished) > losses:
        yield f"{len(unfinished)} half-written objects in the store, of {losses} lost replicas"
    temporary = [path.name for path in cluster.temporary.iterdir()]
    if temporary:
        yield f"temporary files of replicas: {temporary}"
    strange = [path.name for path in (farm.folder / "out").rglob("*") if path.suffix not in {".mp4", ".json"}]
    if strange:
        yield f"in the output folder: {strange}"


def _working(cluster: StormyCluster) -> dict[int, str]:
    return {pid: title for pid, title in cluster.processes().items() if "ReplicaActor" in title}


def _living_actors() -> list[str]:
    import ray

    actors = ray._private.state.actors().values()
    return [actor["ActorID"] for actor in actors if actor["State"] != "DEAD"]


def _is_all_free() -> bool:
    import ray

    booked, free = ray.cluster_resources(), ray.available_resources()
    return all(free.get(name, 0.0) == amount for name, amount in booked.items() if name in {"CPU", "GPU"})
