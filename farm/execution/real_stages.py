"""The stages as they ship: the weights and subjects of `stages.builtin`, the networks of `stages`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.execution.stages_factory import (
    ContextFrames,
    FaceComposer,
    FrameRenderer,
    Inspector,
    MotionPredictor,
    SharedWeights,
    Subject,
)
from stages.builtin import BuiltinNetwork, builtin_subject, builtin_subject_names, builtin_weights
from stages.errors import WeightsError
from stages.moda.smoothing import COMPOSE_CONTEXT_FRAMES
from stages.payloads import Motion, PosedFace
from stages.speech.context import CONTEXT_FRAMES

if TYPE_CHECKING:
    from stages.faco.composer_stage import ComposerStage


@dataclass(frozen=True, slots=True)
class RealStages:
    """A `StageFactory` of the real stages.

    The networks are imported where they are loaded: the process of the coordinator needs no torch.
    """

    def shared_weights(self) -> SharedWeights:
        """See `StageFactory`."""
        return SharedWeights(motion=_present("moda"), composer=_present("faco"), encoder=_present("encoder"))

    def builtin_subjects(self) -> Mapping[str, Path]:
        """See `StageFactory`."""
        return {name: builtin_subject(name) for name in builtin_subject_names()}

    def context_frames(self) -> ContextFrames:
        """See `StageFactory`."""
        return ContextFrames(speech=CONTEXT_FRAMES, motion=COMPOSE_CONTEXT_FRAMES)

    def load_subject(self, folder: Path) -> Subject:
        """See `StageFactory`."""
        from stages.subject.package import SubjectPackage

        return SubjectPackage.load(folder)

    def picture_size(self, subject: Any) -> int:
        """See `StageFactory`."""
        from stages.render.renderer_facts import RendererFacts

        return RendererFacts.of(subject).size

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

    def load_renderer(self, *, subject: Any, device: str) -> FrameRenderer:
        """See `StageFactory`."""
        from stages.render.renderer_stage import RendererStage
        from stages.threads import use_one_thread

        use_one_thread()
        return RendererStage.load(subject=subject, device=device)

    def load_inspector(self, *, subject: Any, folder: Path, size: int) -> Inspector:
        """See `StageFactory`."""
        from stages.inspection.inspector import SegmentInspector

        return SegmentInspector.load(subject=subject, folder=folder, size=size)


def _present(network: BuiltinNetwork) -> Path:
    path = builtin_weights(network)
    if not path.is_file():
        raise WeightsError(
            code="weights.not-found",
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
