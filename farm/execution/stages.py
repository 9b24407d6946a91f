"""How a replica gets its stage: the seam between the farm and the science, and the stages as they ship.

The farm only knows the protocols below. `RealStages` loads the weights and subjects of `stages.builtin` with the
networks of `stages`; tests pass stages of a few lines instead. The science is imported where it is used, on
purpose: commands and the coordinator import this file and must not pay for torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.hardware import kind_computing
from jobs.errors import WeightsMismatch
from jobs.forms import NetworkForm
from stages.builtin import BuiltinNetwork, builtin_subject, builtin_subject_names, builtin_weights
from stages.encode.profile import VideoProfile
from stages.errors import WeightsError
from stages.inspection.checks import Inspected
from stages.payloads import Motion, PosedFace
from stages.subject.motion_limits import MotionLimits

if TYPE_CHECKING:
    from stages.faco.composer_stage import ComposerStage


class Subject(Protocol):
    """What the farm itself wants to know of a subject package.

    The stages know the rest: they get back what `StageFactory.load_subject` of their own factory gave.
    """

    @property
    def name(self) -> str:
        """Name of the subject."""
        ...

    @property
    def consent(self) -> str:
        """The consent record that the package names."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the package."""
        ...

    @property
    def is_trained(self) -> bool:
        """Whether a renderer was trained for it; if not, it is drawn by warping its references alone."""
        ...

    @property
    def motion_limits(self) -> MotionLimits | None:
        """How far its head may move; None where that is not limited."""
        ...


class MotionPredictor(Protocol):
    """Speech of one window in, its motion out."""

    @property
    def context_frames(self) -> int:
        """Frames of speech that the stage wants either side of the window."""
        ...

    def predict_window(
        self,
        samples_S: NDArray[np.float32],
        *,
        first_frame: int,
        frame_count: int,
        subject: Any,
        seed: int,
        take: int,
    ) -> Motion:
        """Motion of frames [first_frame, first_frame + frame_count); see `stages.moda.motion_stage`."""
        ...


class FaceComposer(Protocol):
    """Motion in, posed face out."""

    def compose(
        self,
        motion: Motion,
        *,
        lead: int,
        frame_count: int,
        subject: Any,
        head: float,
        blink: float,
        torso: float,
    ) -> PosedFace:
        """Exactly `frame_count` frames, the first of which is row `lead` of the motion."""
        ...


class FrameRenderer(Protocol):
    """Posed face in, pixels out."""

    @property
    def size(self) -> int:
        """Width and height of the picture."""
        ...

    @property
    def not_finite_frames(self) -> int:
        """Frames so far that held NaN or infinity before they became pixels."""
        ...

    def render(
        self, face: PosedFace, *, first_frame: int, lead: int, frame_count: int
    ) -> Iterator[NDArray[np.uint8]]:
        """One (H, W, 3) RGB picture for each of `frame_count` frames, the first of which is row `lead` of the face."""
        ...

    def render_before(
        self, face: PosedFace, *, background: str, first_frame: int, lead: int, frame_count: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """As `render`, each picture twice: as it is, and before another background (see `ReplicaSetup`)."""
        ...


class Sketcher(Protocol):
    """Posed face in, pictures for whoever chooses a take out."""

    def picture(self, face: PosedFace, *, frame: int) -> NDArray[np.uint8]:
        """One (S, S, 3) RGB picture of the playback, of the size of `stages.encode.profile.SKETCH`."""
        ...

    def still(self, face: PosedFace, *, frame: int) -> NDArray[np.uint8]:
        """One square RGB picture of the contact sheet."""
        ...


class SegmentInspection(Protocol):
    """The inspection of one segment."""

    def watch(self, frames_HW3: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """The same pictures, in order, looked at on their way."""
        ...

    def judge(self, *, not_finite_frames: int) -> Inspected:
        """What was found in the pictures that passed."""
        ...


class Inspector(Protocol):
    """Judges the pictures of one subject's segments."""

    @property
    def notice(self) -> str:
        """What the inspector cannot do here, and why; empty where it can do all."""
        ...

    def begin(self, face: PosedFace) -> SegmentInspection:
        """The inspection of a segment whose posed face was commanded."""
        ...

    def close(self) -> None:
        """Free what it holds; may be called twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFrames:
    """Frames either side that the stages want to see.

    Attributes:
        speech: Of speech, for a window.
        motion: Of merged motion, for posed faces.
        faces: Of posed faces, for a segment's pictures.
    """

    speech: int
    motion: int
    faces: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedWeights:
    """The weight files of the motion stage, of the face composer, and of a speech encoder that ships with them."""

    motion: Path
    composer: Path
    encoder: Path | None = None

    def by_name(self) -> dict[str, Path]:
        """Each file under the name that plans and manifests give it."""
        named = {"moda": self.motion, "faco": self.composer}
        return named if self.encoder is None else {**named, "encoder": self.encoder}


class StageFactory(Protocol):
    """Knows what ships with the stages and loads them. Instances travel to the replicas: small and picklable."""

    def shared_weights(self) -> SharedWeights:
        """Where the weights lie that all subjects share."""
        ...

    def builtin_subjects(self) -> Mapping[str, Path]:
        """The folders of the subject packages that ship with the project, by name."""
        ...

    def context_frames(self, subject: Any) -> ContextFrames:
        """What the coordinator must know of the stages and the subject's renderer before it plans; loads neither."""
        ...

    def load_subject(self, folder: Path) -> Subject:
        """The subject package in the folder."""
        ...

    def picture_size(self, subject: Any) -> int:
        """Width and height of what the subject's renderer draws, found without loading it."""
        ...

    def why_no_background(self, subject: Any) -> str:
        """Why the subject cannot be shown before another background; empty where it can. Loads no renderer."""
        ...

    def load_motion(self, *, weights: Path, device: str) -> MotionPredictor:
        """The motion stage."""
        ...

    def load_composer(self, *, weights: Path, device: str) -> FaceComposer:
        """The face composer."""
        ...

    def load_sketcher(self, *, subject: Any) -> Sketcher:
        """What draws takes of the subject before they are rendered."""
        ...

    def load_renderer(self, *, subject: Any, device: str, form: NetworkForm) -> FrameRenderer:
        """The renderer of the subject, its network in a form."""
        ...

    def device_kind(self, device: str) -> str:
        """Kind of processor that a renderer here computes on; empty where that does not matter."""
        ...

    def load_inspector(self, *, subject: Any, folder: Path, size: int) -> Inspector:
        """The inspector of the subject, whose package lies in the folder, for pictures of `size` px."""
        ...


def check_drawn_size(size: int, *, subject: Subject, profile: VideoProfile) -> None:
    """See that a profile can show what the renderer of a subject draws, pictures of `size` px.

    Raises:
        WeightsMismatch: It cannot.
    """
    if not profile.can_show(size):
        raise WeightsMismatch(
            f"the renderer of {subject.name} draws {size} px, profile {profile.name} wants {profile.size}",
            where="spec.output.profile",
            hint="choose the profile that the subject was trained for",
        )


@dataclass(frozen=True, slots=True)
class RealStages:
    """The stages as they ship."""

    def shared_weights(self) -> SharedWeights:
        """See `StageFactory`."""
        return SharedWeights(
            motion=_present("moda"), composer=_present("faco"), encoder=_present("compact-3")
        )

    def builtin_subjects(self) -> Mapping[str, Path]:
        """See `StageFactory`."""
        return {name: builtin_subject(name) for name in builtin_subject_names()}

    def context_frames(self, subject: Any) -> ContextFrames:
        """See `StageFactory`."""
        from stages.moda.smoothing import COMPOSE_CONTEXT_FRAMES
        from stages.render.renderer_facts import RendererFacts
        from stages.speech.context import CONTEXT_FRAMES

        return ContextFrames(
            speech=CONTEXT_FRAMES,
            motion=COMPOSE_CONTEXT_FRAMES,
            faces=RendererFacts.of(subject).context_frames,
        )

    def load_subject(self, folder: Path) -> Subject:
        """See `StageFactory`."""
        from stages.subject.package import SubjectPackage

        return SubjectPackage.load(folder)

    def picture_size(self, subject: Any) -> int:
        """See `StageFactory`."""
        from stages.render.renderer_facts import RendererFacts

        return RendererFacts.of(subject).size

    def why_no_background(self, subject: Any) -> str:
        """See `StageFactory`."""
        from stages.render.renderer_facts import why_no_background

        return why_no_background(subject)

    def load_motion(self, *, weights: Path, device: str) -> MotionPredictor:
        """See `StageFactory`."""
        from stages.moda.motion_stage import MotionStage
        from stages.threads import use_one_thread

        use_one_thread()
        return MotionStage.load(weights=weights, device=device)

    def load_composer(self, *, weights: Path, device: str) -> FaceComposer:
        """See `StageFactory`."""
        from stages.faco.composer_stage import ComposerStage
        from stages.threads import use_one_thread

        use_one_thread()
        return _Composer(ComposerStage.load(weights=weights, device=device))

    def load_sketcher(self, *, subject: Any) -> Sketcher:
        """See `StageFactory`."""
        from stages.render.sketch import TakeSketcher

        return TakeSketcher.load(subject=subject)

    def load_renderer(self, *, subject: Any, device: str, form: NetworkForm) -> FrameRenderer:
        """See `StageFactory`."""
        from stages.render.renderer_loading import load_renderer
        from stages.render.repairing import RepairForm
        from stages.threads import use_one_thread

        use_one_thread()
        return load_renderer(subject=subject, device=device, form=RepairForm(form.value))

    def device_kind(self, device: str) -> str:
        """See `StageFactory`."""
        return kind_computing(device)

    def load_inspector(self, *, subject: Any, folder: Path, size: int) -> Inspector:
        """See `StageFactory`."""
        from stages.inspection.inspector import SegmentInspector

        return SegmentInspector.load(subject=subject, folder=folder, size=size)


def _present(network: BuiltinNetwork) -> Path:
    path = builtin_weights(network)
    if not path.is_file():
        raise WeightsError(
            code="weights_not_found",
            what="the weights that ship with the project are missing",
            hint="install the project again, or train them as CONTRIBUTING says",
            where=str(path),
        )
    return path


@dataclass(frozen=True, slots=True)
class _Composer:
    """The composer with the amplitudes as plain numbers, which is how they travel."""

    stage: ComposerStage

    def compose(
        self,
        motion: Motion,
        *,
        lead: int,
        frame_count: int,
        subject: Any,
        head: float,
        blink: float,
        torso: float,
    ) -> PosedFace:
        from stages.faco.composer_stage import Amplitude

        return self.stage.compose(
            motion,
            lead=lead,
            frame_count=frame_count,
            subject=subject,
            amplitude=Amplitude(head=head, blink=blink, torso=torso),
        )
