"""The render stage of warped references: posed faces to pictures, by the warp alone or repaired by a network.

Legend: T frames, N points, S side of the picture, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS, straightened
from stages.payloads import PosedFace
from stages.render.condition import ConditionPainter
from stages.render.forms import repairer_of
from stages.render.int8_ranges import picked_references, reference_poses
from stages.render.renderer_facts import EXPECTED_WARPED, RendererFacts
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.render.repairing import Repairer, RepairForm, RepairInput
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.warp.background import BackgroundChanger, read_background
from stages.warp.candidates import CandidateMaker
from stages.warp.control_mesh import ControlMesh
from stages.warp.library import ReferenceLibrary
from stages.warp.references import FrameReferences, choose_references
from stages.weights import build_network, load_weights

Frame = NDArray[np.uint8]


class WarpedStage:
    """A subject's references and, once it is trained, the network that repairs them, on one device."""

    def __init__(
        self,
        network: RepairNetwork | None,
        *,
        library: ReferenceLibrary,
        template: Template,
        device: torch.device,
        form: RepairForm = RepairForm.EXACT,
    ) -> None:
        """`network` None: the picture is the first candidate as it is, in any form.

        Raises:
            WeightsError: the network cannot be computed in this form here (``form_unavailable``).
        """
        self.size = CANVAS
        """Side of the pictures in px."""
        self.not_finite_frames = 0
        """Frames so far that held NaN or infinity; as pixels they look like any other."""
        self._template = template
        self._painter = ConditionPainter(self.size)
        control = ControlMesh.of(
            canonical_N3=template.mesh_N3, head_7=template.head_7, torso_18x3=template.torso_N3
        )
        self._maker = CandidateMaker(library=library, control=control)
        self.repairer: Repairer | None = None
        """The network with the subject's plate, in its form; None where nothing repairs."""
        if network is not None:
            self.repairer = repairer_of(
                network, form=form, device=device, plate_SS3=library.plate.picture_SS3, own=self._own_inputs
            )

    @property
    def library(self) -> ReferenceLibrary:
        """The subject's references."""
        return self._maker.library

    @classmethod
    def load(cls, *, subject: SubjectPackage, device: str, form: RepairForm = RepairForm.EXACT) -> Self:
        """Load the subject's references, and its network if it has one.

        Raises:
            SubjectError: the references are damaged, or of another subject.
            WeightsError: the weights are of another network, or of another subject, or the network cannot be computed
                in this form here (``form_unavailable``).
        """
        assert subject.library is not None
        library = read_library(subject.library, template=subject.template).opened()
        network = None
        if subject.renderer_weights is not None:
            # Sees that the weights are this subject's.
            RendererFacts.of(subject)
            network = build_network(subject.renderer_weights, RepairConfig, RepairNetwork)
            load_weights(subject.renderer_weights, network, expected=EXPECTED_WARPED)
        return cls(
            network, library=library, template=subject.template, device=torch.device(device), form=form
        )

    def render(
        self, face: PosedFace, *, first_frame: int, lead: int = 0, frame_count: int | None = None
    ) -> Iterator[Frame]:
        """(S, S, 3) uint8 RGB frames in order.

        Which references a frame is made of depends on `stages.warp.reach.CONTEXT_FRAMES` frames either side of it.
        Where `face` holds these beside the frames that are wanted, a take has the same pictures however it is cut.

        Args:
            face: posed faces, px on the 512 canvas: `lead` frames of context, the wanted ones, and context.
            first_frame: absolute frame of the first wanted one; not used, since nothing here depends on time.
            lead: how many frames of `face` come before the wanted ones.
            frame_count: how many are wanted; None for all that follow.
        """
        stop = face.frame_count if frame_count is None else lead + frame_count
        if not face.frame_count:
            return
        canonical_TN3, head_T7 = straightened(face.mesh_TN3, template_N3=self._template.mesh_N3)
        references = choose_references(self._maker.library, canonical_TN3=canonical_TN3, head_T7=head_T7)
        yield from self.draw(face, head_T7=head_T7, references=references, frames=range(lead, stop))

    def render_before(
        self, face: PosedFace, *, background: str, first_frame: int, lead: int, frame_count: int
    ) -> Iterator[tuple[Frame, Frame]]:
        """As `render`, each picture twice: as it is, and before another background, both (S, S, 3) uint8 RGB.

        Args:
            face, first_frame, lead, frame_count: as `render`.
            background: a colour such as ``#00b140``, or the path of a picture.

        Raises:
            SubjectError: the picture cannot be read.
        """
        other_SS3, _ = read_background(background)
        changer = BackgroundChanger(plate_SS3=self.library.plate.picture_SS3, other_SS3=other_SS3)
        canonical_TN3, head_T7 = straightened(face.mesh_TN3, template_N3=self._template.mesh_N3)
        references = choose_references(self._maker.library, canonical_TN3=canonical_TN3, head_T7=head_T7)
        given = partial(self._posed, face, head_T7=head_T7, references=references)
        frames = range(lead, lead + frame_count)
        if self.repairer is None:
            for made in (self._maker.make(**given(t)) for t in frames):
                yield made.head_SS3, changer.change(made.head_SS3, made.mask_SS)
            return
        for inputs, repaired_TSS3 in self._repaired(face, frames, head_T7=head_T7, references=references):
            for each, picture_SS3 in zip(inputs, repaired_TSS3, strict=True):
                yield picture_SS3, changer.change(picture_SS3, each.mask_SS)

    def draw(
        self,
        face: PosedFace,
        *,
        head_T7: NDArray[np.float32],
        references: Sequence[FrameReferences],
        frames: range,
    ) -> Iterator[Frame]:
        """Pictures as of `render`, of some frames of a run whose references are given.

        Args:
            face: posed faces of the run.
            head_T7: their head vectors.
            references: what each frame of the run is made of.
            frames: which frames of the run are wanted.
        """
        given = partial(self._posed, face, head_T7=head_T7, references=references)
        if self.repairer is None:
            yield from (self._maker.best(**given(t)) for t in frames)
            return
        for _, repaired_TSS3 in self._repaired(face, frames, head_T7=head_T7, references=references):
            yield from repaired_TSS3

    def _repaired(
        self,
        face: PosedFace,
        frames: range,
        *,
        head_T7: NDArray[np.float32],
        references: Sequence[FrameReferences],
    ) -> Iterator[tuple[list[RepairInput], Frame]]:
        """What the network is given of some frames at once, and what it makes of it, (T, S, S, 3)."""
        assert self.repairer is not None
        for start in range(frames.start, frames.stop, self.repairer.batch):
            batch = range(start, min(start + self.repairer.batch, frames.stop))
            inputs = [self._input(face, t, head_T7=head_T7, references=references) for t in batch]
            repaired = self.repairer.repaired(inputs)
            self.not_finite_frames += repaired.not_finite
            yield inputs, repaired.frames_TSS3

    def inputs(
        self, face: PosedFace, *, frames: range, barred_TR: NDArray[np.bool_] | None = None
    ) -> Iterator[RepairInput]:
        """What a network reads of some frames of a run.

        Args:
            face: posed faces of the run.
            frames: which frames of the run are wanted.
            barred_TR: which reference must not serve for which frame.
        """
        canonical_TN3, head_T7 = straightened(face.mesh_TN3, template_N3=self._template.mesh_N3)
        references = choose_references(
            self._maker.library, canonical_TN3=canonical_TN3, head_T7=head_T7, barred_TR=barred_TR
        )
        for t in frames:
            yield self._input(face, t, head_T7=head_T7, references=references)

    def _own_inputs(self) -> Iterator[RepairInput]:
        """In the poses of some references, each made from other references."""
        library = self._maker.library
        picked = picked_references(library)
        face = reference_poses(library, picked, control=self._maker.control, template=self._template)
        barred_TR = picked[:, None] == np.arange(library.size)
        return self.inputs(face, frames=range(face.frame_count), barred_TR=barred_TR)

    @staticmethod
    def _posed(
        face: PosedFace, t: int, *, head_T7: NDArray[np.float32], references: Sequence[FrameReferences]
    ) -> dict[str, Any]:
        return {
            "mesh_N3": face.mesh_TN3[t],
            "head_7": head_T7[t],
            "torso_18x3": face.torso_TN3[t],
            "references": references[t],
        }

    def _input(
        self, face: PosedFace, t: int, *, head_T7: NDArray[np.float32], references: Sequence[FrameReferences]
    ) -> RepairInput:
        made = self._maker.make(**self._posed(face, t, head_T7=head_T7, references=references))
        return RepairInput(
            condition_SS3=self._painter.paint(face.mesh_TN3[t], face.torso_TN3[t]),
            head_SS3=made.head_SS3,
            mouth_SS3=made.mouth_SS3,
            mask_SS=made.mask_SS,
        )
