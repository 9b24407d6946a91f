"""`farm replay`: the segment of a bundle once more, alone, and whether it fails as it did on the farm."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farm.cli.guarding import OverwriteOption, Run, argument, command, option
from farm.cli.output import Terminal, one_line
from farm.cli.wiring import Wiring
from farm.destinations import check_destination
from farm.engine import engine_identity
from farm.outputs import WRITTEN_MANIFEST, OutputFiles
from jobs.errors import DiskFull, ExitCode
from jobs.identity import sha256_of_file
from jobs.places import JobPlaces, Place, check_places

if TYPE_CHECKING:
    from farm.replay.bundle import BundleRecord
    from farm.replay.reading import ReplayBundle
    from farm.replay.running import ReplayOutcome

_LAST_LINES = 20
_LONGEST_LINE = 200
SEGMENT_NAME = "segment.mp4"

app = typer.Typer()


@command(app, "replay")
def _replay(
    run: Run,
    *,
    bundle: Annotated[Path, argument("BUNDLE", "Folder of the replay bundle.")],
    out: Annotated[
        Path | None, option("--out", "DIR", "Keep the segment and the process's stderr here.")
    ] = None,
    timeout: Annotated[
        float, option("--timeout", "SECONDS", "What takes longer hangs.", least=1, shows_default=True)
    ] = 900.0,
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Render a segment that the farm gave up again, alone in a fresh process.

    Exit code 0: it was rendered cleanly; 6: it failed as it did on the farm; 7: it failed in another way.
    """
    from farm.replay.reading import read_bundle
    from farm.replay.running import replay

    read = read_bundle(bundle)
    kept = None if out is None else _kept_files(out.absolute(), bundle, overwrite=overwrite)
    hardware = run.wiring.probe()
    with _work_folder(out) as work:
        outcome = replay(
            read,
            stages=run.wiring.stages,
            gpus=tuple(str(gpu.index) for gpu in hardware.gpus[:1]),
            folder=work,
            timeout_s=timeout,
        )
        if kept is not None:
            _keep(outcome, work=work, kept=kept)
    notes = _differences(read.record, device_kind=hardware.device_kind, wiring=run.wiring)
    if not run.terminal.result(_as_record(read, outcome, notes)):
        _show(read, outcome, notes, run.terminal)
    if outcome.rendered:
        return ExitCode.OK
    return ExitCode.RENDER if outcome.is_as_recorded else ExitCode.INFRASTRUCTURE


@contextmanager
def _work_folder(out: Path | None) -> Iterator[Path]:
    where = str(out or tempfile.gettempdir())
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="farm-replay-", dir=out)
    except OSError as error:
        raise DiskFull.or_unwritable(error, where=where, hint="name another folder with --out") from error
    with made as folder:
        yield Path(folder)


def _kept_files(out: Path, bundle: Path, *, overwrite: bool) -> OutputFiles:
    """What is kept, held against the bundle and against what is there before anything is rendered."""
    from farm.replay.running import LOG_NAME

    names = (LOG_NAME, SEGMENT_NAME)
    reads = [Place(location=str(bundle.absolute()), field="BUNDLE", is_folder=True)]
    writes = [Place(location=str(out / name), field="--out") for name in (*names, WRITTEN_MANIFEST)]
    check_places(JobPlaces(reads=tuple(reads), writes=tuple(writes)))
    check_destination(out / WRITTEN_MANIFEST, where="--out")
    kept = OutputFiles(
        home=str(out), manifest=WRITTEN_MANIFEST, field="--out", by="replay", overwrite=overwrite
    )
    kept.check(names)
    return kept


def _keep(outcome: ReplayOutcome, *, work: Path, kept: OutputFiles) -> None:
    """Leave what is of use in the folder that was asked for."""
    from farm.replay.running import LOG_NAME

    with kept.writing() as folder:
        if (work / LOG_NAME).exists():
            shutil.copyfile(work / LOG_NAME, folder / LOG_NAME)
        if outcome.rendered:
            shutil.copyfile(outcome.rendered.path, folder / SEGMENT_NAME)


def _differences(record: BundleRecord, *, device_kind: str, wiring: Wiring) -> list[str]:
    """What is different here, in sentences: a clean render here proves little where much is."""
    notes = []
    ours = engine_identity()
    if record.engine_version != ours:
        notes.append(f"the farm ran engine {record.engine_version}, this is {ours}")
    if record.device_kind != device_kind:
        notes.append(f"the farm rendered on {record.device_kind}, this is {device_kind}")
    weights = {name: sha256_of_file(path) for name, path in wiring.stages.shared_weights().by_name().items()}
    others = [name for name in record.weights_sha256 if weights.get(name) != record.weights_sha256[name]]
    if others:
        notes.append(f"other shared weights here: {', '.join(sorted(others))}; they draw no segment")
    return notes


def _as_record(bundle: ReplayBundle, outcome: ReplayOutcome, notes: list[str]) -> dict[str, Any]:
    record = bundle.record
    rendered = outcome.rendered
    return {
        "bundle": str(bundle.folder),
        "job": record.job,
        "take": record.take,
        "segment": record.index,
        "first_frame": record.first_frame,
        "frame_count": record.frame_count,
        "recorded": record.failure.model_dump(mode="json"),
        "tries": [each.model_dump(mode="json") for each in record.tries],
        "rendered": rendered and {"sha256": rendered.sha256, "size_bytes": rendered.size_bytes},
        "failure": outcome.failure and outcome.failure.model_dump(mode="json"),
        "reproduced": outcome.is_as_recorded,
        "seconds": round(outcome.seconds, 3),
        "notes": notes,
        "stderr": outcome.log,
    }


def _show(bundle: ReplayBundle, outcome: ReplayOutcome, notes: list[str], terminal: Terminal) -> None:
    record = bundle.record
    last = record.first_frame + record.frame_count - 1
    place = f"take {record.take}, segment {record.index}, frames {record.first_frame}-{last}"
    terminal.out.print(f"{record.job}: {place}", style="bold", markup=False)
    tries = f", after {len(record.tries)} tries" if record.tries else ""
    terminal.out.print(f"  on the farm  {one_line(str(record.failure))}{tries}", markup=False)
    terminal.out.print(
        f"  here         {one_line(_sentence(outcome))} ({outcome.seconds:.1f} s)", markup=False
    )
    if outcome.failure:
        verdict = (
            "the recorded failure" if outcome.is_as_recorded else "another failure than the recorded one"
        )
        terminal.out.print(f"  it is        {verdict}", markup=False)
    for note in notes:
        terminal.note(note)
    for line in outcome.log.splitlines()[-_LAST_LINES:]:
        terminal.err.print(f"  | {one_line(line)[:_LONGEST_LINE]}", markup=False, style="dim")


def _sentence(outcome: ReplayOutcome) -> str:
    if outcome.rendered:
        return f"rendered, sha256 {outcome.rendered.sha256}"
    return str(outcome.failure)
