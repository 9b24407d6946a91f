"""`farm run`: the shared farm itself, and what its operator sees of it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from farm.cli.farm_bars import FarmBars
from farm.cli.output import Terminal, libraries_quiet
from farm.cli.wiring import Wiring
from farm.farm_rules import farm_rules, pool_sizes
from farm.shared_farm import run_farm
from infra.journal.address import journal_address
from infra.settings import FarmSettings
from jobs.errors import ExitCode
from jobs.farm_spec import FarmSpec
from jobs.parse import load_farm


def run_run(
    farm: Path | None,
    *,
    replicas: int | None,
    until_done: bool,
    settings: FarmSettings,
    terminal: Terminal,
    wiring: Wiring,
) -> ExitCode:
    """Serve the jobs of the journal, until somebody stops the farm or, where asked, until nothing is left to do.

    Raises:
        FarmError: The farm's file has mistakes, or see `farm.shared_farm.run_farm`.
    """
    spec = load_farm(farm).spec if farm is not None else FarmSpec(studios={})
    hardware = wiring.probe()
    # What the command line says goes before the farm's file, and that before the machine.
    wanted = spec.replicas.model_copy(update={"render": replicas or spec.replicas.render})
    pools = pool_sizes(wanted, renderers=len(hardware.gpus) or hardware.cores)
    with libraries_quiet(), FarmBars(terminal) as bars:
        terminal.note(f"journal {journal_address(settings.journal).shown}, store {settings.store}")
        jobs = run_farm(
            settings=settings,
            rules=farm_rules(spec),
            pools=pools,
            stages=wiring.stages,
            open_backend=partial(wiring.open_on, settings=settings, hardware=hardware, stages=wiring.stages),
            watcher=bars,
            device_kind=hardware.device_kind,
            is_over=lambda coordinator: until_done and coordinator.is_idle,
        )
    counts = Counter(job.state.value for job in jobs.values())
    if not terminal.result({"jobs": {name: job.state.value for name, job in jobs.items()}}):
        told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        terminal.out.print(told or "no job", markup=False)
    return ExitCode.OK
