"""The face stage: merged motion to the posed dense face (MODA section 7, steps 4 to 7).

Legend: T frames, N points, 3 = (x, y, z), C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from stages.faco.network import FacoConfig, FaCoNet
from stages.faco.paste import draws_composed_face, paste_parts
from stages.geometry.canonical import pose
from stages.geometry.landmarks import LIPS
from stages.moda.smoothing import COMPOSE_CONTEXT_FRAMES, REST_SIGMA, smooth, smooth_motion
from stages.payloads import FRAMES_PER_SECOND, MESH_POINTS, Motion, PosedFace
from stages.subject.face_smoothing import BONE, JAW, JAW_SIGMA
from stages.subject.motion_limits import MotionLimits
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.weights import load_weights
from stages.weights_header import read_sizes

Floats = NDArray[np.float32]

_FRAMES_AT_ONCE: Final = 32
"""Frames go through the network in padded groups of this size: a frame's bytes must not depend on its company."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amplitude:
    """Factors on motion relative to the template; 0 keeps that part still."""

    head: float = 1.0
    blink: float = 1.0
    torso: float = 1.0


_AS_IT_IS: Final = Amplitude()


class ComposerStage:
    """FaCo-Net on one device, with smoothing before and the camera after it."""

    context_frames = COMPOSE_CONTEXT_FRAMES
    """Frames of merged motion wanted before and after the frames to compose."""

    def __init__(self, network: FaCoNet, *, device: torch.device) -> None:
        self._network, self._device = network, device

    @classmethod
    def load(cls, *, weights: Path, device: str) -> Self:
        """Load the network. Raises WeightsError when the weights are missing or of another network."""
        place = torch.device(device)
        network = FaCoNet(read_sizes(weights, FacoConfig)).to(place).eval().requires_grad_(False)
        load_weights(weights, network, expected={"architecture": "faco", "fps": FRAMES_PER_SECOND})
        return cls(network, device=place)

    def compose(
        self, motion: Motion, *, lead: int, frame_count: int, subject: SubjectPackage, amplitude: Amplitude
    ) -> PosedFace:
        """Exactly `frame_count` posed faces from merged, unsmoothed motion.

        Args:
            motion: frames [start - lead, start + frame_count + tail); lead and tail are `context_frames`, and
                less only where the speech begins or ends.
            lead: frames of `motion` before the first wanted one.

        A renderer that was trained on faces without FaCo-Net gets such faces.
        Raises WeightsError when the subject's renderer weights cannot be read.
        """
        return self.compose_on(
            subject.template,
            motion,
            lead=lead,
            frame_count=frame_count,
            amplitude=amplitude,
            limits=subject.motion_limits,
            composed=draws_composed_face(subject.renderer_weights),
        )

    def compose_on(
        self,
        template: Template,
        motion: Motion,
        *,
        lead: int,
        frame_count: int,
        amplitude: Amplitude = _AS_IT_IS,
        limits: MotionLimits | None = None,
        composed: bool = True,
    ) -> PosedFace:
        """The same on a template alone; `composed` False pastes lips and eyes into it ("w/o FaCo-Net", Table 4)."""
        smoothed = smooth_motion(motion)
        eyes_TN3 = smoothed.eyes_TN3 * np.float32(amplitude.blink)
        mesh_TN3 = self._meshes(smoothed.mouth_TN3, eyes_TN3, template, composed=composed)
        wanted = slice(lead, lead + frame_count)
        moved_TC = smoothed.head_TC[wanted] * np.float32(amplitude.head)
        head_TC = (moved_TC if limits is None else limits.limited(moved_TC)) + template.head_7
        # A scale near zero would blow the face up; the template's is around one.
        head_TC[:, 6] = np.maximum(head_TC[:, 6], 0.25 * template.head_7[6])
        torso_TN3 = smoothed.torso_TN3[wanted] * np.float32(amplitude.torso) + template.torso_N3
        return PosedFace(
            mesh_TN3=pose(mesh_TN3[wanted], head_TC),
            torso_TN3=torso_TN3.astype(np.float32),
        )

    def _meshes(self, mouth_TN3: Floats, eyes_TN3: Floats, template: Template, *, composed: bool) -> Floats:
        """(T, 478, 3) canonical meshes of smoothed lip and eye displacements."""
        if not composed:
            return paste_parts(template.mesh_N3, mouth_TN3=mouth_TN3, eyes_TN3=eyes_TN3)
        mesh_TN3 = self._displacements(mouth_TN3, eyes_TN3, template.network_mesh_M)
        mesh_TN3[:, BONE] = smooth(mesh_TN3[:, BONE], REST_SIGMA)
        mesh_TN3[:, JAW] = smooth(mesh_TN3[:, JAW], JAW_SIGMA)
        # FaCo-Net lets the eyes show in the lips: with its own, another take's blinks moved them by 17 % of their
        # variation. Lips belong to the speech alone.
        mesh_TN3[:, LIPS] = mouth_TN3
        return mesh_TN3 + template.mesh_N3

    def _displacements(self, mouth_TN3: Floats, eyes_TN3: Floats, template_M: Floats) -> Floats:
        """(T, 478, 3) mesh displacements of smoothed lips and eyes."""
        frames = len(mouth_TN3)
        padded = -(-frames // _FRAMES_AT_ONCE) * _FRAMES_AT_ONCE
        mouth_TC = np.zeros((padded, mouth_TN3[0].size), dtype=np.float32)
        eyes_TC = np.zeros((padded, eyes_TN3[0].size), dtype=np.float32)
        mouth_TC[:frames] = mouth_TN3.reshape(frames, -1)
        eyes_TC[:frames] = eyes_TN3.reshape(frames, -1)
        template_BM = torch.from_numpy(template_M).to(self._device).expand(_FRAMES_AT_ONCE, -1)
        composed = []
        with torch.inference_mode():
            for first in range(0, padded, _FRAMES_AT_ONCE):
                group = slice(first, first + _FRAMES_AT_ONCE)
                mouth_BC, eyes_BC = (
                    torch.from_numpy(part[group]).to(self._device) for part in (mouth_TC, eyes_TC)
                )
                composed.append(self._network(mouth_BC, eyes_BC, template_BM).cpu().numpy())
        return np.concatenate(composed)[:frames].reshape(frames, MESH_POINTS, 3)
