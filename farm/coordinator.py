"""Drives one render: carries out what the scheduler decides, and tells it what happened.

The loop is thin on purpose. What may be dispatched is decided in `farm.scheduling`, how it runs in `farm.execution`;
here the payloads are cut, merged and forgotten again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from farm.config import SLOTS_PER_REPLICA, PoolSizes
from farm.execution.backend import ExecutionBackend
from farm.execution.calls import Answer, Call, FaceCall, Outcome, Refusal, SegmentCall, WindowCall
from farm.progress import Listener, Step, StopWatch
from farm.scheduling.progression import Limits, Progression
from farm.scheduling.units import (
    Action,
    Dispatch,
    Done,
    Event,
    Failed,
    GiveUp,
    Lost,
    Owner,
    Release,
    SegmentNeeds,
    Stage,
    Unit,
)
from farm.tally import InspectionTally
from jobs.errors import FarmError, ReplicaLost, SegmentFailed, SegmentRejected
from jobs.manifest import SegmentRecord
from jobs.plan import RenderPlan
from stages.moda.merge import merge_windows
from stages.payloads import Motion, PosedFace
from stages.speech.context import speech_slice

logger = logging.getLogger(__name__)

# How long one look at the pools may take; an interrupt ends it early.
_LOOK_S = 1.0

SegmentName = tuple[int, int]
"""Take and index of a segment."""


def brakes(pools: PoolSizes) -> Limits:
    """Room for every pool to stay busy and no more, so that memory does not grow with the speech."""
    slots = {stage: size * SLOTS_PER_REPLICA for stage, size in pools.by_stage().items()}
    return Limits(
        in_flight=slots,
        windows_held=slots[Stage.MOTION] + 4,
        faces_held=slots[Stage.FACE] + slots[Stage.RENDER],
    )


class Coordinator:
    """One render on a backend whose replicas are ready. Use once."""

    def __init__(
        self,
        *,
        plan: RenderPlan,
        samples_S: NDArray[np.float32],
        speech_context: int,
        backend: ExecutionBackend,
        pools: PoolSizes,
        listener: Listener,
        watch: StopWatch,
    ) -> None:
        """Args: samples_S: the whole speech at 16 kHz; speech_context: frames of it either side of a window."""
        self._plan = plan
        self._samples_S = samples_S
        self._speech_context = speech_context
        self._backend = backend
        self._pools = pools
        self._listener = listener
        self._watch = watch
        self._motions: dict[Unit, Motion] = {}
        self._faces: dict[Unit, PosedFace] = {}
        self._committed: dict[SegmentName, SegmentRecord] = {}
        self._errors: dict[Unit, FarmError] = {}
        self._tally = InspectionTally()

    def run(
        self, missing: Collection[SegmentName], *, committed: Mapping[SegmentName, SegmentRecord]
    ) -> Mapping[SegmentName, SegmentRecord]:
        """Render and commit the missing segments; returns the record of each, and of those `committed` before.

        Raises:
            FarmError: The render cannot be finished. What was committed stays committed.
        """
        needs = [
            SegmentNeeds(take=take, index=index, windows=tuple(self._plan.segments[index].windows))
            for take, index in sorted(missing)
        ]
        self._committed = dict(committed)
        self._tally = InspectionTally.of(committed.values())
        core = Progression(segments=needs, limits=brakes(self._pools))
        totals = _totals(needs)
        done = dict.fromkeys(Stage, 0)
        for stage, total in totals.items():
            self._listener.advance(Step.of(stage), done=0, total=total)
        self._carry_out(core.start())
        while not core.is_finished:
            for outcome in self._backend.wait(timeout_s=_LOOK_S):
                if isinstance(outcome, Answer):
                    stage = outcome.unit.stage
                    done[stage] += 1
                    self._watch.add(Step.of(stage), outcome.seconds)
                    self._listener.advance(Step.of(stage), done=done[stage], total=totals[stage])
                self._carry_out(core.on(self._take_in(outcome)))
        return self._committed

    def _take_in(self, outcome: Outcome) -> Event:
        """Keep what an outcome brought and say what it means to the scheduler."""
        unit = outcome.unit
        if isinstance(outcome, Answer):
            result = outcome.result
            if isinstance(result, Motion):
                self._motions[unit] = result
            elif isinstance(result, PosedFace):
                self._faces[unit] = result
            else:
                self._committed[unit.take, unit.index] = result
                self._tell_found(unit, result)
            return Done(unit)
        if isinstance(outcome, Refusal):
            logger.info("%s: %s", unit, outcome.error)
            if outcome.is_replica_suspect and unit not in self._errors:
                self._listener.note(f"{unit}: {outcome.error.message}; another replica renders it once more")
            self._errors[unit] = outcome.error
            return Failed(unit, is_final=outcome.is_final)
        self._errors[unit] = ReplicaLost(outcome.reason, where=str(unit))
        if outcome.was_running:
            self._listener.note(f"the replica of {unit} was lost and is replaced")
        return Lost(unit, was_running=outcome.was_running)

    def _tell_found(self, unit: Unit, record: SegmentRecord) -> None:
        """Say what the inspection found: the tally always, a flagged segment by name."""
        if record.inspection is not None and record.inspection.flagged:
            what = "; ".join(check.finding() for check in record.inspection.flagged)
            self._listener.note(f"{unit} is flagged: {what}")
        self._tally = self._tally.with_segment(record)
        self._listener.inspected(self._tally)

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Dispatch):
                self._backend.submit(action.unit, self._call(action.unit))
            elif isinstance(action, Release):
                (self._motions if action.unit.stage is Stage.MOTION else self._faces).pop(action.unit)
            else:
                raise self._verdict(action)

    def _call(self, unit: Unit) -> Call:
        if unit.stage is Stage.MOTION:
            return self._window_call(unit)
        if unit.stage is Stage.FACE:
            return self._face_call(unit)
        return SegmentCall(
            face=self._faces[Unit(unit.take, unit.index, Stage.FACE)],
            index=unit.index,
            first_frame=self._plan.segments[unit.index].frames.start,
            key=self._plan.segment_key(take=unit.take, index=unit.index),
            inspection_key=self._plan.inspection_key(take=unit.take, index=unit.index),
        )

    def _window_call(self, unit: Unit) -> WindowCall:
        frames = self._plan.windows[unit.index].frames
        samples_S = speech_slice(
            self._samples_S,
            first_frame=frames.start,
            frame_count=len(frames),
            context_frames=self._speech_context,
        )
        return WindowCall(
            samples_S=samples_S,
            first_frame=frames.start,
            frame_count=len(frames),
            seed=self._plan.seed,
            take=unit.take,
        )

    def _face_call(self, unit: Unit) -> FaceCall:
        segment = self._plan.segments[unit.index]
        windows = {
            self._plan.windows[index].frames.start: self._motions[Unit(unit.take, index, Stage.MOTION)]
            for index in segment.windows
        }
        amplitudes = self._plan.motion
        return FaceCall(
            motion=merge_windows(windows, start=segment.motion.start, stop=segment.motion.stop),
            lead=segment.frames.start - segment.motion.start,
            frame_count=len(segment.frames),
            head=amplitudes.head,
            blink=amplitudes.blink,
            torso=amplitudes.torso,
        )

    def _verdict(self, end: GiveUp) -> FarmError:
        """The error that ends the job, in the family of its owner."""
        last = self._errors[end.unit]
        if end.owner is Owner.INFRASTRUCTURE:
            return ReplicaLost(
                f"{end.reason}; last: {last.message}",
                where=str(end.unit),
                hint="run the job again: committed segments are not rendered twice",
            )
        if isinstance(last, SegmentRejected) or not isinstance(last, (SegmentFailed, ReplicaLost)):
            return last
        return SegmentFailed(
            f"{end.reason}; last: {last.message}", where=str(end.unit), hint=last.hint, code=_code(last)
        )


def _code(last: FarmError) -> str:
    # A crash is no code of a stage; the segment's failure is what it comes to.
    return last.code if isinstance(last, SegmentFailed) else SegmentFailed.default_code


def _totals(needs: Iterable[SegmentNeeds]) -> dict[Stage, int]:
    listed = list(needs)
    windows = {(need.take, window) for need in listed for window in need.windows}
    return {Stage.MOTION: len(windows), Stage.FACE: len(listed), Stage.RENDER: len(listed)}
