"""`farm wait`, `farm watch` and `farm download`: jobs followed to their end, and their masters fetched."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from farm.cli.connections.choosing import LONG_PATIENCE_S, opened_farm
from farm.cli.guarding import Run, argument, command, flag, option
from farm.cli.output import Terminal
from farm.cli.overview import JobArgument
from farm.destinations import write_whole
from jobs.errors import Cancelled, ExitCode, FarmError, InputNotFound, NotEnded, OutputRefused
from jobs.identity import sha256_of_bytes, sha256_of_file
from stages.encode.captions import is_vtt

if TYPE_CHECKING:
    from farm.cli.connections.connection import FarmConnection
    from farm.cli.connections.views import JobView, MasterView
    from farm.cli.playing import Playing

_LOOKS_A_SECOND = 5
"""At all jobs that are waited for together, where each look asks a server."""

_JobsArgument = Annotated[list[str], argument("JOB...", "Names of jobs in the farm.")]
MastersFolderOption = Annotated[Path, option("--out", "FOLDER", "Where the masters go.", shows_default=True)]
ReplaceMastersOption = Annotated[
    bool, flag("--overwrite", "Replace files of these names that hold something else.")
]
TimeoutOption = Annotated[
    float | None,
    option(
        "--timeout",
        "SECONDS",
        "Wait no longer than this; the jobs go on, and the exit code is 10.",
        least=0,
    ),
]

app = typer.Typer()


@command(app, "wait")
def _wait(run: Run, *, jobs: _JobsArgument, timeout: TimeoutOption = None) -> ExitCode:
    """Wait until jobs have ended; the exit code is that of the first that did not succeed."""
    with opened_farm(run.settings, patience_s=LONG_PATIENCE_S) as farm:
        return wait_for_jobs(farm, jobs, timeout_s=timeout, terminal=run.terminal)


@command(app, "watch")
def _watch(
    run: Run,
    *,
    job: JobArgument,
    after: Annotated[
        int, option("--after", "N", "Only what came after the event of this number.", least=0)
    ] = 0,
    play: Annotated[
        bool,
        flag("--play", "Play it from its first segment on, in mpv, ffplay or VLC, until that is closed."),
    ] = False,
    take: Annotated[int, option("--take", "N", "The take to play.", least=1, shows_default=True)] = 1,
) -> ExitCode:
    """Show what happens to a job, a line for each event, until it has ended; the exit code is the job's."""
    terminal, events = run.terminal, []
    with opened_farm(run.settings, patience_s=LONG_PATIENCE_S) as farm, _waiting_for([job]):
        farm.job(job)  # before anything is played: whether there is one
        with _played(run, job, take=take) if play else nullcontext() as player:
            for event in farm.events(job, after=after):
                events.append(event.as_record())
                if not terminal.is_json:
                    line = Text(f"{event.sequence:>7}  {event.moment:%Y-%m-%d %H:%M:%S}  ", style="dim")
                    line.append(event.sentence, style="not dim")
                    terminal.out.print(line)
                    terminal.flush()
            if player is not None:
                player.wait()
        ended = farm.job(job)
    error = ended.ending
    record = {"job": job, "state": ended.state, "events": events, "error": error and error.as_record()}
    if not terminal.result({"ok": error is None, **record}) and error is not None:
        terminal.error(error)
    return ExitCode.OK if error is None else error.exit_code


def _played(run: Run, job: str, *, take: int) -> AbstractContextManager[Playing]:
    # Imported here, with the server that it needs.
    from farm.cli.playing import playing

    return playing(partial(opened_farm, run.settings), job, take=take, terminal=run.terminal)


@command(app, "download")
def _download(
    run: Run,
    *,
    jobs: _JobsArgument,
    out: MastersFolderOption = Path(),
    sync: Annotated[
        bool, flag("--sync", "Until the jobs have ended: each master is fetched as it is delivered.")
    ] = False,
    timeout: TimeoutOption = None,
    overwrite: ReplaceMastersOption = False,
) -> ExitCode:
    """Fetch the masters of jobs: JOB.mp4, JOB.take2.mp4. What is there already is left alone.

    What was cut off goes on where it was; every file's SHA-256 is the one that the farm delivered.
    """
    with opened_farm(run.settings, patience_s=LONG_PATIENCE_S) as farm:
        return fetch_jobs(
            farm, jobs, out=out, sync=sync, timeout_s=timeout, overwrite=overwrite, terminal=run.terminal
        )


def fetch_jobs(
    farm: FarmConnection,
    jobs: Sequence[str],
    *,
    out: Path,
    sync: bool,
    timeout_s: float | None,
    overwrite: bool,
    terminal: Terminal,
) -> ExitCode:
    """Fetch the masters of jobs into a folder, and tell which.

    Args:
        sync: Until the jobs have ended; `timeout_s` as in `follow_jobs`.
        overwrite: Files of these names that hold something else are replaced.

    Raises:
        FarmError: As `Download.fetch` and `follow_jobs`.
    """
    download = Download(farm, folder=out, overwrite=overwrite, terminal=terminal)
    if sync:
        views = follow_jobs(farm, jobs, timeout_s=timeout_s, terminal=terminal, seen=download.fetch)
        errors = [view.ending for view in views]
    else:
        errors = []
        for view in [farm.job(job) for job in jobs]:
            download.fetch(view)
            errors.append(None if view.masters else _nothing_to_fetch(view))
    failed = [error for error in errors if error is not None]
    records = [error.as_record() for error in failed]
    if not terminal.result({"ok": not failed, "files": download.files, "errors": records}):
        for file in download.files:
            terminal.out.print(file["path"], style="bold", markup=False)
        for error in failed:
            terminal.error(error)
    return failed[0].exit_code if failed else ExitCode.OK


class Download:
    """Fetches masters into a folder, each once."""

    def __init__(self, farm: FarmConnection, *, folder: Path, overwrite: bool, terminal: Terminal) -> None:
        """Nothing is fetched yet."""
        self._farm = farm
        self._folder = folder
        self._overwrite = overwrite
        self._terminal = terminal
        self.files: list[dict[str, Any]] = []
        self._fetched: set[tuple[str, int]] = set()

    def fetch(self, job: JobView) -> None:
        """Fetch what is delivered of a job by now.

        Raises:
            OutputRefused: A file of that name holds something else.
            FarmError: As `FarmConnection.fetch`.
        """
        for master in sorted(job.masters, key=lambda each: each.take):
            if (job.job, master.take) not in self._fetched:
                self._fetch(job.job, master)
                self._fetched.add((job.job, master.take))

    def _fetch(self, job: str, master: MasterView) -> None:
        path = self._folder / f"{job}{'' if master.take == 1 else f'.take{master.take}'}.mp4"
        is_there = path.exists() and path.is_file() and sha256_of_file(path) == master.sha256
        if not is_there:
            self._check_free(path)
            self._farm.fetch(master, path)
            self._terminal.note(f"{path}  {master.size_bytes / 1e6:.2f} MB")
        self.files.append({"job": job, "take": master.take, "path": str(path), "sha256": master.sha256})
        if master.captions is not None:
            self._fetch_captions(job, master, beside=path)

    def _fetch_captions(self, job: str, master: MasterView, *, beside: Path) -> None:
        data = self._farm.captions(master)
        path = beside.with_name(f"{beside.stem}.captions.{'vtt' if is_vtt(data) else 'srt'}")
        is_there = path.is_file() and path.read_bytes() == data
        if not is_there:
            self._check_free(path)
            write_whole(path, data, where=str(path))
        sha256 = sha256_of_bytes(data)
        self.files.append({"job": job, "take": master.take, "path": str(path), "sha256": sha256})

    def _check_free(self, path: Path) -> None:
        if path.exists() and not (self._overwrite and path.is_file()):
            raise OutputRefused(
                "holds something else",
                where=str(path),
                code="output_exists",
                hint="choose another folder with --out, or give --overwrite",
            )


def wait_for_jobs(
    farm: FarmConnection,
    names: Sequence[str],
    *,
    terminal: Terminal,
    timeout_s: float | None = None,
    refused: Sequence[tuple[str, FarmError]] = (),
) -> ExitCode:
    """Wait until every job has ended, and tell how.

    Args:
        farm: Where they are.
        names: The jobs.
        terminal: Where to tell it.
        timeout_s: Seconds after which nobody waits any more; None for ever.
        refused: Jobs that the farm did not take, told together with the others; theirs is the exit code.

    Returns:
        OK where all succeeded; otherwise the exit code of the first, in the order given, that did not.

    Raises:
        FarmError: As `follow_jobs`.
    """
    jobs = follow_jobs(farm, names, terminal=terminal, timeout_s=timeout_s)
    endings = [job.ending for job in jobs]
    errors = [*(error for _, error in refused), *(error for error in endings if error)]
    records = [_as_record(name, "refused", error=error) for name, error in refused]
    for job, ending in zip(jobs, endings, strict=True):
        masters = [master.location for master in job.masters]
        records.append(_as_record(job.job, job.state, masters=masters, error=ending))
    if not terminal.result({"ok": not errors, "jobs": records}):
        for job in jobs:
            for place in (*(master.location for master in job.masters), *job.made):
                terminal.out.print(place, style="bold", markup=False)
        for error in errors:
            terminal.error(error)
    return errors[0].exit_code if errors else ExitCode.OK


def follow_jobs(
    farm: FarmConnection,
    names: Sequence[str],
    *,
    terminal: Terminal,
    timeout_s: float | None = None,
    seen: Callable[[JobView], None] = lambda _: None,
) -> list[JobView]:
    """The jobs, once every one has ended. A job that no farm has taken in yet is waited for as well.

    Args:
        seen: Called with every look at a job, at least once after its end.

    Raises:
        FarmError: There is no such job, the farm did not take it in, or it cannot be reached.
        NotEnded: The time is up; the jobs go on.
        Cancelled: Interrupted from the keyboard; the jobs go on.
    """
    jobs: dict[str, JobView] = {}
    told: dict[str, str] = {}
    until = math.inf if timeout_s is None else time.monotonic() + timeout_s
    with _waiting_for(names):
        while True:
            left = [name for name in names if name not in jobs or not jobs[name].is_over]
            for name in left:
                jobs[name] = farm.job(name)
                _tell(jobs[name], told=told, terminal=terminal)
                seen(jobs[name])
            left = [name for name in left if not jobs[name].is_over]
            if not left:
                return [jobs[name] for name in names]
            if time.monotonic() >= until:
                raise _not_ended([jobs[name] for name in left])
            pause_s = max(farm.look_s, len(left) / _LOOKS_A_SECOND if farm.look_s >= 1 else 0.0)
            time.sleep(min(pause_s, max(0.0, until - time.monotonic())))


@contextmanager
def _waiting_for(names: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        hint = "the jobs go on; farm cancel JOB ends one"
        raise Cancelled("stopped waiting", where=", ".join(names), hint=hint) from None


def _as_record(
    job: str, state: str, *, error: FarmError | None, masters: Sequence[str] = ()
) -> dict[str, Any]:
    record = None if error is None else error.as_record()
    return {"job": job, "state": state, "masters": list(masters), "error": record}


def _nothing_to_fetch(job: JobView) -> FarmError:
    ending = job.ending if job.is_over else None
    if ending is not None:
        return ending
    if not job.is_over:
        hint = "farm download --sync waits for it"
        return NotEnded(f"it is {job.state}, and no master is delivered yet", where=job.job, hint=hint)
    return InputNotFound("no master was delivered", where=job.job, code="unknown_master")


def _not_ended(left: Sequence[JobView]) -> NotEnded:
    states = ", ".join(f"{job.job} is {job.state}" for job in left)
    hint = "the jobs go on; farm why JOB says what one waits for"
    return NotEnded(f"the time is up: {states}", where="wait", hint=hint)


def _tell(job: JobView, *, told: dict[str, str], terminal: Terminal) -> None:
    """One sentence for each change of a job's state, for whoever watches."""
    if told.get(job.job) == job.state:
        return
    told[job.job] = job.state
    because = f": {job.reason}" if job.reason and job.needs_a_person else ""
    terminal.note(f"{job.job} is {job.state}{because}")
