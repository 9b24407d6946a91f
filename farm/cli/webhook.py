"""`farm webhook`: receivers that are told of every change of a studio's jobs, and what became of each message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from farm.cli.connections.choosing import login_in_use, opened_farm
from farm.cli.guarding import Run, argument, command, option
from farm.cli.output import UsageError
from farm.cli.overview import check_studio
from jobs.errors import ExitCode
from jobs.webhooks import DeliveryState, MessageType, as_record, sorted_types

if TYPE_CHECKING:
    from jobs.webhooks import Webhook

_HOUR_S: Final = 3600

_WebhookArgument = Annotated[str, argument("WEBHOOK", "The receiver's name, as farm webhook list shows it.")]

app = typer.Typer(
    help="Receivers of a shared farm: each is told of every change of its studio's jobs, signed.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@command(app, "add")
def _add(
    run: Run,
    *,
    url: Annotated[str, argument("URL", "Where messages are sent, as in https://studio.example/farm.")],
    label: Annotated[str, option("--label", "TEXT", "What it is for.")] = "",
    types: Annotated[
        list[MessageType] | None,
        option("--type", "TYPE", "job.moved, take.delivered, ...; repeat it. Default: all of them."),
    ] = None,
    studio: Annotated[
        str | None, option("--studio", "NAME", "Whose jobs it is told of; with a server the key says it.")
    ] = None,
) -> ExitCode:
    """Add a receiver. Its secret, which signs the messages, is shown this once."""
    if len(label) > 100 or not label.isprintable():
        raise UsageError("must be one line of at most 100 characters", where="--label", hint="as in page")
    if studio is not None:
        check_studio(studio)
        if login_in_use(run.settings) is not None:
            raise UsageError("is said by the key, with a server", where="--studio", hint="leave it out")
    with opened_farm(run.settings) as farm:
        secret, made = farm.webhooks.add(url, label=label, types=types or [], studio=studio)
    if not run.terminal.result({"secret": secret, **_record(made)}):
        run.terminal.note(f"{made.webhook_id} of studio {made.studio}; its secret, shown this once:")
        run.terminal.out.print(secret, markup=False)
    return ExitCode.OK


@command(app, "list")
def _list(run: Run) -> ExitCode:
    """Show the receivers; of none the secret."""
    with opened_farm(run.settings) as farm:
        records = [_record(each) for each in farm.webhooks.all()]
    if not run.terminal.result({"webhooks": records}):
        _show(run, records, empty="there is no receiver; farm webhook add makes one")
    return ExitCode.OK


@command(app, "remove")
def _remove(run: Run, *, webhook: _WebhookArgument) -> ExitCode:
    """Remove a receiver, with its secrets and messages."""
    with opened_farm(run.settings) as farm:
        removed = farm.webhooks.remove(webhook)
    if not run.terminal.result(_record(removed)):
        run.terminal.out.print(f"{removed.webhook_id}: {removed.url} is told nothing any more", markup=False)
    return ExitCode.OK


@command(app, "rotate")
def _rotate(
    run: Run,
    *,
    webhook: _WebhookArgument,
    overlap: Annotated[
        float,
        option(
            "--overlap",
            "HOURS",
            "For so long messages are signed with the former secrets as well.",
            least=0,
            most=720,
            shows_default=True,
        ),
    ] = 24.0,
) -> ExitCode:
    """Make another secret for a receiver; it is shown this once."""
    with opened_farm(run.settings) as farm:
        secret = farm.webhooks.rotate(webhook, overlap_s=round(overlap * _HOUR_S))
    if not run.terminal.result({"webhook_id": webhook, "secret": secret}):
        run.terminal.out.print(secret, markup=False)
    return ExitCode.OK


@command(app, "deliveries")
def _deliveries(
    run: Run,
    *,
    webhook: _WebhookArgument,
    state: Annotated[
        DeliveryState | None, option("--state", "STATE", "pending, delivered or 'given up' alone.")
    ] = None,
    limit: Annotated[
        int, option("--limit", "N", "So many of the newest.", least=1, most=200, shows_default=True)
    ] = 50,
) -> ExitCode:
    """Show what became of the messages to a receiver, the newest first."""
    with opened_farm(run.settings) as farm:
        records = [as_record(each) for each in farm.webhooks.deliveries(webhook, limit=limit, state=state)]
    if not run.terminal.result({"deliveries": records}):
        left_out = {"webhook_id", "sequence"}
        rows = [{name: value for name, value in each.items() if name not in left_out} for each in records]
        _show(run, rows, empty="there is no message")
    return ExitCode.OK


@command(app, "resend")
def _resend(
    run: Run,
    *,
    webhook: _WebhookArgument,
    number: Annotated[int, argument("NUMBER", "The delivery's number.")],
) -> ExitCode:
    """Have a message sent once more, now, whatever became of it."""
    with opened_farm(run.settings) as farm:
        record = as_record(farm.webhooks.send_again(webhook, number))
    if not run.terminal.result(record):
        run.terminal.out.print(f"{number}: {record['state']}", markup=False)
    return ExitCode.OK


def _record(webhook: Webhook) -> dict[str, Any]:
    return {
        "webhook_id": webhook.webhook_id,
        "studio": webhook.studio,
        "url": webhook.url,
        "label": webhook.label,
        "types": [each.value for each in sorted_types(webhook.types)],
        "created_at": webhook.created_at,
        "ended_at": webhook.ended_at,
        "ended_why": webhook.ended_why,
    }


def _show(run: Run, records: list[dict[str, Any]], *, empty: str) -> None:
    if not records:
        run.terminal.note(empty)
        return
    table = Table(box=None, pad_edge=False)
    for column in records[0]:
        table.add_column(column.removesuffix("_at").replace("_", " "))
    for record in records:
        table.add_row(*(Text(_cell(value)) for value in record.values()))
    run.terminal.out.print(table)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(each) for each in value) or "all"
    if isinstance(value, float):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}"
    return "-" if value is None or value == "" else str(value)
