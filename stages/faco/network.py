"""FaCo-Net: composes the dense face from mouth and eyes (MODA section 3, eq. 17).

Legend: B batch (frames), C channels, M mesh channels (1434).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stages.mlp import Mlp, initialise_linear
from stages.payloads import EYE_POINTS, MESH_POINTS, MOUTH_POINTS

_HALF_CODE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class FacoConfig:
    """Sizes of the composer; its codes are fixed by the paper's structure."""

    encoder_width: int = 256
    subject_width: int = 128
    decoder_width: int = 512


class FaCoNet(nn.Module):
    """Displacements of lips and eyes, and the subject's mesh, to displacements of all 478 vertices."""

    def __init__(self, config: FacoConfig) -> None:
        super().__init__()
        self.config = config
        self.mouth = Mlp(3 * MOUTH_POINTS, _HALF_CODE, hidden=config.encoder_width, layers=3)
        self.eyes = Mlp(3 * EYE_POINTS, _HALF_CODE, hidden=config.encoder_width, layers=3)
        self.subject = Mlp(3 * MESH_POINTS, 2 * _HALF_CODE, hidden=config.subject_width, layers=3)
        self.decoder = Mlp(2 * _HALF_CODE, 3 * MESH_POINTS, hidden=config.decoder_width, layers=4)
        self.apply(initialise_linear)

    def forward(self, mouth_BC: Tensor, eyes_BC: Tensor, template_BM: Tensor) -> Tensor:
        """(B, 1434) mesh displacements from flattened displacements (B, 120), (B, 180) and mesh (B, 1434)."""
        parts_BC = torch.cat([self.mouth(mouth_BC), self.eyes(eyes_BC)], dim=-1)
        mesh_BM: Tensor = self.decoder(parts_BC + self.subject(template_BM))
        return mesh_BM
