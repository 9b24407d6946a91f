"""The compact encoder's front begins as Whisper's first layers, which see all rows and know their places.

The front knows no places: it sees the rows within its reach by a bias per head and distance. So the places' mean
becomes a constant, and what places add to Whisper's attention, on the mean by distance, becomes the bias.

Legend: B batch, F mel bands, K spectral frames, L rows at 50 Hz, C width, N heads, R distances.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stages.speech.compact import FRONT_HEADS, AttentionBlock, CompactNetwork
from stages.speech.whisper import WhisperEncoder, WhisperLayer


def start_from_whisper(network: CompactNetwork, whisper: WhisperEncoder, mels_BFK: Sequence[Tensor]) -> None:
    """Give the network's stem and front Whisper's weights, in place.

    Args:
        network: with a front of Whisper's width.
        whisper: with as many layers as the front has blocks, or more.
        mels_BFK: log-mel spectra of some speech, in which the effect of places on attention is measured.

    Raises:
        ValueError: the front has more blocks than Whisper has layers.
    """
    with torch.no_grad():
        network.stem.load_state_dict(whisper.conv1.state_dict())
        network.halve.load_state_dict(whisper.conv2.state_dict())
        placed = [whisper.stem(mel_BFK) for mel_BFK in mels_BFK]
        rows = min(x_BLC.shape[1] for x_BLC in placed)
        offset_C = whisper.positions_KD[:rows].mean(0)
        network.front_offset_C.copy_(offset_C)
        unplaced = [x_BLC + offset_C for x_BLC in placed]
        placed = [x_BLC + whisper.positions_KD[: x_BLC.shape[1]] for x_BLC in placed]
        for block, layer in zip(network.front, whisper.layers[: len(network.front)], strict=True):
            assert isinstance(block, AttentionBlock)
            assert isinstance(layer, WhisperLayer)
            _copy(block, layer)
            with_places = torch.stack([_by_distance(layer, x_BLC, block.reach) for x_BLC in placed]).mean(0)
            without = torch.stack([_by_distance(layer, x_BLC, block.reach) for x_BLC in unplaced]).mean(0)
            block.bias_NR.copy_(with_places - without)
            placed = [layer(x_BLC) for x_BLC in placed]
            unplaced = [block(x_BLC) for x_BLC in unplaced]


def _copy(block: AttentionBlock, layer: WhisperLayer) -> None:
    block.norm.load_state_dict(layer.attention_norm.state_dict())
    block.qkv.load_state_dict(layer.qkv.state_dict())
    block.output.load_state_dict(layer.output.state_dict())
    block.feed.norm.load_state_dict(layer.feed_norm.state_dict())
    block.feed.up.load_state_dict(layer.up.state_dict())
    block.feed.down.load_state_dict(layer.down.state_dict())


def _by_distance(layer: WhisperLayer, x_BLC: Tensor, reach: int) -> Tensor:
    """(N, R) mean of the attention's scores before the softmax, by distance within reach."""
    query, key, _ = (
        part.unflatten(-1, (FRONT_HEADS, -1)).transpose(1, 2)
        for part in layer.qkv(layer.attention_norm(x_BLC)).chunk(3, dim=-1)
    )
    scores_BNLL = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return torch.stack(
        [
            scores_BNLL.diagonal(distance, dim1=-2, dim2=-1).mean((0, -1))
            for distance in range(-reach, reach + 1)
        ],
        dim=-1,
    )
