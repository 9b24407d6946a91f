"""A farm that serves many jobs of many studios, until it is told to stop. This is what `farm serve` calls."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

from farm.config import PoolSizes
from farm.coordination.coordinator import FarmCoordinator, coordinating
from farm.coordination.state import FarmServices, Watcher
from farm.execution.opening import OpenBackend
from farm.execution.stages import StageFactory
from farm.ledger import LedgerJob
from infra.journal import open_journal
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.farm_spec import FarmSpec


def run_farm(
    *,
    settings: FarmSettings,
    rules: FarmSpec,
    pools: PoolSizes,
    stages: StageFactory,
    open_backend: OpenBackend,
    watcher: Watcher,
    device_kind: str,
    is_over: Callable[[FarmCoordinator], bool],
) -> Mapping[str, LedgerJob]:
    """Serve the jobs of the journal.

    Args:
        settings: Where the journal, the store, the cache and the replay bundles are.
        rules: How the pools are run, and what each studio may take.
        pools: Replicas per stage; they do not change a byte.
        stages: What the replicas load.
        open_backend: Opens the place where replicas run.
        watcher: Is told what happens.
        device_kind: Kind of processor that renders; part of every plan.
        is_over: Asked after every turn; the farm ends when it says so.

    Returns:
        Every job that the journal knows.

    Raises:
        JournalFenced: Another farm took over this journal.
        FarmError: The journal, the store or the cluster cannot be used. Jobs stay where they are; the next run goes on.
    """
    store = open_store(settings.store)
    journal = open_journal(settings.journal)
    try:
        with open_backend() as backend:
            coordinator = FarmCoordinator(
                services=FarmServices(
                    store=store,
                    cache=settings.cache,
                    stages=stages,
                    device_kind=device_kind,
                    bundles=settings.quarantine,
                ),
                journal=journal,
                backend=backend,
                rules=rules,
                pools=pools,
                watcher=watcher,
                owner=f"{socket.gethostname()}:{os.getpid()}",
            )
            with coordinating(coordinator):
                coordinator.restore()
                backend.start(pools)
                coordinator.run_until(lambda: is_over(coordinator))
                return dict(coordinator.state.writer.ledger.jobs)
    finally:
        journal.close()
