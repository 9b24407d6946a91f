"""`farm schema`: what a job's file may say, for editors that complete and check it as it is written."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import typer

from farm.cli.guarding import Run, argument, command
from farm.cli.output import UsageError
from jobs.errors import ExitCode
from jobs.kinds import EVALUATE_JOB, FARM, PREPARE_JOB, RENDER_JOB, SIMULATION, TRAIN_JOB, JobKind
from jobs.spec_model import SpecModel

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_KINDS: Final[dict[str, JobKind[SpecModel]]] = {
    kind.name: kind for kind in (RENDER_JOB, PREPARE_JOB, TRAIN_JOB, EVALUATE_JOB, SIMULATION, FARM)
}

app = typer.Typer()


@command(app, "schema")
def _schema(
    run: Run, *, kind: Annotated[str, argument("KIND", f"What the file's kind says: {', '.join(_KINDS)}.")]
) -> ExitCode:
    """Print the JSON Schema of a kind of job, with every field, its values and its default."""
    known = _KINDS.get(kind)
    if known is None:
        hint = f"write one of {', '.join(_KINDS)}"
        raise UsageError(f"no job is of the kind '{kind[:60]}'", where="KIND", hint=hint)
    schema: dict[str, Any] = {"$schema": _DIALECT} | known.model.model_json_schema(by_alias=True)
    if not run.terminal.result({"kind": kind, "schema": schema}):
        run.terminal.out.print(json.dumps(schema, indent=2), markup=False)
    return ExitCode.OK
