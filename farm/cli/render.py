"""`farm render` and `farm plan`: a job, its progress and where the time went, or what it comes to without a frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.prompt import Prompt
from rich.table import Table

from farm.cli.bars import Bars
from farm.cli.connections.views import ChoiceView
from farm.cli.guarding import OverwriteOption, ReplicasOption, Run, argument, command, option
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.config import PoolSizes
from farm.destinations import write_whole
from farm.render_report import RenderReport
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import ExitCode, OutputError
from jobs.identity import sha256_of_record
from jobs.parse import LoadedJob, load_job
from jobs.places import check_places
from jobs.plan import RenderPlan
from jobs.queued import WholeJob, load_queued

if TYPE_CHECKING:
    from farm.execution.stages import StageFactory
    from farm.preparation import Preparation
    from farm.rendering import TakesToChoose

_ChooseOption = Annotated[
    int | None,
    option("--choose", "TAKE", "Render this one of several takes, and none of the others.", least=1),
]
_SpecArgument = Annotated[Path, argument("SPEC", "The render job, a YAML or JSON file.")]

app = typer.Typer()


@command(app, "render", uses_store=True)
def _render(
    run: Run,
    *,
    spec: _SpecArgument,
    replicas: ReplicasOption = None,
    choose: _ChooseOption = None,
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Render a job: the video and its manifest appear where the job says.

    Segments that an earlier run committed to the store are not rendered again. Where the job asks which of its takes is
    rendered, they are drawn, and in a terminal you are asked; elsewhere give --choose the next time.
    """
    from farm.rendering import TakesToChoose

    loaded = load_job(spec, overwrite=overwrite)
    if choose is not None:
        loaded = _with_choice(loaded, choose)
    outcome = _render_or_show(run, loaded, replicas=replicas)
    if isinstance(outcome, TakesToChoose):
        choice = ChoiceView.of(outcome.sketched, store=outcome.store)
        record = {"state": "held", "choice": choice.as_record(), "plan_hash": outcome.plan_hash}
        if run.terminal.result(record):
            return ExitCode.OK
        for name, value in choice.rows():
            if value:
                run.terminal.out.print(f"{name:<11} {value}", markup=False)
        taken = _asked_take(choice) if run.terminal.asks else None
        if taken is None:
            run.terminal.note(f"nothing is rendered yet: farm render {spec} --choose TAKE")
            return ExitCode.OK
        # The motion of its takes is in the store by now.
        outcome = _render_or_show(run, _with_choice(loaded, taken), replicas=replicas)
        assert not isinstance(outcome, TakesToChoose)
    if not run.terminal.result(outcome.as_record()):
        _show_report(outcome, run.terminal)
    return ExitCode.OK


def _render_or_show(run: Run, loaded: LoadedJob, *, replicas: int | None) -> RenderReport | TakesToChoose:
    from farm.rendering import RenderTerms, render_or_show

    settings, stages, hardware = run.settings, run.wiring.stages, run.wiring.probe()
    with libraries_quiet(), Bars(run.terminal) as bars:
        terms = RenderTerms(
            settings=settings,
            pools=PoolSizes(render=replicas or len(hardware.gpus) or hardware.cores),
            stages=stages,
            open_backend=partial(run.wiring.open_on, settings=settings, hardware=hardware, stages=stages),
            listener=bars,
            device_kind=hardware.device_kind,
        )
        return render_or_show(loaded, terms)


def _with_choice(loaded: LoadedJob, take: int) -> LoadedJob:
    try:
        return replace(loaded, job=loaded.job.choosing(take))
    except ValueError as error:
        raise UsageError(
            f"cannot be {take}: {error}", where="--choose", code="no_such_take", hint="see spec.takes"
        ) from error


def _asked_take(choice: ChoiceView) -> int | None:
    """The take that whoever sits there wants; None where they want none."""
    numbers = [str(each.take) for each in choice.takes]
    answer = Prompt.ask(
        "Which take is rendered? (none: leave it)", choices=[*numbers, "none"], default="none"
    )
    return None if answer == "none" else int(answer)


@command(app, "plan", uses_store=True)
def _plan(
    run: Run,
    *,
    spec: Annotated[Path, argument("SPEC", "A job of any kind, a YAML or JSON file.")],
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Show what rendering a job would do, without rendering: frames, windows, segments, weights.

    Of a job that is done in one piece: its pool on a shared farm, what it reads and what it writes.
    """
    loaded = load_queued(spec, overwrite=overwrite)
    if not isinstance(loaded, LoadedJob):
        return _plan_whole(run, loaded)
    from farm.preparation import gather_cast, media_record, prepare_job, read_job_speech

    settings, stages = run.settings, run.wiring.stages
    # What is wrong is found in the order in which a render finds it, so that both say the same.
    device_kind, store = run.wiring.probe().device_kind, open_store(settings.store)
    with libraries_quiet():
        cast = gather_cast(loaded, stages=stages, cache=settings.cache)
        speech = read_job_speech(cast)
        prepared = prepare_job(loaded, cast=cast, speech=speech, store=store, device_kind=device_kind)
        plan, found = prepared.plan, len(prepared.records)
        is_missing = found < plan.segment_count
        # Where all is committed, no replica starts.
        notices = _tried(prepared, settings=settings, stages=stages) if is_missing else []
    notes = [*notices, *prepared.notes, *(f"{error.where}: {error.message}" for error in prepared.flagged)]
    media = media_record(speech)
    record: dict[str, Any] = {
        "plan": plan.as_record(),
        "masters": [loaded.master(take=take) for take in plan.rendered_takes or plan.take_numbers],
        "store": settings.store,
        "media": media.model_dump(),
        "already_committed": found,
        "to_be_looked_for": plan.segment_count - found,
        "notes": notes,
    }
    if not run.terminal.result(record):
        run.terminal.facts(_plan_facts(loaded, plan=plan, found=found, store=settings.store, told=media.told))
        for note in notes:
            run.terminal.note(note)
    return ExitCode.OK


def _plan_whole(run: Run, loaded: WholeJob) -> ExitCode:
    from farm.coordination.whole_jobs import checked_places, stage_of

    job, pool = loaded.job, stage_of(loaded).value
    store = run.settings.store
    places = checked_places(loaded, name=job.metadata.name, store=store)
    check_places(places)
    reads = [place.location for place in places.reads if not place.field.startswith("the store")]
    writes = [place.location for place in places.writes]
    record = {"kind": job.kind, "name": job.metadata.name, "pool": pool, "reads": reads, "writes": writes}
    if not run.terminal.result(record):
        facts = [("job", f"{job.metadata.project}/{job.metadata.name}, {job.kind}"), ("pool", pool)]
        facts += [("reads", place) for place in reads] + [("writes", place) for place in writes]
        run.terminal.facts([*facts, ("store", store)])
    return ExitCode.OK


def _show_report(report: RenderReport, terminal: Terminal) -> None:
    for take in report.takes:
        terminal.out.print(f"{take.master}", style="bold", markup=False)
        terminal.out.print(f"  sha256 {take.sha256}  {take.size_bytes / 1e6:.2f} MB", markup=False)
        terminal.out.print(f"  {take.manifest}", markup=False)
        if take.captions is not None:
            terminal.out.print(f"  {take.captions}", markup=False)
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
    found = report.segments_found
    terminal.out.print(f"segments: {report.segments_total - found} rendered, {found} found", markup=False)
    terminal.out.print(f"pictures: {report.inspection.line()}", markup=False)
    terminal.out.print(
        "Steps work at the same time in several processes: their work may exceed the wall clock.", style="dim"
    )


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
    from farm.execution.replica import try_stages

    notices = try_stages(prepared.setup, stages=stages)
    # Where it cannot be remembered, the next plan takes as long as this one.
    with suppress(OutputError):
        write_whole(proof, json.dumps(notices).encode(), where="FARM_CACHE")
    return notices


def _plan_facts(
    loaded: LoadedJob, *, plan: RenderPlan, found: int, store: str, told: Sequence[str]
) -> list[tuple[str, str]]:
    identities = plan.identities
    total = plan.segment_count
    last = plan.segments[-1]
    return [
        (
            "job",
            f"{plan.project}/{plan.name}, {plan.profile.value} {plan.profile.size_px} px, seed {plan.seed}",
        ),
        ("speech", f"{loaded.speech}  {_short(identities.speech_sha256)}"),
        *(("the speech", sentence) for sentence in told),
        ("subject", f"{loaded.subject}  {_short(identities.subject_sha256)}"),
        *([] if loaded.captions is None else [("captions", loaded.captions)]),
        (
            "frames",
            f"{plan.frame_count} at {plan.fps} per second, {float(plan.frame_count / plan.fps):.2f} s",
        ),
        ("windows", f"{len(plan.windows)} of at most {len(plan.windows[0].frames)} frames for each take"),
        ("segments", f"{len(plan.segments)}, the last of {len(last.frames)} frames, for each take"),
        *(
            [("takes", f"one of {plan.takes} is rendered, once somebody chose it")]
            if plan.awaits_choice
            else [("takes", ", ".join(loaded.master(take=take) for take in plan.rendered_takes))]
        ),
        *(
            (f"weights {stage}", _short(sha256))
            for stage, sha256 in sorted(identities.weights_sha256.items())
        ),
        ("engine", f"moda-farm {identities.engine_version} on {identities.device_kind}"),
        ("plan hash", plan.plan_hash),
        ("store", store),
        ("folder of the plan", plan.prefix),
        ("committed", f"{found} of {total} segments"),
        # Segments are found by their faces, which are not made yet.
        *(
            [("not known", f"whether other plans rendered any of the {total - found}")]
            if found < total
            else []
        ),
    ]


def _short(sha256: str) -> str:
    return f"sha256 {sha256[:16]}"
