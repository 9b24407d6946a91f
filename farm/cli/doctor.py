"""`farm doctor`: everything a render needs, tried out one by one, each with what to do where it fails."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from farm.cli.guarding import Run, command
from farm.cli.output import Terminal, libraries_quiet
from farm.destinations import check_destination
from farm.outputs import STORE_FOLDERS
from farm.translation import translate, translated
from infra.cluster import connected_cluster
from infra.hardware import Hardware
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import ExitCode, FormUnavailable, JournalError
from jobs.forms import NetworkForm, check_form
from jobs.locations import is_s3
from jobs.version import engine_version

if TYPE_CHECKING:
    from farm.execution.stages import StageFactory

# Below these a render of a minute may fail half-way: four replicas with their libraries, a minute of segments.
_LEAST_MEMORY_BYTES = 4 * 1024**3
_LEAST_DISK_BYTES = 1024**3

# A master of some minutes: a store may write it in parts.
_LARGE_BYTES = 1024**3

_LIBRARIES = ("torch", "ray", "av", "numpy")

app = typer.Typer()


class Health(StrEnum):
    """The outcome of one check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    name: str
    health: Health
    detail: str
    hint: str = ""

    def as_record(self) -> dict[str, str]:
        """The finding as plain data."""
        return {"name": self.name, "health": self.health.value, "detail": self.detail, "hint": self.hint}


class _Warning(Exception):
    """Not good, but a render may still succeed."""

    def __init__(self, detail: str, hint: str) -> None:
        super().__init__(detail)
        self.hint = hint


Check = Callable[[], str]


@command(app, "doctor", uses_store=True)
def _doctor(run: Run) -> ExitCode:
    """Check that this machine can render: libraries, hardware, encoder, weights, cluster."""
    settings, stages, hardware = run.settings, run.wiring.stages, run.wiring.probe()
    checks: dict[str, Check] = {
        "python": _python,
        "libraries": _libraries,
        "device": lambda: _device(hardware),
        "memory": lambda: _memory(hardware),
        "disk": lambda: _disk(settings),
        "store": lambda: _store(settings),
        "journal": lambda: _journal(settings),
        "video encoder": _encoder,
        "weights": lambda: _weights(stages),
        "subjects": lambda: _subjects(stages),
        "forms": lambda: _forms(stages, hardware),
        "inspection": lambda: _inspection(stages),
        "cluster": lambda: _cluster(settings, hardware),
    }
    with libraries_quiet(), _spinner(run.terminal) as show:
        findings = [_tried(name, check, show) for name, check in checks.items()]
    healthy = all(finding.health is not Health.FAILED for finding in findings)
    record = {"healthy": healthy, "engine": engine_version(), "checks": [f.as_record() for f in findings]}
    if not run.terminal.result(record):
        _show(findings, run.terminal)
    return ExitCode.OK if healthy else ExitCode.INFRASTRUCTURE


def _tried(name: str, check: Check, show: Callable[[str], None]) -> Finding:
    show(name)
    try:
        return Finding(name=name, health=Health.OK, detail=check())
    except _Warning as warning:
        return Finding(name=name, health=Health.WARNING, detail=str(warning), hint=warning.hint)
    except Exception as error:  # noqa: BLE001 - a broken machine fails in any way; the doctor's work is to say which
        ours = translate(error, where=name)
        return Finding(name=name, health=Health.FAILED, detail=ours.line(), hint=ours.hint)


def _python() -> str:
    return f"{platform.python_version()} at {sys.executable}"


def _libraries() -> str:
    return ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)


def _device(hardware: Hardware) -> str:
    gpus = f", {len(hardware.gpus)} GPU" if hardware.gpus else ", no GPU"
    return f"{hardware.device_kind}, {hardware.cores} cores{gpus}"


def _memory(hardware: Hardware) -> str:
    detail = f"{hardware.memory_bytes / 1024**3:.1f} GiB"
    if hardware.memory_bytes < _LEAST_MEMORY_BYTES:
        raise _Warning(f"only {detail}", "render with --replicas 1")
    return detail


def _disk(settings: FarmSettings) -> str:
    folder = settings.cache if is_s3(settings.store) else Path(settings.store)
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1024**3:.1f} GiB free at {existing}"
    if free < _LEAST_DISK_BYTES:
        raise _Warning(f"only {detail}", "free some space, or set FARM_STORE to another disk")
    return detail


def _store(settings: FarmSettings) -> str:
    if not is_s3(settings.store):
        check_destination(Path(settings.store) / "probe", where="store")
    store = open_store(settings.store)
    tried = [("conditional writes", folder, 0) for folder in STORE_FOLDERS]
    for ignored, folder, size_bytes in [
        *tried,
        ("conditions of large objects", STORE_FOLDERS[0], _LARGE_BYTES),
    ]:
        if not store.refuses_second_copies(below=folder, size_bytes=size_bytes):
            raise _Warning(
                f"{settings.store} can be written, but ignores {ignored}",
                "copies are compared by hash, which leaves a moment between two writers; docs/storage.md says more",
            )
    return f"{settings.store} can be written and refuses second copies"


def _journal(settings: FarmSettings) -> str:
    from infra.journal import open_journal

    try:
        journal = open_journal(settings.journal, must_exist=True)
    except JournalError:
        if "://" not in settings.journal and not Path(settings.journal).exists():
            return "none yet; farm serve and farm submit make it"
        raise
    try:
        return f"{journal.address} is whole, {journal.check()} entries"
    finally:
        journal.close()


def _encoder() -> str:
    import numpy as np

    from stages.encode.profile import PREVIEW
    from stages.encode.segment import encode_segment, verify_segment

    size, frames = PREVIEW.size, 3
    data = encode_segment(
        (np.full((size, size, 3), 40 * index, dtype=np.uint8) for index in range(frames)),
        fps=Fraction(25),
        profile=PREVIEW,
    )
    verify_segment(data, frame_count=frames, size=size)
    return f"libx264 encodes {size} px and its pictures decode"


def _weights(stages: StageFactory) -> str:
    weights = stages.shared_weights()
    stages.load_motion(weights=weights.motion, device="cpu")
    stages.load_composer(weights=weights.composer, device="cpu")
    names = [path.name for path in weights.by_name().values()]
    return f"{', '.join(names)} load"


def _subjects(stages: StageFactory) -> str:
    found = stages.builtin_subjects()
    for folder in found.values():
        stages.load_renderer(subject=stages.load_subject(folder), device="cpu", form=NetworkForm.EXACT)
    if not found:
        raise _Warning(
            "no subject ships with this installation", "name the folder of a subject package in the job"
        )
    return ", ".join(f"builtin:{name}" for name in sorted(found))


def _forms(stages: StageFactory, hardware: Hardware) -> str:
    """The forms in which this machine computes a renderer, and of the others why not."""
    folder = next(iter(stages.builtin_subjects().values()), None)
    device, found = "cuda" if hardware.gpus else "cpu", []
    for form in NetworkForm:
        try:
            check_form(form, device_kind=hardware.device_kind)
            if folder is not None:
                with translated("forms"):
                    stages.load_renderer(subject=stages.load_subject(folder), device=device, form=form)
            found.append(form.value)
        except FormUnavailable as error:
            found.append(f"not {form}: {error.message} ({error.hint})")
    return "; ".join(found)


def _inspection(stages: StageFactory) -> str:
    for folder in stages.builtin_subjects().values():
        subject = stages.load_subject(folder)
        inspector = stages.load_inspector(subject=subject, folder=folder, size=stages.picture_size(subject))
        inspector.close()
        if inspector.notice:
            raise _Warning(inspector.notice, "everything else of a render works without")
        return "mouths can be looked for in rendered pictures"
    raise _Warning("no subject to inspect ships with this installation", "")


def _cluster(settings: FarmSettings, hardware: Hardware) -> str:
    with connected_cluster(
        address=settings.ray_address,
        auth=settings.ray_auth,
        logical_cpus=hardware.cores,
        logical_gpus=len(hardware.gpus),
    ) as cluster:
        kind = "starts here" if cluster.is_embedded else f"answers at {cluster.address}"
        return f"Ray {cluster.ray_version} {kind}: {cluster.cpus:g} CPUs, {cluster.gpus:g} GPUs"


@contextmanager
def _spinner(terminal: Terminal) -> Iterator[Callable[[str], None]]:
    if not terminal.shows_progress:
        yield lambda _name: None
        return
    with terminal.err.status("looking") as status:
        yield lambda name: status.update(f"trying the {name}")


def _show(findings: list[Finding], terminal: Terminal) -> None:
    styles = {Health.OK: "green", Health.WARNING: "yellow", Health.FAILED: "bold red"}
    table = Table(show_header=False, box=None, pad_edge=False)
    for finding in findings:
        hint = f"\nhint: {finding.hint}" if finding.hint else ""
        # As text: a path or a code in brackets would be taken for markup.
        health = Text(finding.health.value, style=styles[finding.health])
        table.add_row(health, Text(finding.name), Text(finding.detail + hint))
    terminal.out.print(table)
