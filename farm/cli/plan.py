"""`farm plan`: what a job comes to, without rendering a frame."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from farm.cli.output import Terminal, libraries_quiet
from farm.cli.wiring import Wiring
from farm.destinations import write_whole
from farm.execution.replica import try_stages
from farm.execution.stages_factory import StageFactory
from farm.preparation import Preparation, gather_cast, prepare_job, read_job_speech
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import ExitCode, OutputError
from jobs.identity import sha256_of_record
from jobs.parse import LoadedJob, load_job
from jobs.plan import RenderPlan


def run_plan(
    spec: Path, *, overwrite: bool, settings: FarmSettings, terminal: Terminal, wiring: Wiring
) -> ExitCode:
    """Plan the job in a file and show the plan.

    Raises:
        FarmError: Whatever would stop the render before its first frame.
    """
    loaded = load_job(spec, overwrite=overwrite)
    # What is wrong is found in the order in which a render finds it, so that both say the same.
    device_kind, store = wiring.probe().device_kind, open_store(settings.store)
    with libraries_quiet():
        cast = gather_cast(loaded, stages=wiring.stages, cache=settings.cache)
        prepared = prepare_job(
            loaded,
            cast=cast,
            speech=read_job_speech(cast),
            store=store,
            device_kind=device_kind,
        )
        plan, found = prepared.plan, len(prepared.records)
        is_missing = found < plan.takes * len(plan.segments)
        # Where all is committed, no replica starts.
        notices = _tried(prepared, settings=settings, stages=wiring.stages) if is_missing else []
    masters = [loaded.master(take=take) for take in plan.take_numbers]
    notes = [*notices, *(f"{error.where}: {error.message}" for error in prepared.flagged)]
    record: dict[str, Any] = {
        "plan": plan.as_record(),
        "keys": list(plan.segment_keys()),
        "masters": masters,
        "store": settings.store,
        "already_committed": found,
        "notes": notes,
    }
    if not terminal.result(record):
        _show(loaded, plan=plan, found=found, store=settings.store, terminal=terminal)
        for note in notes:
            terminal.note(note)
    return ExitCode.OK


def _tried(prepared: Preparation, *, settings: FarmSettings, stages: StageFactory) -> list[str]:
    """See that replicas can load what the job needs; returns what they would have a person know.

    Only loading proves it, which takes seconds; so what was once loaded on this machine is remembered.

    Raises:
        FarmError: They cannot.
    """
    identities = prepared.plan.identities
    wanted = [
        identities.engine_version,
        identities.weights_sha256,
        identities.subject_sha256,
        prepared.setup.profile,
    ]
    proof = settings.cache / "loaded-once" / f"{sha256_of_record(wanted)[:32]}.json"
    with suppress(OSError, ValueError):
        notices: list[str] = json.loads(proof.read_text(encoding="utf-8"))
        return notices
    notices = try_stages(prepared.setup, stages=stages)
    # Where it cannot be remembered, the next plan takes as long as this one.
    with suppress(OutputError):
        write_whole(proof, json.dumps(notices).encode(), where="FARM_CACHE")
    return notices


def _show(loaded: LoadedJob, *, plan: RenderPlan, found: int, store: str, terminal: Terminal) -> None:
    identities = plan.identities
    total = plan.takes * len(plan.segments)
    last = plan.segments[-1]
    rows = [
        (
            "job",
            f"{plan.project}/{plan.name}, {plan.profile.value} {plan.profile.size_px} px, seed {plan.seed}",
        ),
        ("speech", f"{loaded.speech}  {_short(identities.speech_sha256)}"),
        ("subject", f"{loaded.subject}  {_short(identities.subject_sha256)}"),
        (
            "frames",
            f"{plan.frame_count} at {plan.fps} per second, {float(plan.frame_count / plan.fps):.2f} s",
        ),
        ("windows", f"{len(plan.windows)} of at most {len(plan.windows[0].frames)} frames for each take"),
        ("segments", f"{len(plan.segments)}, the last of {len(last.frames)} frames, for each take"),
        ("takes", ", ".join(loaded.master(take=take) for take in plan.take_numbers)),
        *(
            (f"weights {stage}", _short(sha256))
            for stage, sha256 in sorted(identities.weights_sha256.items())
        ),
        ("engine", f"moda-farm {identities.engine_version} on {identities.device_kind}"),
        ("plan hash", plan.plan_hash),
        ("store", store),
        ("first key", plan.segment_key(take=1, index=0)),
        ("last key", plan.segment_key(take=plan.takes, index=last.index)),
        ("committed", f"{found} of {total} segments"),
    ]
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows:
        # As text: a name in brackets would be taken for markup.
        table.add_row(name, Text(value))
    terminal.out.print(table)


def _short(sha256: str) -> str:
    return f"sha256 {sha256[:16]}"
