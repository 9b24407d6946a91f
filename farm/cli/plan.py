"""`farm plan`: what a job comes to, without rendering a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from farm.cli.output import Terminal, libraries_quiet
from farm.cli.wiring import Wiring
from farm.committed import committed_segments
from farm.preparation import gather_cast, make_plan, read_job_speech
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import ExitCode
from jobs.parse import LoadedJob, load_job
from jobs.plan import RenderPlan


def run_plan(spec: Path, *, settings: FarmSettings, terminal: Terminal, wiring: Wiring) -> ExitCode:
    """Plan the job in a file and show the plan.

    Raises:
        FarmError: Whatever would stop the render before it starts.
    """
    loaded = load_job(spec)
    with libraries_quiet():
        cast = gather_cast(loaded, stages=wiring.stages, cache=settings.cache)
        speech = read_job_speech(cast)
        device_kind = wiring.probe().device_kind
        plan = make_plan(loaded, cast=cast, frame_count=speech.frame_count, device_kind=device_kind)
        found = len(committed_segments(plan, store=open_store(settings.store)))
    masters = [loaded.master(take=take) for take in plan.take_numbers]
    record: dict[str, Any] = {
        "plan": plan.as_record(),
        "keys": list(plan.segment_keys()),
        "masters": masters,
        "store": settings.store,
        "already_committed": found,
    }
    if not terminal.result(record):
        _show(loaded, plan=plan, found=found, store=settings.store, terminal=terminal)
    return ExitCode.OK


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
