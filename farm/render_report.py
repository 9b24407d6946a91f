"""What a finished render tells: the masters, and where the time went."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Protocol, Self

from farm.scheduling.units import Stage
from jobs.manifest import SegmentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTake:
    """One master.

    Attributes:
        take: Number of the take, from 1.
        master: Path or URI of the video.
        manifest: Path or URI of its manifest.
        sha256: Hash of the video.
        size_bytes: Size of the video.
        captions: Path or URI of the captions beside it; None where there are none.
    """

    take: int
    master: str
    manifest: str
    sha256: str
    size_bytes: int
    captions: str | None = None

    def as_record(self) -> dict[str, Any]:
        """The take as plain data."""
        return {
            "take": self.take,
            "master": self.master,
            "manifest": self.manifest,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            **({} if self.captions is None else {"captions": self.captions}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderReport:
    """A finished job.

    Attributes:
        takes: The masters.
        plan_hash: Hash of the plan.
        store: Address of the store.
        device_kind: ``cuda`` or ``cpu``.
        frame_count: Frames of each master.
        speech_seconds: Length of the speech, exactly.
        segments_total: Segments of all takes.
        segments_found: Those of them that the store held.
        inspection: What the inspection of all segments comes to.
        step_seconds: Seconds of work by step; pools work at the same time, so they add up to more than the wall clock.
            The start-up is wall clock: until every replica was ready, without reading the speech.
        wall_seconds: Wall clock of the rest, from reading the speech to the last master.
    """

    takes: tuple[FinishedTake, ...]
    plan_hash: str
    store: str
    device_kind: str
    frame_count: int
    speech_seconds: Fraction
    segments_total: int
    segments_found: int
    inspection: InspectionTally
    step_seconds: Mapping[Step, float]
    wall_seconds: float

    @property
    def startup_seconds(self) -> float:
        """Wall clock until every replica was ready, without reading the speech."""
        return self.step_seconds[Step.STARTUP]

    @property
    def seconds_per_second(self) -> float:
        """Wall clock after start-up for one second of speech, over all takes."""
        return self.wall_seconds / float(self.speech_seconds * len(self.takes))

    def work(self) -> list[tuple[Step, float]]:
        """Steps of the render with their seconds, without the start-up."""
        return [(step, seconds) for step, seconds in self.step_seconds.items() if step is not Step.STARTUP]

    def as_record(self) -> dict[str, Any]:
        """The report as plain data for ``--json``."""
        return {
            "takes": [take.as_record() for take in self.takes],
            "plan_hash": self.plan_hash,
            "store": self.store,
            "device_kind": self.device_kind,
            "frame_count": self.frame_count,
            "speech_seconds": float(self.speech_seconds),
            "inspection": self.inspection.as_record(),
            "segments": {"total": self.segments_total, "already_committed": self.segments_found},
            "seconds": {
                "startup": round(self.startup_seconds, 3),
                "render_wall": round(self.wall_seconds, 3),
                "per_second_of_speech": round(self.seconds_per_second, 3),
                "work_by_step": {step.value: round(spent, 3) for step, spent in self.work()},
            },
        }


class Step(StrEnum):
    """What a render is made of, in order. `STARTUP` is the time until every replica is ready."""

    STARTUP = "start-up"
    SPEECH = "speech"
    MOTION = "motion"
    FACE = "face"
    RENDER = "render"
    STITCH = "stitch"

    @classmethod
    def of(cls, stage: Stage) -> Step:
        """The step that a pool works on."""
        return {Stage.MOTION: cls.MOTION, Stage.FACE: cls.FACE, Stage.RENDER: cls.RENDER}[stage]


class RenderListener(Protocol):
    """Watches one render."""

    def advance(self, step: Step, *, done: int, total: int) -> None:
        """`done` of `total` units of the step are finished; called with 0 when the step is known."""
        ...

    def note(self, message: str) -> None:
        """One sentence worth telling, for example that segments were found in the store."""
        ...

    def inspected(self, tally: InspectionTally) -> None:
        """What the inspection of all segments committed so far comes to; called after each of them."""
        ...


class Silent:
    """A listener that shows nothing."""

    def advance(self, step: Step, *, done: int, total: int) -> None:
        """Ignore it."""

    def note(self, message: str) -> None:
        """Ignore it."""

    def inspected(self, tally: InspectionTally) -> None:
        """Ignore it."""


class StopWatch:
    """Seconds of work per step. Pools work at the same time, so the steps add up to more than the wall clock."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(Step, 0.0)

    def add(self, step: Step, seconds: float) -> None:
        """Charge seconds to a step."""
        self._seconds[step] += seconds

    @contextmanager
    def measure(self, step: Step) -> Iterator[None]:
        """Charge the time of the block to a step, also where it raises."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - started)

    def seconds(self) -> dict[Step, float]:
        """Seconds per step so far."""
        return dict(self._seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionTally:
    """Counts over segments.

    Attributes:
        inspected: Segments of which it is known what their pictures show.
        flagged: Those of them that did not pass every check.
        worst_mouth_error_px: The largest mouth error, px on the 512 canvas; None where no mouth was looked for.
    """

    inspected: int = 0
    flagged: int = 0
    worst_mouth_error_px: float | None = None

    @classmethod
    def of(cls, records: Iterable[SegmentRecord]) -> Self:
        """The tally of some segments; those that were never inspected are left out."""
        tally = cls()
        for record in records:
            tally = tally.with_segment(record)
        return tally

    def with_segment(self, record: SegmentRecord) -> Self:
        """The tally with one segment more."""
        found = record.inspection
        if found is None:
            return self
        errors = (self.worst_mouth_error_px, found.value("mouth_error_px"))
        return type(self)(
            inspected=self.inspected + 1,
            flagged=self.flagged + bool(found.flagged),
            worst_mouth_error_px=max((error for error in errors if error is not None), default=None),
        )

    def line(self) -> str:
        """For a person: ``11 inspected, worst mouth error 1.4 px, none flagged``."""
        worst = self.worst_mouth_error_px
        mouth = "mouths not looked for" if worst is None else f"worst mouth error {worst:.1f} px"
        return f"{self.inspected} inspected, {mouth}, {self.flagged or 'none'} flagged"

    def as_record(self) -> dict[str, Any]:
        """The tally as plain data."""
        return {
            "inspected": self.inspected,
            "flagged": self.flagged,
            "worst_mouth_error_px": self.worst_mouth_error_px,
        }
