"""SpecAttn: the specific, deterministic branch of dual attention (MODA eq. 4 to 7).

Legend: B batch, T frames, C width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stages.moda.encodings import alignment_mask, biased_causal_mask, head_slopes, periodic_encoding


class SpecAttention(nn.Module):
    """Biased causal self-attention over x, then attention to the speech of the same frame; 3 layers.

    With the diagonal mask of eq. 5 the softmax has one live entry: cross-attention is W_O W_V a_t whatever
    the query, and its query and key weights learn nothing. `band` > 0 opens a real attention.
    """

    def __init__(
        self,
        width: int,
        *,
        layers: int,
        heads: int,
        period: int,
        band: int,
        single_slope: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.width, self.heads, self.period, self.band, self.single_slope = (
            width,
            heads,
            period,
            band,
            single_slope,
        )
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, dim_feedforward=width, dropout=dropout, batch_first=True)
            for _ in range(layers)
        )

    def forward(self, x_BTC: Tensor, speech_BTC: Tensor) -> Tensor:
        """x_s (B, T, C) from x = a + s and the speech codes a."""
        batch, frames, _ = x_BTC.shape
        encoding_TC = periodic_encoding(frames, self.width, period=self.period).to(x_BTC)
        slopes_H = head_slopes(self.heads, single=self.single_slope)
        causal_HTT = biased_causal_mask(frames, period=self.period, slopes_H=slopes_H).to(x_BTC)
        causal_BHTT = causal_HTT.repeat(batch, 1, 1)
        aligned_TT = torch.zeros(frames, frames).masked_fill(
            alignment_mask(frames, band=self.band), float("-inf")
        )
        y_BTC: Tensor = self.dropout(x_BTC + encoding_TC)
        for layer in self.layers:
            y_BTC = layer(y_BTC, speech_BTC, tgt_mask=causal_BHTT, memory_mask=aligned_TT.to(x_BTC))
        return y_BTC
