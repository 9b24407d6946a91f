"""Pools driven by hand: tasks of a few lines, and everything that happened, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from fake_stages import MOTION_CONTEXT, SPEECH_CONTEXT, FakeStages

from farm.config import PoolSizes
from farm.execution.calls import Call, FaceCall, ReplicaSetup, SegmentCall, WindowCall
from farm.execution.pools.backend import PoolBackend
from farm.execution.pools.messages import (
    Began,
    Finished,
    Gone,
    Joined,
    PoolEvent,
    Refused,
    StoppedAsAsked,
    TakenBack,
    Task,
    TaskAdvanced,
)
from farm.scheduling.units import Stage, Unit
from jobs.framerate import FRAME_RATE
from jobs.spec import InspectionPolicy
from stages.payloads import (
    MESH_POINTS,
    MOTION_CHANNELS,
    SAMPLES_PER_FRAME,
    TORSO_POINTS,
    Motion,
    PosedFace,
)

Kind = TypeVar("Kind", bound=PoolEvent)

SEGMENT_FRAMES = 10
ENDS = (Finished, Refused, TakenBack, StoppedAsAsked)


class OnlyRender(PoolSizes):
    """A pool of renderers and no other: each replica less starts seconds sooner."""

    @property
    def total(self) -> int:
        return self.render

    def by_stage(self) -> Mapping[Stage, int]:
        return {Stage.RENDER: self.render}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """Makes tasks; those of one job differ from those of another in the keys of what they commit."""

    stages: FakeStages
    store: str

    def setup(
        self, subject: str = "fake", *, inspection: InspectionPolicy = InspectionPolicy.RETRY
    ) -> ReplicaSetup:
        return ReplicaSetup(
            weights=self.stages.shared_weights(),
            subject=self.stages.folder / "subjects" / subject,
            store=self.store,
            profile="preview",
            fps=FRAME_RATE,
            inspection=inspection,
        )

    def window(self, index: int, *, job: str = "a", subject: str = "fake", frames: int = 20) -> Task:
        generator = np.random.default_rng(index)
        samples_S = generator.normal(size=(frames + 2 * SPEECH_CONTEXT) * SAMPLES_PER_FRAME)
        call = WindowCall(
            samples_S=samples_S.astype(np.float32),
            first_frame=index * frames,
            frame_count=frames,
            seed=3,
            take=1,
        )
        return self._task(Stage.MOTION, index, call, job=job, subject=subject)

    def face(self, index: int, *, job: str = "a", subject: str = "fake", frames: int = 20) -> Task:
        generator = np.random.default_rng(index)
        rows_TC = generator.normal(size=(frames + MOTION_CONTEXT, MOTION_CHANNELS)).astype(np.float32)
        call = FaceCall(
            motion=Motion.from_rows(rows_TC), lead=0, frame_count=frames, head=1.0, blink=1.0, torso=1.0
        )
        return self._task(Stage.FACE, index, call, job=job, subject=subject)

    def segment(
        self,
        index: int,
        *,
        job: str = "a",
        subject: str = "fake",
        frames: int = SEGMENT_FRAMES,
        inspection: InspectionPolicy = InspectionPolicy.RETRY,
    ) -> Task:
        generator = np.random.default_rng(index)
        mesh_TN3 = np.empty((frames, MESH_POINTS, 3), dtype=np.float32)
        # No two are alike: two that followed each other would be taken for a picture that stands still.
        mesh_TN3[:] = (100 + 2.9 * generator.permutation(frames))[:, None, None]
        face = PosedFace(mesh_TN3=mesh_TN3, torso_TN3=np.zeros((frames, TORSO_POINTS, 3), dtype=np.float32))
        call = SegmentCall(
            face=face,
            lead=0,
            index=index,
            first_frame=index * frames,
            frame_count=frames,
            key=f"{job}/{index}.mp4",
            inspection_key=f"{job}/{index}.inspection.json",
        )
        return self._task(Stage.RENDER, index, call, job=job, subject=subject, inspection=inspection)

    def committed(self, task: Task) -> bytes | None:
        """What a segment left in the store."""
        assert isinstance(task.call, SegmentCall)
        path = Path(self.store) / task.call.key
        return path.read_bytes() if path.exists() else None

    def _task(
        self,
        stage: Stage,
        index: int,
        call: Call,
        *,
        job: str,
        subject: str,
        inspection: InspectionPolicy = InspectionPolicy.RETRY,
    ) -> Task:
        unit = Unit(take=1, index=index, stage=stage)
        return Task(
            key=f"{job}/{stage}/{index}",
            job=job,
            unit=unit,
            setup=self.setup(subject, inspection=inspection),
            call=call,
        )


@dataclass(slots=True)
class DrivenPools:
    """Pools, what happened in them, and when (seconds of the monotonic clock)."""

    backend: PoolBackend
    happened: list[PoolEvent] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def turn(self, *, timeout_s: float = 0.5) -> None:
        """Wait once."""
        for event in self.backend.wait(timeout_s=timeout_s):
            self.happened.append(event)
            self.at.append(time.monotonic())

    def until(self, condition: Callable[[], Any], *, within_s: float = 60.0) -> Any:
        """Wait until the condition holds; returns what it says."""
        deadline = time.monotonic() + within_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {within_s} s; happened: {self.happened}"
            self.turn()
        return found

    def quiet(self, *, for_s: float) -> None:
        """Go on for a while, whatever happens."""
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline:
            self.turn(timeout_s=0.1)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """Everything of a kind that happened."""
        return [event for event in self.happened if isinstance(event, kind)]

    def joined(self, stage: Stage = Stage.RENDER, *, count: int = 1, within_s: float = 60.0) -> list[Joined]:
        """The replicas of a stage that joined, once there were this many."""

        def enough() -> list[Joined]:
            found = [joined for joined in self.of(Joined) if joined.stage is stage]
            return found if len(found) >= count else []

        joined: list[Joined] = self.until(enough, within_s=within_s)
        return joined

    def replica(self, stage: Stage = Stage.RENDER) -> str:
        """The latest replica of a stage."""
        return self.joined(stage)[-1].replica

    def pid(self, replica: str) -> int:
        """Its process."""
        return next(joined.facts.pid for joined in self.of(Joined) if joined.replica == replica)

    def told(self, key: str) -> list[PoolEvent]:
        """Everything that happened to a task; `Gone` too, if it names it."""
        return [
            event
            for event in self.happened
            if getattr(event, "key", None) == key or (isinstance(event, Gone) and key in event.tasks)
        ]

    def ends(self, key: str) -> list[PoolEvent]:
        """What a task came to; exactly one thing, if all is well."""
        return [event for event in self.told(key) if not isinstance(event, (Began, TaskAdvanced))]

    def end(self, key: str, *, within_s: float = 60.0) -> Any:
        """What a task came to, once it came to something."""
        ends = self.until(lambda: self.ends(key), within_s=within_s)
        return ends[0]

    def when(self, kind: type[PoolEvent]) -> float:
        """When something of a kind happened last."""
        return next(
            at
            for event, at in zip(reversed(self.happened), reversed(self.at), strict=True)
            if isinstance(event, kind)
        )
