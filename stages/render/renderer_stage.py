"""The render stage: posed faces to pictures (MODA eq. 15).

Legend: B batch, T frames, N points, C channels, H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.errors import SubjectError
from stages.payloads import PosedFace
from stages.render.condition import ConditionPainter
from stages.render.generator import Generator, channels_last
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_facts import EXPECTED, RendererFacts
from stages.render.temporal import ping_pong
from stages.subject.package import SubjectPackage
from stages.weights import build_network, load_weights

Frame = NDArray[np.uint8]

_BATCH: Final = {"cpu": 1, "cuda": 10}
"""Frames rendered at once, fixed per kind of device; a last, short batch is padded to the same size."""


class RendererStage:
    """A subject's generator on one device, in inference form."""

    def __init__(
        self, generator: Generator, *, reference_HW3: Frame, trained_frames: int, device: torch.device
    ) -> None:
        self._device = device
        self.size = generator.config.size
        """Side of the pictures in px."""
        self._painter = ConditionPainter(self.size)
        self._trained_frames = trained_frames
        self._batch = _BATCH[device.type]
        self.not_finite_frames = 0
        """Frames so far that held NaN or infinity; as pixels they look like any other."""
        self._generator: torch.nn.Module = channels_last(generator.eval().requires_grad_(False).to(device))
        if device.type == "cuda":
            # Compilation changes bits: never on the CPU, whose bytes are the reference.
            self._generator = torch.compile(self._generator)  # type: ignore[assignment]
        if reference_HW3.shape[0] != self.size:
            reference_HW3 = np.asarray(
                cv2.resize(reference_HW3, (self.size, self.size), interpolation=cv2.INTER_AREA),
                dtype=np.uint8,
            )
        self._reference_BCHW = self._pictures(reference_HW3[None]).expand(self._batch, -1, -1, -1)

    @classmethod
    def load(cls, *, subject: SubjectPackage, device: str) -> Self:
        """Load the subject's renderer. Raises WeightsError when its weights are of another network."""
        weights = subject.renderer_weights
        assert weights is not None
        facts = RendererFacts.of(subject)
        generator = build_network(weights, GeneratorConfig, Generator)
        load_weights(weights, generator, expected=EXPECTED)
        return cls(
            generator,
            reference_HW3=subject.reference_HW3,
            trained_frames=facts.trained_frames,
            device=torch.device(device),
        )

    def render_before(
        self, face: PosedFace, *, background: str, first_frame: int, lead: int, frame_count: int
    ) -> Iterator[tuple[Frame, Frame]]:
        """Draws no picture: what is behind the person is drawn with them.

        Raises:
            SubjectError: always (``background_fixed``).
        """
        raise SubjectError(
            code="background_fixed",
            what="the paper's U-Net draws the whole picture, and knows of no background",
            hint="leave spec.output.background out",
        )

    def render(
        self, face: PosedFace, *, first_frame: int, lead: int = 0, frame_count: int | None = None
    ) -> Iterator[Frame]:
        """(H, W, 3) uint8 RGB frames in order.

        Args:
            face: posed faces, px on the 512 canvas; those before and after the wanted ones are not looked at.
            first_frame: absolute frame of the first wanted one; the position encoding runs to and fro in the trained
                range.
            lead: how many frames of `face` come before the wanted ones.
            frame_count: how many are wanted; None for all that follow.
        """
        end = face.frame_count if frame_count is None else lead + frame_count
        for start in range(lead, end, self._batch):
            stop = min(start + self._batch, end)
            conditions = [
                self._painter.paint(face.mesh_TN3[t], face.torso_TN3[t]) for t in range(start, stop)
            ]
            times = [ping_pong(first_frame + t - lead, self._trained_frames) for t in range(start, stop)]
            padding = self._batch - len(conditions)
            condition_BHW3 = np.stack(conditions + conditions[-1:] * padding)
            frames_B = torch.tensor(times + times[-1:] * padding, device=self._device)
            frames_BHW3, is_finite_B = self._render(condition_BHW3, frames_B)
            self.not_finite_frames += int(np.count_nonzero(~is_finite_B[: stop - start]))
            yield from frames_BHW3[: stop - start]

    def _render(
        self, condition_BHW3: NDArray[np.uint8], frames_B: Tensor
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
        ):
            picture_BCHW = self._generator(
                self._pictures(condition_BHW3), self._reference_BCHW, frames_B
            ).float()
            is_finite_B = torch.isfinite(picture_BCHW).flatten(1).all(dim=1)
            levels_BCHW = ((picture_BCHW + 1.0) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
        frames_BHW3 = np.ascontiguousarray(levels_BCHW.permute(0, 2, 3, 1).cpu().numpy())
        return frames_BHW3, is_finite_B.cpu().numpy()

    def _pictures(self, frames_BHW3: NDArray[np.uint8]) -> Tensor:
        pictures_BCHW = torch.from_numpy(frames_BHW3).to(self._device).permute(0, 3, 1, 2)
        return pictures_BCHW.to(torch.float32) / 127.5 - 1.0
