"""Speech features and motion of prepared clips, for training MODA and FaCo-Net.

Legend: B batch, T frames, N points, D speech feature width, C motion channels, M mesh channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.payloads import MOTION_CHANNELS
from stages.speech.encoder import SpeechEncoder, encode_speech
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.corpus import corpus_clips

Floats = NDArray[np.float32]

_SMALLEST_SHARE: Final = 0.3
"""Channels that hardly move are not blown up beyond this share of their group's spread."""

_GROUPS: Final = (
    slice(0, 120),
    slice(120, 300),
    slice(300, 303),
    slice(303, 306),
    slice(306, 307),
    slice(307, 361),
)
"""Mouth, eyes, rotation, centre, scale, torso: each has a unit of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionClip:
    """One clip: features (T, D), displacement rows (T, 361), mesh displacements (T, 478, 3)."""

    speaker: str
    features_TD: Floats
    rows_TC: Floats
    mesh_TN3: Floats
    template: Template
    torso_moves: bool

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.rows_TC)


def load_motion_clips(work: Path, encoder: SpeechEncoder, *, held_out: bool) -> list[MotionClip]:
    """Prepared clips with features (kept on disk per encoder); a clip's template is its own mean (row 20)."""
    clips = []
    for entry in corpus_clips():
        if entry.held_out is held_out:
            folder = entry.folder(work)
            tracks = ClipTracks.load(folder)
            template = Template.from_clips([tracks])
            clips.append(
                MotionClip(
                    speaker=entry.speaker,
                    features_TD=_features(folder, tracks, encoder),
                    rows_TC=template.displacements(tracks).as_rows(),
                    mesh_TN3=tracks.canonical_TN3 - template.mesh_N3,
                    template=template,
                    torso_moves=tracks.facts.torso_moves,
                )
            )
    return clips


def _features(folder: Path, tracks: ClipTracks, encoder: SpeechEncoder) -> Floats:
    cached = folder / f"{encoder.name.replace('/', '_').replace(':', '_')}.npy"
    if not cached.is_file():
        np.save(cached, encode_speech(encoder, tracks.speech_S).astype(np.float16))
    return np.asarray(np.load(cached), dtype=np.float32)


def channel_scale(clips: Sequence[MotionClip]) -> Floats:
    """Spread (361,) of every motion channel over the clips, floored within its group (section 15, row 16)."""
    spread_C = np.concatenate([clip.rows_TC for clip in clips]).std(axis=0)
    for group in _GROUPS:
        spread_C[group] = np.maximum(
            spread_C[group], _SMALLEST_SHARE * np.sqrt(np.mean(spread_C[group] ** 2))
        )
    return np.maximum(spread_C, 1e-6).astype(np.float32)


def data_hash(clips: Sequence[MotionClip]) -> str:
    """sha256 over what is learned from."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(clip.speaker.encode())
        digest.update(np.ascontiguousarray(clip.rows_TC).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionBatch:
    """Features (B, T, D), templates (B, 1434), rows (B, T, 361) in px and degrees, torso mask (B,)."""

    features_BTD: Tensor
    template_BM: Tensor
    rows_BTC: Tensor
    torso_B: Tensor


class MotionSampler:
    """Draws windows of one of several lengths, so that short clips take part; balanced over clips by length."""

    def __init__(
        self, clips: Sequence[MotionClip], *, lengths: Sequence[int], frames_a_batch: int, seed: int
    ) -> None:
        self._clips, self._lengths, self._frames = list(clips), list(lengths), frames_a_batch
        self.random = np.random.default_rng(seed)

    def draw(self) -> MotionBatch:
        """A batch of windows of equal length."""
        length = int(self.random.choice(self._lengths))
        able = [clip for clip in self._clips if clip.frame_count >= length]
        # The square root keeps the longest speaker from drowning the rest.
        shares = np.sqrt(np.array([clip.frame_count for clip in able], dtype=np.float64))
        picks = self.random.choice(len(able), size=max(2, self._frames // length), p=shares / shares.sum())
        return self._collate([able[int(pick)] for pick in picks], length)

    def _collate(self, clips: list[MotionClip], length: int) -> MotionBatch:
        starts = [int(self.random.integers(clip.frame_count - length + 1)) for clip in clips]
        cut = [slice(start, start + length) for start in starts]
        return MotionBatch(
            features_BTD=torch.from_numpy(
                np.stack([c.features_TD[s] for c, s in zip(clips, cut, strict=True)])
            ),
            template_BM=torch.from_numpy(np.stack([clip.template.network_mesh_M for clip in clips])),
            rows_BTC=torch.from_numpy(np.stack([c.rows_TC[s] for c, s in zip(clips, cut, strict=True)])),
            torso_B=torch.tensor([float(clip.torso_moves) for clip in clips]),
        )


assert _GROUPS[-1].stop == MOTION_CHANNELS, "the groups must cover every motion channel"
