"""`farm serve`: the shared farm and its API, or the API alone beside a farm that runs elsewhere."""

from __future__ import annotations

import getpass
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from farm.cli.bars import FarmBars
from farm.cli.connections.choosing import opened_journal
from farm.cli.guarding import ReplicasOption, Run, argument, command, flag, option
from farm.cli.output import UsageError, libraries_quiet
from farm.config import PoolSizes
from jobs.access import Scope
from jobs.errors import ExitCode, SettingsError
from jobs.farm_files import load_farm
from jobs.farm_spec import FarmSpec
from jobs.installation import INSTALL_ALL

if TYPE_CHECKING:
    from farm.api.server import ApiServer
    from farm.coordination.coordinator import FarmCoordinator

_LOOK_S: Final = 0.2
_SERVER_EXTRA: Final = ("cachetools", "fastapi", "httpx", "jinja2", "limits", "prometheus_client", "uvicorn")
_FIRST_STUDIO: Final = "default"

app = typer.Typer()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What the command line says of the API."""

    host: Annotated[
        str,
        option("--host", "HOST", "Address to listen at. TLS is a proxy's business.", shows_default=True),
    ] = "127.0.0.1"
    port: Annotated[
        int, option("--port", "N", "0 takes a free one.", least=0, most=65535, shows_default=True)
    ] = 8470
    requests_per_minute: Annotated[
        int,
        option(
            "--requests-per-minute", "N", "Of each studio; more are refused.", least=1, shows_default=True
        ),
    ] = 1200
    webhook_network: Annotated[
        list[str] | None,
        option(
            "--webhook-network",
            "CIDR",
            "Webhooks may go to this network, also without TLS; repeat it. Default: to public addresses over HTTPS.",
        ),
    ] = None
    api_only: Annotated[
        bool, flag("--api-only", "No farm: answer beside one that serves the same journal.")
    ] = False


@command(app, "serve", uses_store=True)
def _serve(
    run: Run,
    *,
    farm: Annotated[
        Path | None,
        argument(
            "[FARM]",
            "The farm: studios, their shares and limits, replicas; a YAML or JSON file. Default: none of it.",
        ),
    ] = None,
    options: ServeOptions,
    replicas: ReplicasOption = None,
    until_done: Annotated[
        bool, flag("--until-done", "End when every job has ended or waits for a person.")
    ] = False,
) -> ExitCode:
    """Serve the jobs of FARM_JOURNAL, and answer over HTTP, until it is stopped.

    A farm that was stopped or killed goes on where it was when it is started again.
    """
    _check(options, farm=farm, replicas=replicas, until_done=until_done)
    networks = tuple(_network(text) for text in options.webhook_network or ())
    spec = load_farm(farm).spec if farm is not None else FarmSpec(studios={})
    from farm.api.context import ApiLimits
    from farm.api.server import serving
    from farm.api.webhook_sending import WebhookTerms
    from farm.page.all_pages import make_page

    limits = ApiLimits(requests_per_minute=options.requests_per_minute)
    terms = WebhookTerms(networks=networks)
    with serving(
        run.settings,
        host=options.host,
        port=options.port,
        limits=limits,
        webhooks=terms,
        make_page=make_page,
    ) as server:
        run.terminal.note(f"serving at {server.address}")
        _make_first_key(run)
        if options.api_only:
            while True:
                server.check()
                time.sleep(_LOOK_S)
        return _run_farm(run, spec, server, replicas=replicas, until_done=until_done)


@app.command("run", hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def _run() -> None:
    raise UsageError(
        "farm run is called farm serve by now",
        where="command line",
        code="renamed",
        hint="write farm serve; it answers over HTTP as well",
    )


def _run_farm(
    run: Run, spec: FarmSpec, server: ApiServer, *, replicas: int | None, until_done: bool
) -> ExitCode:
    from farm.shared_farm import run_farm
    from infra.journal.address import journal_address

    settings, terminal, stages, hardware = run.settings, run.terminal, run.wiring.stages, run.wiring.probe()
    # What the command line says goes before the farm's file, and that before the machine.
    wanted = spec.replicas.model_copy(update={"render": replicas or spec.replicas.render})
    pools = PoolSizes.of(wanted, renderers=len(hardware.gpus) or hardware.cores)

    def is_over(coordinator: FarmCoordinator) -> bool:
        server.check()
        return until_done and coordinator.is_idle

    with libraries_quiet(), FarmBars(terminal) as bars:
        terminal.note(f"journal {journal_address(settings.journal).shown}, store {settings.store}")
        jobs = run_farm(
            settings=settings,
            rules=spec,
            pools=pools,
            stages=stages,
            open_backend=partial(
                run.wiring.open_on,
                settings=settings,
                hardware=hardware,
                stages=stages,
                whole=run.wiring.whole(settings, run.wiring.judge),
            ),
            watcher=bars,
            device_kind=hardware.device_kind,
            is_over=is_over,
        )
    counts = Counter(job.state.value for job in jobs.values())
    if not terminal.result({"jobs": {name: job.state.value for name, job in jobs.items()}}):
        told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        terminal.out.print(told or "no job", markup=False)
    return ExitCode.OK


def _check(options: ServeOptions, *, farm: Path | None, replicas: int | None, until_done: bool) -> None:
    if options.api_only and (farm is not None or replicas is not None or until_done):
        raise UsageError(
            "takes no FARM, no --replicas and no --until-done",
            where="--api-only",
            hint="they belong to the farm that serves the journal",
        )
    missing = [name for name in _SERVER_EXTRA if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"serving needs {', '.join(missing)}, which a render does without",
            where="serve",
            code="server_extra_missing",
            hint=INSTALL_ALL,
        )


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise UsageError(str(error), where="--webhook-network", hint="as in 10.0.0.0/8") from None


def _make_first_key(run: Run) -> None:
    """A key for whoever starts a farm that has none. A script, which reads no note, makes its own."""
    if run.terminal.is_json:
        return
    with opened_journal(run.settings) as journal:
        if journal.keys.all():
            return
        text, key = journal.keys.create(
            studio=_FIRST_STUDIO, label="first key", scopes=Scope, expires_at=None, by=who()
        )
    run.terminal.note(
        f"the first key, of studio {key.studio}, which may do everything and is shown this once:"
    )
    run.terminal.out.print(text, markup=False)
    run.terminal.flush()


def who() -> str:
    """Who gives a command, for the record."""
    name = "somebody"
    with suppress(OSError, KeyError):  # a user without a name
        name = getpass.getuser()
    return f"{name} at {socket.gethostname()}"
