"""What the paper puts in the place of dual attention to show its worth (MODA Table 3, "LSTM").

Legend: B batch, T frames, C width.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

_LAYERS: Final = 3


class RecurrentBranches(nn.Module):
    """A GRU and an LSTM of three layers over x = a + s, side by side; draws nothing.

    The released code runs the GRU over four quarters and carries its state across, which is one run over the whole,
    but for up to three frames that it loses where T is no multiple of four.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, _LAYERS, batch_first=True)
        self.lstm = nn.LSTM(width, width, _LAYERS, batch_first=True)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """(B, T, 2 C) features of x (B, T, C)."""
        return torch.cat([self.gru(x_BTC)[0], self.lstm(x_BTC)[0]], dim=-1)
