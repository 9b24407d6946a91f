"""`farm key`: who may use the API of the farm whose journal is FARM_JOURNAL."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from farm.cli.connections.choosing import opened_journal
from farm.cli.guarding import Run, argument, command, flag, option
from farm.cli.output import UsageError
from farm.cli.overview import check_studio
from farm.cli.serve import who
from jobs.access import Scope
from jobs.errors import ExitCode

_DAY_S: Final = 86_400

app = typer.Typer(
    help="Keys of the API: each opens the jobs of one studio.", no_args_is_help=True, rich_markup_mode="rich"
)


@command(app, "create")
def _create(
    run: Run,
    *,
    studio: Annotated[str, option("--studio", "NAME", "Whose jobs it opens.")],
    label: Annotated[str, option("--label", "TEXT", "What it is for.")] = "",
    scopes: Annotated[
        list[Scope] | None,
        option(
            "--scope",
            "SCOPE",
            "read, write, admin (makes keys) or metrics; repeat it. Default: read and write.",
        ),
    ] = None,
    days: Annotated[
        float | None,
        option("--days", "N", "Days after which it opens nothing any more. Default: never.", most=36500),
    ] = None,
) -> ExitCode:
    """Make a key. It is shown this once: the farm keeps its hash alone."""
    check_studio(studio)
    if len(label) > 100 or not label.isprintable():
        raise UsageError("must be one line of at most 100 characters", where="--label", hint="as in pipeline")
    if days is not None and days <= 0:
        raise UsageError(f"{days:g} days are none", where="--days", hint="give it more than 0")
    with opened_journal(run.settings, must_exist=False) as journal:
        text, key = journal.keys.create(
            studio=studio,
            label=label,
            scopes=scopes or [Scope.READ, Scope.WRITE],
            expires_at=None if days is None else time.time() + days * _DAY_S,
            by=who(),
        )
    if not run.terminal.result({"key": text, **key.as_record(now=time.time())}):
        run.terminal.note(f"key {key.key_id} of studio {studio}, shown this once:")
        run.terminal.out.print(text, markup=False)
    return ExitCode.OK


@command(app, "list")
def _list(
    run: Run,
    *,
    changes: Annotated[bool, flag("--changes", "Who made and revoked which key, and when.")] = False,
) -> ExitCode:
    """Show every key there ever was; of none the key itself."""
    now = time.time()
    with opened_journal(run.settings) as journal:
        records = (
            [
                {"at": each.at, "key_id": each.key_id, "what": each.what, "by": each.by}
                for each in journal.keys.changes()
            ]
            if changes
            else [key.as_record(now=now) for key in journal.keys.all()]
        )
    if run.terminal.result({"changes" if changes else "keys": records}):
        return ExitCode.OK
    if not records:
        run.terminal.note("there is no key; farm key create makes one")
        return ExitCode.OK
    table = Table(box=None, pad_edge=False)
    for column in records[0]:
        table.add_column(column.removesuffix("_at").replace("_", " "))
    for record in records:
        table.add_row(*(Text(_cell(value)) for value in record.values()))
    run.terminal.out.print(table)
    return ExitCode.OK


@command(app, "revoke")
def _revoke(
    run: Run, *, key: Annotated[str, argument("KEY", "The key's name, as farm key list shows it.")]
) -> ExitCode:
    """End a key at once: it opens nothing any more, and streams that it opened end."""
    with opened_journal(run.settings) as journal:
        revoked = journal.keys.revoke(key, by=who())
    if not run.terminal.result(revoked.as_record(now=time.time())):
        run.terminal.out.print(
            f"{revoked.key_id} of studio {revoked.studio} opens nothing any more", markup=False
        )
    return ExitCode.OK


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(each) for each in value)
    if isinstance(value, float):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}"
    return "-" if value is None or value == "" else str(value)
