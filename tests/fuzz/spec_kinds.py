"""Render and train jobs that are wrong in every way a file can be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml
from command_line import run_command
from documents import as_text, bomb, changed, edited, encoded, odd_value, with_value
from fuzz_case import Attempt, Kinds, Room
from locations import odd_name, odd_place
from special_files import put_special_file

from farm.destinations import check_destination
from farm.training.delivery import check_outputs
from farm.training.train_plan import plan_training
from jobs.locations import is_s3
from jobs.parse import load_job, load_training

RENDER: dict[str, Any] = {
    "apiVersion": "farm/v1",
    "kind": "RenderJob",
    "metadata": {"name": "hello", "project": "demo"},
    "spec": {
        "speech": "hello.wav",
        "subject": "package",
        "seed": 7,
        "takes": 2,
        "motion": {"head": 1.0, "blink": 0.5, "torso": 0},
        "output": {"profile": "preview", "uri": "../out/hello.mp4"},
        "scheduling": {"tier": "bulk", "weight": 2, "max_gpu_seconds": 60, "on_quarantine": "fill"},
    },
}
TRAIN: dict[str, Any] = {
    "apiVersion": "farm/v1",
    "kind": "TrainJob",
    "metadata": {"name": "zoe"},
    "spec": {
        "stage": "renderer",
        "clips": ["package", "../jobs/pack*"],
        "preset": "cpu",
        "start_from": "base",
        "subject": "package",
        "seed": 0,
        "steps": 100,
        "workers": 1,
        "network": {"temporal_encoding": True, "losses": "preset"},
        "checkpoints": {"every": 10, "keep": 2},
        "validation": {"every": 10},
        "output": {"uri": "../out/zoe.safetensors"},
    },
}
RENDER_PLACES = (("spec", "speech"), ("spec", "subject"), ("spec", "output", "uri"))
TRAIN_PLACES = (("spec", "start_from"), ("spec", "subject"), ("spec", "output", "uri"), ("spec", "clips", 0))
NAMES = (("metadata", "name"), ("metadata", "project"))

Write = Callable[[dict[str, Any], Random], bytes]


def _edited(record: dict[str, Any], random: Random) -> bytes:
    return edited(as_text(record, random), random).encode("utf-8", errors="surrogatepass")


def _changed(record: dict[str, Any], random: Random) -> bytes:
    return as_text(changed(record, random), random).encode("utf-8", errors="surrogatepass")


def _bomb(_record: dict[str, Any], random: Random) -> bytes:
    return bomb(random).encode("utf-8", errors="surrogatepass")


def _encoded(record: dict[str, Any], random: Random) -> bytes:
    data = encoded(as_text(record, random), random)
    return data if random.random() < 0.5 else data[: random.randrange(len(data))] + random.randbytes(3)


def _places(record: dict[str, Any], random: Random) -> bytes:
    choices = RENDER_PLACES if record is RENDER else TRAIN_PLACES
    for path in random.sample(choices, random.choice((1, 1, 2))):
        record = with_value(record, path, odd_place(random))
    return as_text(record, random).encode("utf-8", errors="surrogatepass")


def _names(record: dict[str, Any], random: Random) -> bytes:
    record = with_value(record, random.choice(NAMES), odd_name(random))
    if random.random() < 0.3:
        del record["spec"]["output"]
    return as_text(record, random).encode("utf-8", errors="surrogatepass")


def _whole(record: dict[str, Any], random: Random) -> bytes:
    return as_text(record, random).encode()


def _studio(room: Room) -> Path:
    """A folder of jobs with a recording and a package beside them."""
    jobs = room.folder / "studio" / "jobs"
    jobs.mkdir(parents=True)
    shutil.copy(room.recordings / "speech" / "a.wav", jobs / "hello.wav")
    shutil.copytree(room.recordings / "subjects" / "zoe", jobs / "package")
    return jobs


def _name(random: Random, data: bytes) -> str:
    return random.choice(("job.json", "job.yaml", "job")) if data.lstrip().startswith(b"{") else "job.yaml"


def _render(write: Write) -> Callable[[Random, Room], Attempt]:
    def kind(random: Random, room: Room) -> Attempt:
        data = write(RENDER, random)
        path = _studio(room) / _name(random, data)
        path.write_bytes(data)
        return lambda: _plan(path, room)

    return kind


def _train(write: Write) -> Callable[[Random, Room], Attempt]:
    def kind(random: Random, room: Room) -> Attempt:
        data = write(TRAIN, random)
        path = _studio(room) / _name(random, data)
        path.write_bytes(data)
        return lambda: _plan_training(path, room)

    return kind


def _no_file(random: Random, room: Room) -> Attempt:
    path = _studio(room) / "job.yaml"
    put_special_file(path, random, outside=room.outside, pipes=False)
    plan = random.choice((_plan, _plan_training))
    return lambda: plan(path, room)


def _options(random: Random, room: Room) -> Attempt:
    """Values that come from the command line of ``farm train``, over those of the file."""
    path = _studio(room) / "job.yaml"
    path.write_text(yaml.safe_dump(TRAIN))
    names = ("stage", "clips", "held_out", "start_from", "subject", "preset", "steps", "workers")
    fields: dict[tuple[str | int, ...], Any] = {
        ("spec", name): odd_value(random) for name in random.sample(names, random.randint(1, 3))
    }
    return lambda: _plan_training(path, room, fields=fields)


def _plan(path: Path, room: Room) -> str:
    """What ``farm render`` does before it renders."""
    code = run_command("plan", path, "--store", room.folder / "store")
    if code == "ok":
        loaded = load_job(path)
        for take in range(1, loaded.job.spec.takes + 1):
            _check(loaded.master(take=take), room)
    return code


def _plan_training(path: Path, room: Room, **more: Any) -> str:
    """What ``farm train`` does before it trains."""
    loaded = load_training(path, **more)
    plan = plan_training(loaded, cache=room.folder / "cache")
    room.bench.watch.allow(Path(plan.output).parent)
    check_outputs(plan)
    return "ok"


def _check(location: str, room: Room) -> None:
    if not is_s3(location):
        # A job may say where its master goes, and the place is tried out.
        room.bench.watch.allow(Path(location).parent)
        check_destination(Path(location), need_bytes=1000, where="spec.output.uri")


SPEC_KINDS: Kinds = {
    "render job, whole": _render(_whole),
    "render job, edited": _render(_edited),
    "render job, other values": _render(_changed),
    "render job, places": _render(_places),
    "render job, names": _render(_names),
    "render job, encoding": _render(_encoded),
    "job, bomb": _render(_bomb),
    "train job, edited": _train(_edited),
    "train job, other values": _train(_changed),
    "train job, places": _train(_places),
    "train job, options": _options,
    "job, no file": _no_file,
}
