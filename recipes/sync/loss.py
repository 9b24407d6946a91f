"""What the judge's embeddings learn from: which sound belongs to which lips.

Legend: B windows, T frames, E embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def offset_loss(sound_BTE: Tensor, lips_BTE: Tensor, scale: Tensor, *, blur_frames: float) -> Tensor:
    """InfoNCE over the frames of a window: lips choose their moment of the sound, and sound its moment of the lips.

    Args:
        sound_BTE: unit embeddings.
        lips_BTE: unit embeddings.
        scale: factor on the cosines before the softmax.
        blur_frames: Gaussian sigma of the right answer, since even careful synchronisation is out by up to a frame.
    """
    place_T = torch.arange(sound_BTE.shape[1], device=sound_BTE.device)
    answer_TT = torch.exp(-0.5 * ((place_T[None] - place_T[:, None]) / blur_frames) ** 2)
    answer_TT = answer_TT / answer_TT.sum(dim=1, keepdim=True)
    likeness_BTT = scale * lips_BTE @ sound_BTE.transpose(1, 2)
    return _missed(likeness_BTT, answer_TT) + _missed(likeness_BTT.transpose(1, 2), answer_TT)


def stranger_loss(sound_BTE: Tensor, lips_BTE: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE over the windows of a batch at the same frame: lips choose their own sound among strangers'."""
    likeness_TBB = scale * lips_BTE.transpose(0, 1) @ sound_BTE.permute(1, 2, 0)
    own_BB = torch.eye(likeness_TBB.shape[1], device=scale.device)
    return _missed(likeness_TBB, own_BB) + _missed(likeness_TBB.transpose(1, 2), own_BB)


def _missed(likeness: Tensor, answer: Tensor) -> Tensor:
    """Cross-entropy of the softmax over the last dimension, averaged over all others."""
    return -(answer * functional.log_softmax(likeness, dim=-1)).sum(dim=-1).mean()
