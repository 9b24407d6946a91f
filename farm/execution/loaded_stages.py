"""One stage with one subject loaded, and how it is loaded. What a task brings beside that costs nothing to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from farm.execution.calls import Call, FaceCall, ReplicaSetup, Result, SegmentCall, WindowCall
from farm.execution.inspecting import inspection_record, keep_inspection, rejection
from farm.execution.stages_factory import (
    FaceComposer,
    FrameRenderer,
    Inspector,
    MotionPredictor,
    StageFactory,
)
from farm.execution.work_watch import WorkWatch
from infra.storage import ObjectStore, open_store
from jobs.errors import WeightsMismatch
from jobs.identity import sha256_of_bytes
from jobs.manifest import SegmentRecord
from jobs.spec import InspectionPolicy
from stages.encode.profile import VideoProfile, profile_named
from stages.encode.segment import encode_segment, verify_segment


class LoadedStage(Protocol):
    """A stage that is ready to work for one subject."""

    @property
    def notice(self) -> str:
        """One sentence that the user should read; may be empty."""
        ...

    def prepare(self, setup: ReplicaSetup) -> None:
        """Open what tasks of the setup need beside what is loaded."""
        ...

    def perform(self, call: Call, *, setup: ReplicaSetup, watch: WorkWatch) -> Result:
        """Do the call.

        Raises:
            StopAsked: The watch was asked to stop it; nothing is committed.
        """
        ...

    def close(self) -> None:
        """Free what it holds; may be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedMotion:
    """The motion stage for one subject. A window is not interrupted."""

    subject: Any
    predictor: MotionPredictor
    notice: str = ""

    def prepare(self, setup: ReplicaSetup) -> None:
        """Needs nothing else."""

    def perform(self, call: Call, *, setup: ReplicaSetup, watch: WorkWatch) -> Result:
        """The motion of one window."""
        assert isinstance(call, WindowCall)
        return self.predictor.predict_window(
            call.samples_S,
            first_frame=call.first_frame,
            frame_count=call.frame_count,
            subject=self.subject,
            seed=call.seed,
            take=call.take,
        )

    def close(self) -> None:
        """Holds nothing but memory."""


@dataclass(frozen=True, slots=True)
class LoadedFace:
    """The face composer for one subject. A face is not interrupted."""

    subject: Any
    composer: FaceComposer
    notice: str = ""

    def prepare(self, setup: ReplicaSetup) -> None:
        """Needs nothing else."""

    def perform(self, call: Call, *, setup: ReplicaSetup, watch: WorkWatch) -> Result:
        """The posed face of one segment."""
        assert isinstance(call, FaceCall)
        return self.composer.compose(
            call.motion,
            lead=call.lead,
            frame_count=call.frame_count,
            subject=self.subject,
            head=call.head,
            blink=call.blink,
            torso=call.torso,
        )

    def close(self) -> None:
        """Holds nothing but memory."""


@dataclass(slots=True)
class LoadedRender:
    """The renderer and the inspector of one subject."""

    renderer: FrameRenderer
    inspector: Inspector
    profile: VideoProfile
    _stores: dict[str, ObjectStore] = field(default_factory=dict)

    @property
    def notice(self) -> str:
        """What the inspector cannot do here."""
        return self.inspector.notice

    def prepare(self, setup: ReplicaSetup) -> None:
        """Open the store."""
        self._store(setup.store)

    def perform(self, call: Call, *, setup: ReplicaSetup, watch: WorkWatch) -> Result:
        """Render, encode, verify, inspect and commit one segment; only its record leaves this process."""
        assert isinstance(call, SegmentCall)
        inspection = self.inspector.begin(call.face)
        not_finite_before = self.renderer.not_finite_frames
        frames = watch.counted(self.renderer.render(call.face, first_frame=call.first_frame))
        data = encode_segment(inspection.watch(frames), fps=setup.fps, profile=self.profile)
        verify_segment(data, frame_count=call.face.frame_count, size=self.profile.size)
        not_finite = self.renderer.not_finite_frames - not_finite_before
        found = inspection_record(inspection.judge(not_finite_frames=not_finite))
        if found.flagged and setup.inspection is not InspectionPolicy.WARN:
            raise rejection(found)
        digest = sha256_of_bytes(data)
        store = self._store(setup.store)
        # Before the segment: what is committed has always been inspected.
        keep_inspection(found, key=call.inspection_key, store=store)
        store.put_if_absent(call.key, data, sha256=digest)
        return SegmentRecord(
            index=call.index,
            first_frame=call.first_frame,
            frame_count=call.face.frame_count,
            key=call.key,
            sha256=digest,
            size_bytes=len(data),
            inspection=found,
        )

    def close(self) -> None:
        """Close the inspector."""
        self.inspector.close()

    def _store(self, address: str) -> ObjectStore:
        if address not in self._stores:
            self._stores[address] = open_store(address)
        return self._stores[address]


def load_render(setup: ReplicaSetup, *, stages: StageFactory, device: str) -> LoadedRender:
    """The renderer and the inspector of the setup's subject.

    Raises:
        WeightsMismatch: The renderer draws another size than the profile wants.
    """
    subject = stages.load_subject(setup.subject)
    profile = profile_named(setup.profile)
    renderer = stages.load_renderer(subject=subject, device=device)
    if renderer.size != profile.size:
        raise WeightsMismatch(
            f"the renderer of {subject.name} draws {renderer.size} px, profile {profile.name} wants {profile.size}",
            where="spec.output.profile",
            hint="choose the profile that the subject was trained for",
        )
    inspector = stages.load_inspector(subject=subject, folder=setup.subject, size=profile.size)
    return LoadedRender(renderer=renderer, inspector=inspector, profile=profile)
