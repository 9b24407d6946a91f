"""One job while the farm works on it: what it is made of, what is held in memory for it, and what became of it.

Legend: S samples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from farm.coordination.upstream_order import UpstreamOrder
from farm.execution.calls import FaceCall, ReplicaSetup, SegmentCall, WindowCall
from farm.execution.committed import SegmentName
from farm.preparation import Cast
from farm.render_report import FinishedTake
from farm.replay.bundle import Failure, TryRecord
from farm.scheduling.failure_policy import Patience, UnitRecord
from farm.scheduling.units import SegmentNeeds, Stage, Unit
from jobs.errors import FarmError, ReplicaLost
from jobs.framerate import Span
from jobs.manifest import SegmentRecord
from jobs.parse import LoadedJob
from jobs.places import FoundPlaces
from jobs.plan import RenderPlan, inspection_key
from stages.moda.merge import merge_windows
from stages.payloads import Motion, PosedFace
from stages.speech.context import speech_slice
from stages.speech.decode import Speech


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFace:
    """The posed face of a segment and of its context, and the key that it gives the segment."""

    face: PosedFace
    key: str


@dataclass(slots=True)
class Sketches:
    """How far the takes of a job are drawn that somebody may choose one of.

    Attributes:
        pieces: What the segment of each piece that is drawn would be found by, by the face that it was drawn from.
        seconds: Seconds of replicas that each take has cost so far.
        is_being_shown: All are drawn; they are being joined with the speech.
        are_shown: The journal says where they lie.
    """

    pieces: dict[Unit, str] = field(default_factory=dict)
    seconds: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    is_being_shown: bool = False
    are_shown: bool = False


@dataclass(slots=True, kw_only=True)
class UpstreamWork:
    """What is in memory while windows and faces of the job are wanted.

    Attributes:
        records: What happened to the windows and faces that failed.
        kept: Motion of windows that was predicted before its take was chosen.
    """

    speech: Speech
    order: UpstreamOrder
    records: dict[Unit, UnitRecord] = field(default_factory=dict)
    kept: dict[Unit, Motion] = field(default_factory=dict)
    motions: dict[Unit, Motion] = field(default_factory=dict)
    faces: dict[Unit, HeldFace] = field(default_factory=dict)

    def forget(self, windows: Iterable[Unit]) -> None:
        """Free the motion of windows that nothing will ask for again."""
        for window in windows:
            self.motions.pop(window, None)


@dataclass(slots=True, kw_only=True)
class JobRun:
    """A planned job that has not ended.

    Attributes:
        name: Its name in the farm.
        setup: What its replicas must have loaded.
        records: The record of every committed segment.
        found: Segments of these that this run of the farm found in the store.
        open: There once windows or faces are wanted, gone when the job pauses or ends.
        sketches: What whoever chooses one of its takes can look at.
        tries: What came of each try of a segment that did not commit.
        given_up: The segment that was given up last.
        takes: Masters that are delivered.
        error: What ended it.
        patience: How its speech, its windows and its faces fare.
        notes: What a person should know before it is rendered.
        places: What it reads and writes.
        speech: The speech; without its samples unless they were read for the plan and are still wanted.
    """

    name: str
    loaded: LoadedJob
    cast: Cast
    plan: RenderPlan
    setup: ReplicaSetup
    records: dict[SegmentName, SegmentRecord] = field(default_factory=dict)
    found: int = 0
    open: UpstreamWork | None = None
    sketches: Sketches = field(default_factory=Sketches)
    tries: dict[Unit, list[TryRecord]] = field(default_factory=dict)
    given_up: Unit | None = None
    takes: dict[int, FinishedTake] = field(default_factory=dict)
    error: FarmError | None = None
    patience: Patience = field(default_factory=lambda: Patience(limit_s=0.0))
    speech: Speech
    notes: list[str] = field(default_factory=list)
    places: FoundPlaces = ()

    @property
    def segment_count(self) -> int:
        """Segments of all takes."""
        return self.plan.segment_count

    def unit(self, segment: int, stage: Stage = Stage.RENDER) -> Unit:
        """The unit of a segment that is counted through all takes that are rendered; the plan awaits no choice."""
        place, index = divmod(segment, len(self.plan.segments))
        return Unit(self.plan.rendered_takes[place], index, stage)

    def number(self, unit: Unit) -> int:
        """The inverse: where the unit's segment is, counted through all takes that are rendered."""
        return self.plan.rendered_takes.index(unit.take) * len(self.plan.segments) + unit.index

    def numbers_of_frames(self, first: int, stop: int) -> tuple[int, ...]:
        """Segments of every take that have a frame in [first, stop)."""
        wanted = Span(start=first, stop=stop)
        hit = [segment.index for segment in self.plan.segments if segment.frames.touches(wanted)]
        per_take = len(self.plan.segments)
        return tuple(first + index for first in range(0, self.segment_count, per_take) for index in hit)

    def choose(self, take: int) -> None:
        """Render this take alone; the plan awaited a choice, and nothing of the job is open."""
        self.plan, self.sketches = self.plan.choose(take), Sketches()

    def committed(self) -> frozenset[int]:
        """Segments with a record, counted through all takes that are rendered."""
        return frozenset(self.number(Unit(take, index, Stage.RENDER)) for take, index in self.records)

    def needs(self, segments: Iterable[int]) -> tuple[SegmentNeeds, ...]:
        """What the segments are made of, in order of time."""
        units = sorted(self.unit(segment) for segment in segments)
        return tuple(
            SegmentNeeds(
                take=unit.take, index=unit.index, windows=tuple(self.plan.segments[unit.index].windows)
            )
            for unit in units
        )

    def window_call(self, unit: Unit) -> WindowCall:
        """What predicts the window; the job is open."""
        assert self.open is not None
        frames = self.plan.windows[unit.index].frames
        samples_S: NDArray[np.float32] = speech_slice(
            self.open.speech.samples_S,
            first_frame=frames.start,
            frame_count=len(frames),
            context_frames=self.cast.context.speech,
        )
        return WindowCall(
            samples_S=samples_S,
            first_frame=frames.start,
            frame_count=len(frames),
            seed=self.plan.seed,
            take=unit.take,
        )

    def face_call(self, unit: Unit) -> FaceCall:
        """What composes the face; the job is open and has the motion of the face's windows."""
        assert self.open is not None
        segment = self.plan.segments[unit.index]
        windows: Mapping[int, Motion] = {
            self.plan.windows[index].frames.start: self.open.motions[Unit(unit.take, index, Stage.MOTION)]
            for index in segment.windows
        }
        amplitudes = self.plan.motion
        return FaceCall(
            motion=merge_windows(windows, start=segment.motion.start, stop=segment.motion.stop),
            lead=segment.faces.start - segment.motion.start,
            frame_count=len(segment.faces),
            head=amplitudes.head,
            blink=amplitudes.blink,
            torso=amplitudes.torso,
        )

    def hold_face(self, unit: Unit, face: PosedFace) -> HeldFace:
        """Keep a composed face until its segment is settled; the job is open."""
        assert self.open is not None
        key = self.plan.segment_key(index=unit.index, faces_sha256=face.sha256)
        held = self.open.faces[unit] = HeldFace(face=face, key=key)
        return held

    def note_try(self, unit: Unit, *, replica: str, error: FarmError) -> None:
        """A try of a segment came to nothing."""
        is_loss = isinstance(error, ReplicaLost)
        failure = Failure.crash(error.message) if is_loss else Failure.of(error)
        self.tries.setdefault(unit, []).append(TryRecord(replica=replica, failure=failure))

    def segment_call(self, unit: Unit) -> SegmentCall | None:
        """What renders the segment; None while its face is not composed."""
        held = self.open.faces.get(Unit(unit.take, unit.index, Stage.FACE)) if self.open else None
        if held is None:
            return None
        segment = self.plan.segments[unit.index]
        return SegmentCall(
            face=held.face,
            lead=segment.frames.start - segment.faces.start,
            index=unit.index,
            first_frame=segment.frames.start,
            frame_count=len(segment.frames),
            key=held.key,
            inspection_key=inspection_key(held.key),
            link_key=self.plan.link_key(take=unit.take, index=unit.index),
        )
