"""The render stage of warped references: posed faces to pictures, by the warp alone or repaired by a network.

Legend: B batch, T frames, N points, S side of the picture, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.geometry.canonical import CANVAS, straightened
from stages.payloads import PosedFace
from stages.render.condition import ConditionPainter
from stages.render.generator import channels_last
from stages.render.renderer_facts import EXPECTED_WARPED, RendererFacts
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.warp.candidates import CandidateMaker, Candidates
from stages.warp.control_mesh import ControlMesh
from stages.warp.library import ReferenceLibrary
from stages.warp.references import FrameReferences, choose_references
from stages.weights import build_network, load_weights

Frame = NDArray[np.uint8]

_BATCH: Final = {"cpu": 1, "cuda": 10}
"""Frames repaired at once, fixed per kind of device; a last, short batch is padded to the same size."""


class WarpedStage:
    """A subject's references and, once it is trained, the network that repairs them, on one device."""

    def __init__(
        self,
        network: RepairNetwork | None,
        *,
        library: ReferenceLibrary,
        template: Template,
        device: torch.device,
    ) -> None:
        """`network` None: the picture is the first candidate as it is."""
        self.size = CANVAS
        """Side of the pictures in px."""
        self.not_finite_frames = 0
        """Frames so far that held NaN or infinity; as pixels they look like any other."""
        self._template, self._device = template, device
        self._painter = ConditionPainter(self.size)
        control = ControlMesh.of(
            canonical_N3=template.mesh_N3, head_7=template.head_7, torso_18x3=template.torso_N3
        )
        self._maker = CandidateMaker(library=library, control=control)
        self._batch = _BATCH[device.type]
        self._network: torch.nn.Module | None = None
        if network is not None:
            self._network = channels_last(network.eval().requires_grad_(False).to(device))
            plate_1SS3 = library.plate.picture_SS3[None]
            self._plate_BCSS = self._pictures(plate_1SS3).expand(self._batch, -1, -1, -1)

    @property
    def library(self) -> ReferenceLibrary:
        """The subject's references."""
        return self._maker.library

    @classmethod
    def load(cls, *, subject: SubjectPackage, device: str) -> Self:
        """Load the subject's references, and its network if it has one.

        Raises:
            SubjectError: the references are damaged, or of another subject.
            WeightsError: the weights are of another network, or of another subject.
        """
        assert subject.library is not None
        library = read_library(subject.library, template=subject.template).opened()
        network = None
        if subject.renderer_weights is not None:
            # Sees that the weights are this subject's.
            RendererFacts.of(subject)
            network = build_network(subject.renderer_weights, RepairConfig, RepairNetwork)
            load_weights(subject.renderer_weights, network, expected=EXPECTED_WARPED)
        return cls(network, library=library, template=subject.template, device=torch.device(device))

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
        for start in range(frames.start, frames.stop, self._batch):
            batch = range(start, min(start + self._batch, frames.stop))
            posed: list[dict[str, Any]] = [
                {
                    "mesh_N3": face.mesh_TN3[t],
                    "head_7": head_T7[t],
                    "torso_18x3": face.torso_TN3[t],
                    "references": references[t],
                }
                for t in batch
            ]
            if self._network is None:
                yield from (self._maker.best(**each) for each in posed)
                continue
            made = [self._maker.make(**each) for each in posed]
            conditions = [self._painter.paint(face.mesh_TN3[t], face.torso_TN3[t]) for t in batch]
            yield from self._repaired(made, conditions)

    def _repaired(self, made: Sequence[Candidates], conditions: Sequence[Frame]) -> NDArray[np.uint8]:
        """(T, S, S, 3) frames of one batch, which is filled up."""
        assert self._network is not None
        fill = [*range(len(made)), *[len(made) - 1] * (self._batch - len(made))]
        stacks = (
            np.stack([conditions[t] for t in fill]),
            np.stack([made[t].head_SS3 for t in fill]),
            np.stack([made[t].mouth_SS3 for t in fill]),
        )
        mask_BSS1 = np.stack([made[t].mask_SS[..., None] for t in fill])
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
        ):
            picture_BCSS = self._network(
                *(self._pictures(stack) for stack in stacks), self._plate_BCSS, self._pictures(mask_BSS1)
            ).float()
            is_finite_B = torch.isfinite(picture_BCSS).flatten(1).all(dim=1)
            levels_BCSS = ((picture_BCSS + 1.0) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
        self.not_finite_frames += int((~is_finite_B[: len(made)]).sum())
        return np.ascontiguousarray(levels_BCSS[: len(made)].permute(0, 2, 3, 1).cpu().numpy())

    def _pictures(self, frames_BSSC: NDArray[np.uint8]) -> Tensor:
        pictures_BCSS = torch.from_numpy(frames_BSSC).to(self._device).permute(0, 3, 1, 2)
        return pictures_BCSS.to(torch.float32) / 127.5 - 1.0
