"""Stages of a few lines, with the real interfaces, for every test of the farm: deterministic, fast, and breakable.

The encoder, the store and the processes around them are real. Every result depends on all that it should depend on
(speech, seed, take, absolute frame, context frames), so that a slip of the farm changes bytes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from farm.execution.stages import ContextFrames, SharedWeights, Subject
from stages.encode.profile import SKETCH
from stages.errors import SubjectError, WeightsError
from stages.inspection.checks import Limits, Range
from stages.inspection.inspector import SegmentInspector
from stages.inspection.look import LOOK_CELLS
from stages.inspection.norms import Norms
from stages.payloads import MESH_POINTS, MOTION_CHANNELS, SAMPLES_PER_FRAME, TORSO_POINTS, Motion, PosedFace
from stages.subject.motion_limits import MotionLimits
from stages.warp.background import read_background

FAKE_LIMITS = MotionLimits(yaw=10.0, pitch=8.0, roll=6.0, shift_px=20.0, scale=0.08)
"""Of a subject in whose folder there is a file ``limited``."""

SPEECH_CONTEXT = 3
MOTION_CONTEXT = 4
FACE_CONTEXT = 2
FIRST_FACE = 50 + FACE_CONTEXT
"""Frames of the first face of a speech that has several segments."""
SIZE = 256

# Frames that noise of one take may be asked for: an hour and more.
_TAKE_STRIDE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong when a stage reaches a frame.

    Attributes:
        stage: ``motion``, ``face`` or ``render``; a face is found by its frame count, the others by their first frame.
            ``load`` is the loading of a renderer, at frame 0.
        frame: First frame of the window or segment it strikes.
        kind: ``kill`` (SIGKILL to the own process), ``segv`` (it reads where there is no memory), ``hang`` (it works
            for ever), ``raise``, ``interrupt``, ``gpu-memory`` and ``gpu-sticky`` (what CUDA says in such cases), or a
            flaw of the segment's pictures: ``black``, ``frozen`` or ``not-finite``.
        times: How often it strikes, over all processes.
        after_s: How long the stage works before it strikes.
    """

    stage: str
    frame: int
    kind: str
    times: int = 1
    after_s: float = 0.0


FLAWS = ("black", "frozen", "not-finite")
GPU_ERRORS = {
    "gpu-memory": "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
    "gpu-sticky": "CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA",
}
HANG_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSubject:
    name: str
    consent: str
    sha256: str
    shade: float = 0.0
    size: int = SIZE
    is_trained: bool = True
    motion_limits: MotionLimits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeStages:
    """A `StageFactory`; `folder` holds its weights, subjects and the notes of what was called."""

    folder: Path
    faults: tuple[Fault, ...] = ()
    seconds_per_segment: float = 0.0
    notice: str = ""

    @classmethod
    def in_folder(
        cls, folder: Path, *, faults: tuple[Fault, ...] = (), seconds_per_segment: float = 0.0
    ) -> FakeStages:
        (folder / "subjects" / "fake").mkdir(parents=True, exist_ok=True)
        (folder / "notes").mkdir(exist_ok=True)
        (folder / "motion.weights").write_bytes(b"motion")
        (folder / "composer.weights").write_bytes(b"composer")
        return cls(folder=folder, faults=faults, seconds_per_segment=seconds_per_segment)

    def add_subject(self, name: str, *, shade: float) -> Path:
        """A subject whose motion, faces and pictures are all its own; the one called ``fake`` has no shade."""
        folder = self.folder / "subjects" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "shade").write_text(str(shade))
        return folder

    def shared_weights(self) -> SharedWeights:
        return SharedWeights(motion=self.folder / "motion.weights", composer=self.folder / "composer.weights")

    def builtin_subjects(self) -> Mapping[str, Path]:
        return {"fake": self.folder / "subjects" / "fake"}

    def context_frames(self, subject: FakeSubject) -> ContextFrames:
        return ContextFrames(speech=SPEECH_CONTEXT, motion=MOTION_CONTEXT, faces=FACE_CONTEXT)

    def load_subject(self, folder: Path) -> FakeSubject:
        if (folder / "no-consent").exists():
            raise SubjectError(code="subject_no_consent", what="names no consent", where=str(folder))
        shade = float((folder / "shade").read_text()) if (folder / "shade").exists() else 0.0
        size = int((folder / "size").read_text()) if (folder / "size").exists() else SIZE
        return FakeSubject(
            name=folder.name,
            consent="fictional",
            sha256="5" * 64,
            shade=shade,
            size=size,
            is_trained=not (folder / "untrained").exists(),
            motion_limits=FAKE_LIMITS if (folder / "limited").exists() else None,
        )

    def picture_size(self, subject: FakeSubject) -> int:
        return subject.size

    def why_no_background(self, subject: FakeSubject) -> str:
        return "" if (self.folder / "cut-out").exists() else "it was not cut out"

    def load_motion(self, *, weights: Path, device: str) -> FakeMotion:
        if weights.read_bytes() != b"motion":
            raise WeightsError(code="weights_keys", what="lacks attention.weight", where=str(weights))
        self.note(f"load-motion-{device}")
        return FakeMotion(stages=self)

    def load_composer(self, *, weights: Path, device: str) -> FakeComposer:
        if weights.read_bytes() != b"composer":
            raise WeightsError(code="weights_keys", what="lacks decoder.weight", where=str(weights))
        self.note(f"load-composer-{device}")
        return FakeComposer(stages=self)

    def load_sketcher(self, *, subject: FakeSubject) -> FakeSketcher:
        self.note("load-sketcher")
        return FakeSketcher(stages=self)

    def load_renderer(self, *, subject: FakeSubject, device: str, form: str) -> FakeRenderer:
        self.strike("load", 0)
        self.note(f"load-renderer-{device}")
        self.note(f"form-{form}")
        self.note(f"draws-{subject.name}")
        return FakeRenderer(stages=self, shade=subject.shade, size=subject.size)

    def device_kind(self, device: str) -> str:
        """Any, unless a test says which."""
        told = self.folder / "kind"
        return told.read_text() if told.exists() else ""

    def load_inspector(self, *, subject: Subject, folder: Path, size: int) -> NotedInspector:
        """The real one, without a detector; what needs a real face to be drawn is never flagged."""
        limits = Limits(colour_difference=Range(), sharpness=Range(), picture_response=Range())
        look_LL3 = np.zeros((LOOK_CELLS, LOOK_CELLS, 3))
        norms = Norms(limits=limits, look_LL3=look_LL3, sharpness=1.0, is_fitted=False)
        inspector = NotedInspector(norms=norms, detector=None, notice=self.notice)
        inspector.stages, inspector.subject = self, subject.name
        return inspector

    def note(self, name: str) -> int:
        """Count a call over all processes; returns how often it was noted before."""
        for count in range(10_000):
            try:
                os.close(os.open(self.folder / "notes" / f"{name}.{count}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            return count
        raise AssertionError("noted too often")

    def noted(self, name: str) -> int:
        """How often something was noted whose name starts like this."""
        return sum(1 for note in (self.folder / "notes").iterdir() if note.name.startswith(name))

    def strike(self, stage: str, frame: int) -> str:
        """Let the faults of a stage strike; returns the flaw that its pictures shall have, or nothing."""
        self.note(f"{stage}-{frame:06d}")
        for fault in self.faults:
            if (fault.stage, fault.frame) != (stage, frame):
                continue
            if self.note(f"fault-{fault.kind}-{stage}-{frame}") >= fault.times:
                continue
            time.sleep(fault.after_s)
            if fault.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if fault.kind == "segv":
                ctypes.string_at(0)
            if fault.kind == "hang":
                time.sleep(HANG_S)
            if fault.kind in GPU_ERRORS:
                raise RuntimeError(GPU_ERRORS[fault.kind])
            if fault.kind == "interrupt":
                raise KeyboardInterrupt
            if fault.kind in FLAWS:
                return fault.kind
            raise RuntimeError(f"the {stage} stage tripped at frame {frame}")
        return ""


class NotedInspector(SegmentInspector):
    """The real one; what it closes is noted."""

    stages: FakeStages
    subject: str

    def close(self) -> None:
        self.stages.note(f"closed-{self.subject}")
        super().close()


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeMotion:
    stages: FakeStages

    @property
    def context_frames(self) -> int:
        return SPEECH_CONTEXT

    def predict_window(
        self,
        samples_S: NDArray[np.float32],
        *,
        first_frame: int,
        frame_count: int,
        subject: FakeSubject,
        seed: int,
        take: int,
    ) -> Motion:
        self.stages.strike("motion", first_frame)
        assert samples_S.shape == ((frame_count + 2 * SPEECH_CONTEXT) * SAMPLES_PER_FRAME,)
        loudness_T = np.abs(samples_S).reshape(-1, SAMPLES_PER_FRAME).mean(axis=1)
        rows_TC = np.empty((frame_count, MOTION_CHANNELS), dtype=np.float32)
        for row in range(frame_count):
            frame = first_frame + row
            noise_C = np.random.default_rng([seed, take * _TAKE_STRIDE + frame]).normal(size=MOTION_CHANNELS)
            around = loudness_T[row : row + 2 * SPEECH_CONTEXT + 1].mean()
            # A little of the window's own: without it, a wrong cross-fade would go unnoticed.
            rows_TC[row] = noise_C + 50 * around + 0.01 * first_frame + subject.shade
        return Motion.from_rows(rows_TC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeComposer:
    stages: FakeStages

    def compose(
        self,
        motion: Motion,
        *,
        lead: int,
        frame_count: int,
        subject: FakeSubject,
        head: float,
        blink: float,
        torso: float,
    ) -> PosedFace:
        self.stages.strike("face", frame_count)
        tail = motion.frame_count - lead - frame_count
        assert 0 <= lead <= MOTION_CONTEXT
        assert 0 <= tail <= MOTION_CONTEXT
        rows_TC = motion.as_rows() * np.float32(head)
        mesh_TN3 = np.zeros((frame_count, MESH_POINTS, 3), dtype=np.float32)
        for row in range(frame_count):
            low, high = (
                max(lead + row - MOTION_CONTEXT, 0),
                min(lead + row + MOTION_CONTEXT + 1, len(rows_TC)),
            )
            mesh_TN3[row] = 100 + 10 * rows_TC[low:high].mean() + subject.shade
        return PosedFace(
            mesh_TN3=mesh_TN3, torso_TN3=np.zeros((frame_count, TORSO_POINTS, 3), dtype=np.float32)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSketcher:
    stages: FakeStages

    def picture(self, face: PosedFace, *, frame: int) -> NDArray[np.uint8]:
        return self._grey(face, frame, size=SKETCH.size)

    def still(self, face: PosedFace, *, frame: int) -> NDArray[np.uint8]:
        self.stages.note("still")
        return self._grey(face, frame, size=64)

    def _grey(self, face: PosedFace, frame: int, *, size: int) -> NDArray[np.uint8]:
        return np.full((size, size, 3), face.mesh_TN3[frame, 0, 0] % 256, dtype=np.uint8)


@dataclass(slots=True, kw_only=True)
class FakeRenderer:
    """Before another background, the left half of a picture is the background."""

    stages: FakeStages
    shade: float = 0.0
    size: int = SIZE
    not_finite_frames: int = field(default=0)

    def render_before(
        self, face: PosedFace, *, background: str, first_frame: int, lead: int, frame_count: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        other_SS3, _ = read_background(background)
        for drawn in self.render(face, first_frame=first_frame, lead=lead, frame_count=frame_count):
            changed = drawn.copy()
            changed[:, : self.size // 2] = other_SS3[0, 0]
            yield drawn, changed

    def render(
        self, face: PosedFace, *, first_frame: int, lead: int, frame_count: int
    ) -> Iterator[NDArray[np.uint8]]:
        flaw = self.stages.strike("render", first_frame)
        if flaw == "not-finite":
            self.not_finite_frames += 3
        assert 0 <= lead <= FACE_CONTEXT
        assert 0 <= face.frame_count - lead - frame_count <= FACE_CONTEXT
        for row in range(frame_count):
            time.sleep(self.stages.seconds_per_segment / frame_count)
            shown = 0 if flaw == "frozen" else row
            level_T = face.mesh_TN3[:, 0, 0]
            around = slice(max(lead + shown - FACE_CONTEXT, 0), lead + shown + FACE_CONTEXT + 1)
            yield _picture(
                level_T[lead + shown] + 0.5 * level_T[around].mean() + self.shade,
                first_frame + shown,
                brightness=0 if flaw == "black" else 1,
                size=self.size,
            )


def _picture(level: float, frame: int, *, brightness: int, size: int) -> NDArray[np.uint8]:
    frame_HW3 = np.zeros((size, size, 3), dtype=np.uint8)
    # Steep, so that the smallest movement shows; round and round, so that none is lost at white.
    frame_HW3[:, :, 0] = ((np.linspace(0, 120, size, dtype=np.float32) + 8 * level) % 256).astype(np.uint8)
    # The absolute frame as 16 blocks, black or white: proves order and completeness after decoding.
    for bit in range(16):
        frame_HW3[:16, 16 * bit : 16 * bit + 16] = 255 if frame >> bit & 1 else 0
    return frame_HW3 * np.uint8(brightness)


def read_barcode(frame_HW3: NDArray[np.uint8]) -> int:
    """The absolute frame that a `FakeRenderer` wrote into a picture."""
    return sum(1 << bit for bit in range(16) if frame_HW3[8, 16 * bit + 8].mean() > 128)
