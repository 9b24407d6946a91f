"""A replica: one stage with its weights loaded, which answers calls. The same class serves both backends.

A renderer replica draws, encodes, verifies and commits; what leaves it is a record of under a kilobyte.
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
from farm.execution.stages_factory import StageFactory
from farm.scheduling.units import Stage, Unit
from farm.translation import is_final, translate
from infra.storage import open_store
from jobs.errors import WeightsMismatch
from jobs.identity import sha256_of_bytes
from jobs.manifest import SegmentRecord
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
            return Refusal(unit=unit, error=ours, is_final=is_final(ours))
        return Answer(unit=unit, result=result, seconds=time.perf_counter() - started)

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
        store = open_store(setup.store)

        def perform(call: Call) -> SegmentRecord:
            assert isinstance(call, SegmentCall)
            frames = renderer.render(call.face, first_frame=call.first_frame)
            data = encode_segment(frames, fps=setup.fps, profile=profile)
            verify_segment(data, frame_count=call.face.frame_count, size=profile.size)
            digest = sha256_of_bytes(data)
            store.put_if_absent(call.key, data, sha256=digest)
            # Only the record leaves this process.
            return SegmentRecord(
                index=call.index,
                first_frame=call.first_frame,
                frame_count=call.face.frame_count,
                key=call.key,
                sha256=digest,
                size_bytes=len(data),
            )

        return perform
