"""One stage with one subject loaded, how it is loaded, and the last few of them that a replica keeps.

What a task brings beside its subject costs nothing to change.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from farm.backgrounds import check_unchanged
from farm.execution.calls import Call, FaceCall, ReplicaSetup, Result, SegmentCall, SketchCall, WindowCall
from farm.execution.committed import keep_link
from farm.execution.inspecting import inspection_record, keep_inspection, rejection
from farm.execution.sketching import SketchTable
from farm.execution.stages import (
    FaceComposer,
    FrameRenderer,
    Inspector,
    MotionPredictor,
    StageFactory,
    check_drawn_size,
)
from farm.execution.work_watch import WorkWatch
from farm.scheduling.units import Stage
from infra.storage import ObjectStore, open_store
from jobs.errors import FormUnavailable
from jobs.identity import sha256_of_bytes
from jobs.manifest import SegmentRecord
from jobs.segment_link import SegmentLink
from jobs.spec import InspectionPolicy
from stages.encode.draft_mark import marked
from stages.encode.profile import VideoProfile, profile_named
from stages.encode.reduction import reduced
from stages.encode.segment import encode_segment, verify_segment
from stages.payloads import PosedFace


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
    """The face composer for one subject, and what sketches its takes. A face is not interrupted."""

    subject: Any
    composer: FaceComposer
    sketches: SketchTable
    notice: str = ""

    def prepare(self, setup: ReplicaSetup) -> None:
        """Needs nothing else."""

    def perform(self, call: Call, *, setup: ReplicaSetup, watch: WorkWatch) -> Result:
        """The posed face of one segment and of its context, or the sketch that is drawn of it."""
        if isinstance(call, SketchCall):
            return self.sketches.draw(call, self._composed(call.face), setup=setup)
        assert isinstance(call, FaceCall)
        return self._composed(call)

    def _composed(self, call: FaceCall) -> PosedFace:
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
    notice: str
    _stores: dict[str, ObjectStore] = field(default_factory=dict)

    def prepare(self, setup: ReplicaSetup) -> None:
        """Open the store."""
        self._store(setup.store)

    def perform(self, call: Call, *, setup: ReplicaSetup, watch: WorkWatch) -> Result:
        """Render, encode, verify, inspect and commit one segment; only its record leaves this process."""
        assert isinstance(call, SegmentCall)
        inspection = self.inspector.begin(call.face.slice(call.lead, call.lead + call.frame_count))
        not_finite_before = self.renderer.not_finite_frames
        shown: deque[NDArray[np.uint8]] = deque()
        frames = watch.counted(self._rendered(call, setup=setup, shown=shown))
        # Looked at as they are drawn: a subject's limits are those of its renderer and of its own background.
        looked_at = inspection.watch(frames)
        if setup.background:
            looked_at = (shown.popleft() for _ in looked_at)
        pictures = reduced(looked_at, size=self.profile.size)
        if setup.draft:
            # Behind the inspection, which knows no such letters.
            pictures = marked(pictures, size=self.profile.size)
        data = encode_segment(pictures, fps=setup.fps, profile=self.profile)
        verify_segment(data, frame_count=call.frame_count, size=self.profile.size)
        not_finite = self.renderer.not_finite_frames - not_finite_before
        found = inspection_record(inspection.judge(not_finite_frames=not_finite))
        if found.flagged and setup.inspection is not InspectionPolicy.WARN:
            raise rejection(found)
        digest = sha256_of_bytes(data)
        store = self._store(setup.store)
        # Before the segment: what is committed has always been inspected, and a plan that rendered it names it.
        keep_inspection(found, key=call.inspection_key, store=store)
        if call.link_key:
            keep_link(SegmentLink(key=call.key), key=call.link_key, store=store)
        store.put_if_absent(call.key, data, sha256=digest)
        return SegmentRecord(
            index=call.index,
            first_frame=call.first_frame,
            frame_count=call.frame_count,
            key=call.key,
            sha256=digest,
            size_bytes=len(data),
            inspection=found,
        )

    def _rendered(
        self, call: SegmentCall, *, setup: ReplicaSetup, shown: deque[NDArray[np.uint8]]
    ) -> Iterator[NDArray[np.uint8]]:
        """The pictures as they are drawn; what is to be seen in their place goes into `shown`, if that is another."""
        span = {"first_frame": call.first_frame, "lead": call.lead, "frame_count": call.frame_count}
        if not setup.background:
            yield from self.renderer.render(call.face, **span)
            return
        check_unchanged(setup.background, sha256=setup.background_identity)
        for drawn, changed in self.renderer.render_before(call.face, background=setup.background, **span):
            shown.append(changed)
            yield drawn
        # It was read in between.
        check_unchanged(setup.background, sha256=setup.background_identity)

    def close(self) -> None:
        """Close the inspector."""
        self.inspector.close()

    def _store(self, address: str) -> ObjectStore:
        if address not in self._stores:
            self._stores[address] = open_store(address)
        return self._stores[address]


def _load_render(setup: ReplicaSetup, *, stages: StageFactory, device: str) -> LoadedRender:
    """The renderer and the inspector of the setup's subject.

    Raises:
        WeightsMismatch: The renderer does not draw what the profile wants.
    """
    subject = stages.load_subject(setup.subject)
    profile = profile_named(setup.profile)
    renderer = stages.load_renderer(subject=subject, device=device, form=setup.form)
    check_drawn_size(renderer.size, subject=subject, profile=profile)
    inspector = stages.load_inspector(subject=subject, folder=setup.subject, size=renderer.size)
    limits = subject.motion_limits
    # A subject without a clip has nothing to be trained on.
    better = " (farm train makes it better)" if limits is None else ""
    untrained = f"{subject.name} is untrained: pictures of it are warped and not repaired{better}"
    limited = "" if limits is None else f"{subject.name} was seen in one pose: {limits.sentence()}"
    notices = [inspector.notice, "" if subject.is_trained else untrained, limited]
    return LoadedRender(
        renderer=renderer,
        inspector=inspector,
        profile=profile,
        notice="; ".join(notice for notice in notices if notice),
    )


_FileState = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of the last change (ns) and inode of each file; two equal states are the same bytes."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """What decides how a loaded stage behaves, apart from the task.

    Attributes:
        network: Files of the network that subjects share; empty for the renderer, which is the subject's own.
        profile, form: Of the renderer; empty for the other stages.
    """

    subject: _FileState
    network: _FileState
    profile: str
    form: str


class SubjectCache:
    """Loads one stage for whatever subject comes, and drops the least recently used. Not for several threads.

    What is loaded is found by the files it was loaded from, not by their names alone: a subject that was trained anew
    in its old folder is loaded anew.
    """

    def __init__(self, *, stage: Stage, stages: StageFactory, device: str, keep: int) -> None:
        """Args: keep: subjects that stay loaded, at least 1."""
        if keep < 1:
            raise ValueError("a replica keeps at least one subject")
        self._stage, self._stages, self._device, self._keep = stage, stages, device, keep
        self._loaded: OrderedDict[_Origin, LoadedStage] = OrderedDict()
        self._networks: dict[_FileState, Any] = {}
        self._kind: str | None = None

    def get(self, setup: ReplicaSetup) -> tuple[LoadedStage, bool]:
        """The stage for the setup's subject, and whether it had to be loaded.

        Raises:
            FormUnavailable: The setup is of a plan for another kind of processor.
            Exception: Whatever the stages raise when they load.
        """
        if self._stage is Stage.RENDER:
            self._check_kind(setup)
        origin = self._origin(setup)
        if origin in self._loaded:
            self._loaded.move_to_end(origin)
            return self._loaded[origin], False
        # Room first: two subjects more than the device was sized for might not fit at once.
        self._shrink_to(self._keep - 1)
        loaded = self._loaded[origin] = self._load(setup, network=origin.network)
        return loaded, True

    def _check_kind(self, setup: ReplicaSetup) -> None:
        """One segment of another kind among those of a plan, and its bytes would depend on who rendered it."""
        if self._kind is None:
            self._kind = self._stages.device_kind(self._device)
        if setup.device_kind and self._kind and setup.device_kind != self._kind:
            raise FormUnavailable(
                f"the job was planned for {setup.device_kind}, and this replica computes on {self._kind}",
                where="device kind",
                code="device_kind_mismatch",
                hint="keep replicas on machines of one kind, and the farm's own process on one of that kind",
            )

    def close(self) -> None:
        """Drop everything; may be called twice."""
        self._shrink_to(0)
        self._networks.clear()

    def _shrink_to(self, count: int) -> None:
        while len(self._loaded) > count:
            _, dropped = self._loaded.popitem(last=False)
            dropped.close()

    def _origin(self, setup: ReplicaSetup) -> _Origin:
        subject = _state_of(setup.subject) or ((str(setup.subject), 0, 0, 0),)
        if self._stage is Stage.RENDER:
            return _Origin(subject, (), setup.profile, setup.form)
        weights = setup.weights
        files: list[Path] = [weights.composer]
        if self._stage is Stage.MOTION:
            files = [weights.motion, *([weights.encoder] if weights.encoder else [])]
        return _Origin(subject, tuple(entry for file in files for entry in _state_of(file)), "", "")

    def _load(self, setup: ReplicaSetup, *, network: _FileState) -> LoadedStage:
        stages, device, weights = self._stages, self._device, setup.weights
        if self._stage is Stage.RENDER:
            return _load_render(setup, stages=stages, device=device)
        subject = stages.load_subject(setup.subject)
        if self._stage is Stage.MOTION:
            load_motion = partial(stages.load_motion, weights=weights.motion, device=device)
            return LoadedMotion(subject, self._network(network, load_motion))
        load_composer = partial(stages.load_composer, weights=weights.composer, device=device)
        sketches = SketchTable(partial(stages.load_sketcher, subject=subject))
        return LoadedFace(subject, self._network(network, load_composer), sketches)

    def _network(self, files: _FileState, load: Callable[[], Any]) -> Any:
        """The network of the files; before another one is loaded, those that no loaded subject uses go."""
        if files not in self._networks:
            used = {origin.network for origin in self._loaded}
            self._networks = {key: value for key, value in self._networks.items() if key in used}
            self._networks[files] = load()
        return self._networks[files]


def _state_of(path: Path) -> _FileState:
    """The state of a file, or of every file below a folder; empty where there is nothing."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    state = []
    for file in files:
        try:
            facts = file.stat()
        except FileNotFoundError:
            # Whoever loads it says so.
            continue
        state.append((str(file), facts.st_size, facts.st_mtime_ns, facts.st_ino))
    return tuple(state)
