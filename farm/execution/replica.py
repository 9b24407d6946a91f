"""A replica: one stage with its weights loaded, which answers calls. The same class serves both backends.

A renderer replica draws, encodes, verifies, inspects and commits; what leaves it is a record of a few kilobytes.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from farm.execution.calls import (
    Answer,
    Call,
    FaceCall,
    Refusal,
    ReplicaFacts,
    ReplicaSetup,
    Result,
    SegmentCall,
    WindowCall,
)
from farm.execution.inspecting import inspection_record, keep_inspection, rejection
from farm.execution.stages_factory import Inspector, StageFactory
from farm.scheduling.units import Stage, Unit
from farm.translation import is_final, translate
from infra.storage import open_store
from jobs.errors import FarmError, SegmentRejected, WeightsMismatch
from jobs.identity import sha256_of_bytes
from jobs.manifest import SegmentRecord
from jobs.spec import InspectionPolicy
from stages.encode.profile import profile_named
from stages.encode.segment import encode_segment, verify_segment
from stages.payloads import Motion, PosedFace

logger = logging.getLogger(__name__)

Perform = Callable[[Call], Result]


class Replica:
    """Hosts one stage. `set_up` first, then any number of `perform`."""

    def __init__(self, *, stage: Stage, stages: StageFactory, setup: ReplicaSetup) -> None:
        self._stage = stage
        self._stages = stages
        self._setup = setup
        self._perform: Perform | None = None
        self._inspector: Inspector | None = None

    def set_up(self, *, gpus: tuple[str, ...]) -> ReplicaFacts:
        """Load the weights on the device this replica is pinned to.

        Raises:
            FarmError: The subject package or the weights cannot be used.
        """
        started = time.perf_counter()
        device = "cuda" if gpus else "cpu"
        loaders = {
            Stage.MOTION: self._load_motion,
            Stage.FACE: self._load_face,
            Stage.RENDER: self._load_render,
        }
        try:
            self._perform = loaders[self._stage](device)
        except Exception as error:
            raise translate(error, where=f"{self._stage} replica") from error
        return ReplicaFacts(
            stage=self._stage,
            device=device,
            gpus=gpus,
            pid=os.getpid(),
            setup_seconds=time.perf_counter() - started,
            notice=self._inspector.notice if self._inspector else "",
        )

    def perform(self, unit: Unit, call: Call) -> Answer | Refusal:
        """Do the call. Errors come back as values: exceptions of unknown classes do not survive every transport."""
        if self._perform is None:
            raise RuntimeError("set_up comes before perform")
        started = time.perf_counter()
        try:
            result = self._perform(call)
        except Exception as error:
            logger.info("%s failed", unit, exc_info=error)
            ours = translate(error, where=str(unit))
            ours.where = ours.where or str(unit)
            return self._refusal(unit, ours)
        return Answer(unit=unit, result=result, seconds=time.perf_counter() - started)

    def close(self) -> None:
        """Free what the stage holds; may be called twice."""
        if self._inspector is not None:
            self._inspector.close()

    def _refusal(self, unit: Unit, error: FarmError) -> Refusal:
        if not isinstance(error, SegmentRejected):
            return Refusal(unit=unit, error=error, is_final=is_final(error))
        # Rendering is deterministic: only other memory, other weights in it, can give other pictures.
        may_retry = self._setup.inspection is InspectionPolicy.RETRY
        return Refusal(unit=unit, error=error, is_final=not may_retry, is_replica_suspect=may_retry)

    def _load_motion(self, device: str) -> Perform:
        subject = self._stages.load_subject(self._setup.subject)
        motion = self._stages.load_motion(weights=self._setup.weights.motion, device=device)

        def perform(call: Call) -> Motion:
            assert isinstance(call, WindowCall)
            return motion.predict_window(
                call.samples_S,
                first_frame=call.first_frame,
                frame_count=call.frame_count,
                subject=subject,
                seed=call.seed,
                take=call.take,
            )

        return perform

    def _load_face(self, device: str) -> Perform:
        subject = self._stages.load_subject(self._setup.subject)
        composer = self._stages.load_composer(weights=self._setup.weights.composer, device=device)

        def perform(call: Call) -> PosedFace:
            assert isinstance(call, FaceCall)
            return composer.compose(
                call.motion,
                lead=call.lead,
                frame_count=call.frame_count,
                subject=subject,
                head=call.head,
                blink=call.blink,
                torso=call.torso,
            )

        return perform

    def _load_render(self, device: str) -> Perform:
        setup = self._setup
        subject = self._stages.load_subject(setup.subject)
        profile = profile_named(setup.profile)
        renderer = self._stages.load_renderer(subject=subject, device=device)
        if renderer.size != profile.size:
            raise WeightsMismatch(
                f"the renderer of {subject.name} draws {renderer.size} px, profile {profile.name} wants {profile.size}",
                where="spec.output.profile",
                hint="choose the profile that the subject was trained for",
            )
        inspector = self._stages.load_inspector(subject=subject, folder=setup.subject, size=profile.size)
        self._inspector = inspector
        store = open_store(setup.store)

        def perform(call: Call) -> SegmentRecord:
            assert isinstance(call, SegmentCall)
            inspection = inspector.begin(call.face)
            not_finite_before = renderer.not_finite_frames
            frames = renderer.render(call.face, first_frame=call.first_frame)
            data = encode_segment(inspection.watch(frames), fps=setup.fps, profile=profile)
            verify_segment(data, frame_count=call.face.frame_count, size=profile.size)
            not_finite = renderer.not_finite_frames - not_finite_before
            found = inspection_record(inspection.judge(not_finite_frames=not_finite))
            if found.flagged and setup.inspection is not InspectionPolicy.WARN:
                raise rejection(found)
            digest = sha256_of_bytes(data)
            # Before the segment: what is committed has always been inspected.
            keep_inspection(found, key=call.inspection_key, store=store)
            store.put_if_absent(call.key, data, sha256=digest)
            # Only the record leaves this process.
            return SegmentRecord(
                index=call.index,
                first_frame=call.first_frame,
                frame_count=call.face.frame_count,
                key=call.key,
                sha256=digest,
                size_bytes=len(data),
                inspection=found,
            )

        return perform
