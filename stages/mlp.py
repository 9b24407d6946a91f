"""The one block that MODA and FaCo-Net share (MODA section 2). Legend: B batch, T frames, C channels."""

from __future__ import annotations

from torch import Tensor, nn

LEAKY_SLOPE = 0.2


class _TimeBatchNorm(nn.BatchNorm1d):
    """Batch norm over batch and time for (B, T, C), over batch for (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return super().forward(x.transpose(1, 2)).transpose(1, 2)
        return super().forward(x)


class Mlp(nn.Sequential):
    """`layers` linear layers with leaky ReLU between them, optionally after batch norm."""

    def __init__(self, inputs: int, outputs: int, *, hidden: int, layers: int, norm: bool = False) -> None:
        """Raises ValueError for fewer than two layers."""
        if layers < 2:
            raise ValueError(f"layers must be at least 2, not {layers}")
        widths = [inputs, *[hidden] * (layers - 1), outputs]
        modules: list[nn.Module] = []
        for index in range(layers):
            modules.append(nn.Linear(widths[index], widths[index + 1]))
            if index < layers - 1:
                if norm:
                    modules.append(_TimeBatchNorm(hidden))
                modules.append(nn.LeakyReLU(LEAKY_SLOPE))
        super().__init__(*modules)


def initialise_linear(module: nn.Module) -> None:
    """N(0, 0.02) weights and zero bias for a linear layer; for `Module.apply`, never on pretrained parts."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
