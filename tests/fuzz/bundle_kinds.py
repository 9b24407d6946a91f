"""Replay bundles that are damaged, that lie, or that point elsewhere; and farms that are wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml
from damage import damaged, extreme_words
from documents import as_text, changed, edited
from fuzz_case import Attempt, Kinds, Room
from special_files import put_special_file

from farm.execution.calls import ReplicaSetup, SegmentCall
from farm.execution.pools.messages import Task
from farm.execution.stages import SharedWeights
from farm.replay.bundle import Failure
from farm.replay.reading import read_bundle
from farm.replay.writing import write_bundle
from farm.scheduling.scheduler import Scheduler
from farm.scheduling.units import Stage, Unit
from jobs.farm_files import load_farm
from jobs.identity import sha256_of_file
from stages.payloads import MESH_POINTS, TORSO_POINTS, PosedFace

FARM: dict[str, Any] = {
    "apiVersion": "farm/v1",
    "kind": "Farm",
    "metadata": {"name": "main"},
    "spec": {
        "replicas": {"motion": 1, "render": 8},
        "studios": {"north": {"weight": 60}, "west": {"max_replicas": 4, "max_queued_segments": 100}},
        "other_studios": {"weight": 0.5},
        "pool": {"slots": 2, "stall": 60, "cool_down": 300.5},
    },
}


def _bundle(room: Room) -> Path:
    """A whole bundle."""
    face = PosedFace(
        mesh_TN3=np.ones((2, MESH_POINTS, 3), np.float32), torso_TN3=np.ones((2, TORSO_POINTS, 3), np.float32)
    )
    subject = room.recordings / "subjects" / "zoe"
    consent = subject / "consent.pdf"
    setup = ReplicaSetup(
        weights=SharedWeights(motion=consent, composer=consent),
        subject=subject,
        store="memory:",
        profile="preview",
        fps=Fraction(25),
    )
    call = SegmentCall(
        face=face,
        lead=1,
        index=1,
        first_frame=50,
        frame_count=1,
        key="a/b.mp4",
        inspection_key="a/b.json",
    )
    task = Task(key="k", job="hello-7", unit=Unit(1, 1, Stage.RENDER), setup=setup, call=call)
    return write_bundle(
        room.folder / "bundle",
        task=task,
        failure=Failure.crash("it died"),
        engine_version="0.1.0",
        device_kind="cpu",
    )


def _read(folder: Path, room: Room) -> str:
    bundle = read_bundle(folder)
    weights = SharedWeights(motion=room.outside, composer=room.outside)
    task = bundle.task(weights=weights, store="memory:")
    assert task.setup.subject.resolve().is_relative_to(folder.resolve())
    assert bundle.face.frame_count == bundle.record.face_frames
    return "ok"


def _relist(folder: Path) -> None:
    """A liar's work: every hash is right."""
    path = folder / "bundle.json"
    record = json.loads(path.read_text())
    for file in record["files"]:
        there = folder / file["path"]
        file |= {"sha256": sha256_of_file(there), "size_bytes": there.stat().st_size}
    path.write_text(json.dumps(record))


def _files(random: Random, room: Room) -> Attempt:
    folder = _bundle(room)
    path = random.choice(sorted(each for each in folder.rglob("*") if each.is_file()))
    path.write_bytes(damaged(path.read_bytes(), random))
    return lambda: _read(folder, room)


def _lies(random: Random, room: Room) -> Attempt:
    folder = _bundle(room)
    path = folder / "face.safetensors"
    harm = random.choice((damaged, extreme_words))
    path.write_bytes(harm(path.read_bytes(), random))
    _relist(folder)
    return lambda: _read(folder, room)


def _record(random: Random, room: Room) -> Attempt:
    folder = _bundle(room)
    path = folder / "bundle.json"
    record = json.loads(path.read_text())
    text = json.dumps(changed(record, random)) if random.random() < 0.7 else edited(path.read_text(), random)
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    return lambda: _read(folder, room)


def _special(random: Random, room: Room) -> Attempt:
    folder = _bundle(room)
    places = sorted(folder.rglob("*"))
    path = random.choice([each for each in places if each.is_file()])
    if random.random() < 0.7:
        path.unlink()
    else:
        path = path.with_name("more")
    put_special_file(path, random, outside=room.outside)
    return lambda: _read(folder, room)


def _farm(write: Callable[[Random], str]) -> Callable[[Random, Room], Attempt]:
    def kind(random: Random, room: Room) -> Attempt:
        path = room.folder / "farm.yaml"
        path.write_bytes(write(random).encode("utf-8", errors="surrogatepass"))

        def load() -> str:
            Scheduler(load_farm(path).spec, clock=time.monotonic, randomness=random)
            return "ok"

        return load

    return kind


BUNDLE_KINDS: Kinds = {
    "bundle, files": _files,
    "bundle, lies": _lies,
    "bundle, record": _record,
    "bundle, special files": _special,
    "farm, changed": _farm(lambda random: as_text(changed(FARM, random), random)),
    "farm, edited": _farm(lambda random: edited(yaml.safe_dump(FARM), random)),
}
