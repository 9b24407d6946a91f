"""The discriminator of FaCo-Net: is this face the subject's, for these lips and eyes (MODA section 3, eq. 12)?

Legend: B batch (frames), C channels, M mesh channels (1434).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stages.mlp import Mlp, initialise_linear
from stages.payloads import EYE_POINTS, MESH_POINTS, MOUTH_POINTS


class FaceDiscriminator(nn.Module):
    """Conditional on lips, eyes and subject; used in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.mesh = Mlp(3 * (MOUTH_POINTS + EYE_POINTS + MESH_POINTS), 256, hidden=256, layers=2)
        self.subject = Mlp(3 * MESH_POINTS, 256, hidden=128, layers=3)
        self.classifier = Mlp(256, 1, hidden=128, layers=3)
        self.apply(initialise_linear)

    def forward(self, mouth_BC: Tensor, eyes_BC: Tensor, mesh_BM: Tensor, template_BM: Tensor) -> Tensor:
        """(B, 1) scores: 1 for a true face, 0 for a composed one."""
        code_BC = self.mesh(torch.cat([mouth_BC, eyes_BC, mesh_BM], dim=-1)) + self.subject(template_BM)
        score_B1: Tensor = self.classifier(code_BC)
        return score_B1
