"""`farm render`: the job, its progress, and where the time went."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich import box
from rich.table import Table

from farm.cli.bars import Bars
from farm.cli.output import Terminal, libraries_quiet
from farm.cli.wiring import Wiring
from farm.config import PoolSizes
from farm.rendering import render_job
from farm.report import RenderReport
from infra.settings import FarmSettings
from jobs.errors import ExitCode
from jobs.parse import load_job


def run_render(
    spec: Path,
    *,
    replicas: int | None,
    overwrite: bool,
    settings: FarmSettings,
    terminal: Terminal,
    wiring: Wiring,
) -> ExitCode:
    """Render the job in a file and show the result.

    Raises:
        FarmError: See `farm.rendering.render_job`.
    """
    loaded = load_job(spec, overwrite=overwrite)
    hardware = wiring.probe()
    with libraries_quiet(), Bars(terminal) as bars:
        report = render_job(
            loaded,
            settings=settings,
            pools=PoolSizes(render=replicas or len(hardware.gpus) or hardware.cores),
            stages=wiring.stages,
            open_backend=partial(wiring.open_on, settings=settings, hardware=hardware, stages=wiring.stages),
            listener=bars,
            device_kind=hardware.device_kind,
        )
    if not terminal.result(report.as_record()):
        _show(report, terminal)
    return ExitCode.OK


def _show(report: RenderReport, terminal: Terminal) -> None:
    for take in report.takes:
        terminal.out.print(f"{take.master}", style="bold", markup=False)
        terminal.out.print(f"  sha256 {take.sha256}  {take.size_bytes / 1e6:.2f} MB", markup=False)
        terminal.out.print(f"  {take.manifest}", markup=False)
    speech_s = float(report.speech_seconds)
    spoken_s = speech_s * len(report.takes)
    takes = "" if len(report.takes) == 1 else f" x {len(report.takes)} takes"
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{speech_s:.2f} s of speech{takes}, {report.frame_count} frames",
        title_justify="left",
    )
    table.add_column("step")
    table.add_column("work, s", justify="right")
    table.add_column("s per s of speech", justify="right")
    for step, seconds in report.work():
        table.add_row(step.value, f"{seconds:.2f}", f"{seconds / spoken_s:.2f}")
    table.add_section()
    table.add_row("wall clock", f"{report.wall_seconds:.2f}", f"{report.seconds_per_second:.2f}")
    table.add_row("start-up before", f"{report.startup_seconds:.2f}", "")
    terminal.out.print(table)
    terminal.out.print(f"pictures: {report.inspection.line()}", markup=False)
    terminal.out.print(
        "Steps work at the same time in several processes: their work may exceed the wall clock.", style="dim"
    )
