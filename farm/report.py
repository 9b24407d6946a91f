"""What a finished render tells: the masters, and where the time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from farm.progress import Step
from farm.tally import InspectionTally


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTake:
    """One master.

    Attributes:
        take: Number of the take, from 1.
        master: Path or URI of the video.
        manifest: Path or URI of its manifest.
        sha256: Hash of the video.
        size_bytes: Size of the video.
    """

    take: int
    master: str
    manifest: str
    sha256: str
    size_bytes: int

    def as_record(self) -> dict[str, Any]:
        """The take as plain data."""
        return {
            "take": self.take,
            "master": self.master,
            "manifest": self.manifest,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
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
        segments_found: Those of them that an earlier run had committed.
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
