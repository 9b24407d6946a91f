"""`farm simulate`: how a farm would share its replicas, without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from farm.cli.guarding import OverwriteOption, Run, argument, command, option
from farm.cli.output import Terminal
from farm.destinations import check_destination
from farm.outputs import OutputFiles
from jobs.errors import ExitCode
from jobs.farm_files import load_simulation
from jobs.places import JobPlaces, Place, check_places

if TYPE_CHECKING:
    from farm.simulation.figures import SimulationFigures


app = typer.Typer()


@command(app, "simulate")
def _simulate(
    run: Run,
    *,
    scenario: Annotated[Path, argument("SCENARIO", "The simulation, a YAML file.")],
    plot: Annotated[Path | None, option("--plot", "FILE", "Draw what each replica did when.")] = None,
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Simulate a shared farm on a virtual clock: shares, waits, cold loads, re-renders."""
    from farm.simulation.figures import figures_of
    from farm.simulation.simulator import Simulator
    from farm.simulation.timeline import draw_timeline

    simulation = load_simulation(scenario)
    picture = None if plot is None else _picture_file(plot.absolute(), scenario, overwrite=overwrite)
    simulator = Simulator(simulation.spec)
    simulator.run()
    if plot is not None and picture is not None:
        with picture.writing() as folder:
            draw_timeline(simulator.pool.spans, folder / plot.name, title=simulation.metadata.name)
    figures = figures_of(simulator)
    record = {"name": simulation.metadata.name, "figures": figures.as_record()}
    if not run.terminal.result({**record, "plot": None if plot is None else str(plot)}):
        _show(figures, run.terminal)
    return ExitCode.OK


def _picture_file(plot: Path, scenario: Path, *, overwrite: bool) -> OutputFiles:
    """The picture's file, held against the scenario and against what is there."""
    check_destination(plot, where="--plot")
    manifest = f"{plot.name}.manifest.json"
    writes = [Place(location=str(place), field="--plot") for place in (plot, plot.with_name(manifest))]
    reads = [Place(location=str(scenario.absolute()), field="SCENARIO")]
    check_places(JobPlaces(reads=tuple(reads), writes=tuple(writes)))
    picture = OutputFiles(
        home=str(plot.parent), manifest=manifest, field="--plot", by="simulate", overwrite=overwrite
    )
    picture.check([plot.name])
    return picture


def _show(figures: SimulationFigures, terminal: Terminal) -> None:
    shares = Table(box=None, pad_edge=False)
    columns = (
        "studio",
        "jobs",
        "due %",
        "contended %",
        "share %",
        "GPU s",
        "mean wait s",
        "longest s",
        "to end s",
    )
    for column in columns:
        shares.add_column(column, justify="left" if column == "studio" else "right")
    for studio in figures.studios:
        numbers = (studio.due, studio.contended_share, studio.share, studio.gpu_seconds)
        waits = (studio.mean_wait, studio.longest_wait, studio.mean_turnaround)
        shares.add_row(studio.studio, str(studio.jobs), *(_number(value) for value in (*numbers, *waits)))
    terminal.out.print(shares)
    terminal.out.print()
    terminal.facts(_facts(figures))


def _facts(figures: SimulationFigures) -> list[tuple[str, str]]:
    ended = ", ".join(f"{count} {state}" for state, count in figures.ended.items())
    waits = ", ".join(f"{tier} {_number(wait)} s" for tier, wait in figures.wait_by_tier.items())
    jain = "never contended" if figures.jain is None else f"{figures.jain:.4f}"
    return [
        ("jobs", ended + ("" if figures.is_complete else "; the clock stopped before the end")),
        ("refused", ", ".join(figures.refused) or "none"),
        (
            "Jain index",
            f"{jain}, over {figures.contended_for:.0f} s in which every studio had segments waiting",
        ),
        ("waits", waits),
        (
            "segments",
            f"{figures.committed} committed, {figures.waived} waived, {figures.quarantined} quarantined",
        ),
        (
            "tries",
            f"{figures.tries} began, {figures.lost} lost, {figures.recalled} taken back before they began",
        ),
        ("re-renders", str(figures.re_renders)),
        ("cold loads", f"{figures.cold_loads}, {100 * figures.cold_ratio:.1f} % of tries"),
        ("replicas", f"busy {100 * figures.busy:.1f} % of {figures.seconds:.0f} s"),
        ("events", str(figures.events)),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
