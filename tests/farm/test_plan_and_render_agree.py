"""What `farm plan` accepts, `farm render` renders; what one refuses, the other refuses for the same reason."""

from __future__ import annotations

import io
import json
import os
import tempfile
import wave
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from fake_stages import FakeStages, Fault
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farm.cli import main
from farm.cli.wiring import Wiring
from farm.execution.opening import opened_inline
from farm.execution.pools.backend import PoolBackend
from infra.hardware import Hardware
from jobs.errors import ExitCode

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())


@dataclass(frozen=True, kw_only=True)
class World:
    """A studio's folder and the job in it: everything that a plan and a render may find there."""

    speech: str = "hello.wav"
    subject: str = "builtin:fake"
    profile: str = "preview"
    size: int = 256
    has_consent: bool = True
    damaged: str = ""
    fails_to_load: bool = False
    output: str = "out/hello.mp4"
    in_the_way: str = ""
    takes: int = 1
    policy: str = "retry"
    committed: str = ""
    store: str = "store"
    overwrite: bool = False

    def make(self, folder: Path) -> None:
        """Write it; what was committed before was rendered by a farm that went on whatever it drew."""
        stages = FakeStages.in_folder(folder / "stages")
        (folder / "stages" / "subjects" / "fake" / "size").write_text(str(self.size))
        jane = stages.add_subject("jane", shade=1.0)
        (jane / "size").write_text(str(self.size))
        speak(folder / "hello.wav", seconds=1.0, loudness=0.3)
        speak(folder / "silent.wav", seconds=1.0, loudness=0.0)
        (folder / "text.wav").write_text("no sound")
        (folder / "empty.wav").touch()
        (folder / "folder").mkdir()
        (folder / "file").write_text("a file")
        if self.committed:
            flaw = Fault(stage="render", frame=0, kind="black", times=99)
            faults = (flaw,) if self.committed == "flagged" else ()
            before = FakeStages.in_folder(folder / "stages", faults=faults)
            code, _ = command("render", self.write_job(folder, policy="warn"), stages=before, folder=folder)
            assert code == ExitCode.OK or self.is_hopeless
        if not self.has_consent:
            for subject in ("fake", "jane"):
                (folder / "stages" / "subjects" / subject / "no-consent").touch()
        if self.damaged:
            (folder / "stages" / f"{self.damaged}.weights").write_bytes(b"damaged")
        if self.in_the_way:
            # Where nothing can be put, nothing is in the way.
            with suppress(OSError):
                self.put_in_the_way(folder / self.output)
        self.write_job(folder, policy=self.policy)

    def put_in_the_way(self, master: Path) -> None:
        if self.in_the_way == "a folder":
            master.with_suffix(".manifest.json").mkdir(parents=True)
        else:
            master.parent.mkdir(parents=True, exist_ok=True)
            master.write_bytes(b"my own")

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing can have been committed before."""
        return self != World(committed=self.committed, in_the_way=self.in_the_way, policy=self.policy)

    def stages(self, folder: Path) -> FakeStages:
        faults = (Fault(stage="load", frame=0, kind="raise", times=99),) if self.fails_to_load else ()
        return FakeStages(folder=folder / "stages", faults=faults)

    def write_job(self, folder: Path, *, policy: str) -> Path:
        spec = {
            "speech": self.speech,
            "subject": self.subject,
            "takes": self.takes,
            "inspection": {"policy": policy},
            "output": {"profile": self.profile, "uri": self.output},
        }
        job = {"apiVersion": "farm/v1", "kind": "RenderJob", "metadata": {"name": "hello"}, "spec": spec}
        (folder / "job.json").write_text(json.dumps(job))
        return folder / "job.json"

    def command(self, name: str, folder: Path) -> tuple[int, str]:
        options = ["--store", str(folder / self.store)]
        options += ["--overwrite"] if self.overwrite else []
        return command(name, folder / "job.json", *options, stages=self.stages(folder), folder=folder)


def speak(path: Path, *, seconds: float, loudness: float) -> None:
    sound_S = loudness * np.sin(np.arange(round(16_000 * seconds)) / 9)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((sound_S * 32767).astype("<i2").tobytes())


def inline(*, stages: Any, **_ignored: Any) -> AbstractContextManager[PoolBackend]:
    return opened_inline(stages=stages)


def never(**_ignored: Any) -> AbstractContextManager[PoolBackend]:
    raise AssertionError("no replica is needed to know this")


def command(
    name: str, *arguments: Any, stages: FakeStages, folder: Path, opens: Any = inline
) -> tuple[int, str]:
    """Its exit code and the code of its error."""
    wiring = Wiring(stages=stages, open_on=opens, probe=lambda: MACHINE)
    known = {"FARM_CACHE": str(folder / "cache"), "FARM_STORE": str(folder / "store")}
    out = io.StringIO()
    with mock.patch.dict(os.environ, known), redirect_stdout(out), redirect_stderr(io.StringIO()):
        exit_code = main([name, *map(str, arguments), "--json"], wiring=wiring)
    error = json.loads(out.getvalue()).get("error") or {}
    return exit_code, str(error.get("code", ""))


def check(world: World) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        world.make(Path(one))
        world.make(Path(two))
        planned, rendered = world.command("plan", Path(one)), world.command("render", Path(two))
        # And the one after the other, as people do.
        in_order = world.command("render", Path(one))
    assert planned == rendered == in_order
    return planned


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """What is usual as often as not: two things that are wrong at once hide one another."""
    return st.one_of(st.just(usual), st.just(usual), st.just(usual), st.sampled_from([usual, *others]))


WORLDS = st.builds(
    World,
    speech=mostly("hello.wav", "missing.wav", "silent.wav", "text.wav", "empty.wav", "folder", "file/x.wav"),
    subject=mostly(
        "builtin:fake", "builtin:nobody", "stages/subjects/jane", "stages/subjects/nobody", "hello.wav"
    ),
    profile=mostly("preview", "full"),
    size=mostly(256, 384, 512),
    has_consent=mostly(True, False),
    damaged=mostly("", "motion", "composer"),
    fails_to_load=mostly(False, True),
    output=mostly(
        "out/hello.mp4",
        "hello.mp4",
        "folder/../hello.mp4",
        "file/hello.mp4",
        "stages/subjects/jane/x.mp4",
        "stages/subjects/fake/x.mp4",
        "store/renders/x.mp4",
        "/proc/farm/hello.mp4",
        f"out/{'x' * 240}.mp4",
    ),
    in_the_way=mostly("", "foreign", "a folder"),
    takes=mostly(1, 2, 3),
    policy=st.sampled_from(["retry", "fail", "warn"]),
    committed=mostly("", "good", "flagged"),
    store=mostly("store", "file", "file/store", "/proc/farm"),
    overwrite=st.booleans(),
)


@given(world=WORLDS)
@settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_job_that_is_planned_is_never_refused_at_its_render(world: World) -> None:
    check(world)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@given(world=WORLDS)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_many_jobs_that_are_planned_are_never_refused_at_their_render(world: World) -> None:
    check(world)


@pytest.mark.parametrize(
    ("world", "code"),
    [
        (World(), ""),
        (World(profile="full", size=512), ""),
        (World(profile="full"), "weights_mismatch"),
        (World(size=512), ""),
        (World(size=384), "weights_mismatch"),
        (World(speech="missing.wav"), "input_not_found"),
        (World(subject="builtin:nobody"), "unknown_subject"),
        (World(damaged="motion"), "weights_keys"),
        (World(damaged="composer"), "weights_keys"),
        (World(has_consent=False), "subject_no_consent"),
        (World(in_the_way="foreign"), "output_exists"),
        (World(in_the_way="foreign", overwrite=True), ""),
        (World(in_the_way="a folder", overwrite=True), "output_unwritable"),
        (World(output="store/renders/x.mp4", overwrite=True), "output_is_input"),
        (World(output="file/hello.mp4"), "output_unwritable"),
        (World(committed="flagged", policy="warn"), ""),
        (World(committed="flagged", policy="fail"), "segment_rejected"),
        (World(committed="good", fails_to_load=True), ""),
    ],
    ids=str,
)
def test_both_say_why(world: World, code: str) -> None:
    assert check(world)[1] == code


@pytest.mark.parametrize("fails", [{"fails_to_load": True}, {"store": "file"}])
def test_both_refuse_what_cannot_be_loaded_or_kept(fails: dict[str, Any]) -> None:
    assert check(World(**fails))[0] != ExitCode.OK


def test_a_renderer_of_another_size_is_refused_before_replicas_are_asked_for(tmp_path: Path) -> None:
    world = World(profile="full")
    world.make(tmp_path)
    for name in ("plan", "render"):
        refused = command(
            name, tmp_path / "job.json", stages=world.stages(tmp_path), folder=tmp_path, opens=never
        )
        assert refused == (ExitCode.CASTING, "weights_mismatch")
