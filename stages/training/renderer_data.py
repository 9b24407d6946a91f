"""Pictures and condition images of prepared clips, for training the renderer.

Legend: B batch, T frames, N points, C channels, H/W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import LEFT_EYE, OUTER_LIP_RING, RIGHT_EYE
from stages.render.condition import ConditionPainter
from stages.subject.framing import framed_frames
from stages.subject.tracks import ClipTracks

HELD_OUT_SHARE: Final = 0.15
"""The last part of every clip is never trained on."""

_MOUTH_DILATION: Final = 45
"""Side in px on the 512 canvas of the square by which the lip polygon grows (MODA section 4.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one optimiser step reads; pictures in [-1, 1].

    Attributes:
        condition_BCHW, reference_BCHW, truth_BCHW: (B, 3, H, W).
        mouth_B1HW: (B, 1, H, W) mask in {0, 1}.
        frames_B: frame indices in the clip.
        face_corner_B2: (B, 2) row and column of a square around the face, for the perceptual term.
    """

    condition_BCHW: Tensor
    reference_BCHW: Tensor
    truth_BCHW: Tensor
    mouth_B1HW: Tensor
    frames_B: Tensor
    face_corner_B2: NDArray[np.int64]

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(
            condition_BCHW=self.condition_BCHW.to(device),
            reference_BCHW=self.reference_BCHW.to(device),
            truth_BCHW=self.truth_BCHW.to(device),
            mouth_B1HW=self.mouth_B1HW.to(device),
            frames_B=self.frames_B.to(device),
            face_corner_B2=self.face_corner_B2,
        )


class RendererClip:
    """One clip in memory: frames (T, H, W, 3) uint8, image-space meshes and shoulders."""

    def __init__(self, folder: Path, *, size: int) -> None:
        tracks = ClipTracks.load(folder)
        self.size = size
        self.speaker = tracks.facts.speaker
        self.mesh_TN3 = pose(tracks.canonical_TN3, tracks.head_T7)
        self.torso_TN3 = tracks.torso_TN3
        self.canonical_TN3 = tracks.canonical_TN3
        self.frames_THW3 = np.stack(
            [
                frame_HW3
                for _, frame_HW3 in zip(
                    range(tracks.frame_count),
                    framed_frames(
                        Path(tracks.facts.source),
                        framing=tracks.facts.framing,
                        first_frame=tracks.facts.first_frame,
                        size=size,
                    ),
                    strict=False,
                )
            ]
        )
        self.trained_frames = int(len(self.frames_THW3) * (1 - HELD_OUT_SHARE))
        self.reference_frame = reference_frame(tracks, stop=self.trained_frames)
        self._painter = ConditionPainter(size)

    def condition(self, frame: int) -> NDArray[np.uint8]:
        """The (H, W, 3) condition image of one frame, from its true landmarks."""
        return self._painter.paint(self.mesh_TN3[frame], self.torso_TN3[frame])

    def mouth_mask(self, frame: int) -> NDArray[np.uint8]:
        """(H, W) mask in {0, 1}: the outer-lip polygon, dilated."""
        scale = self.size / CANVAS
        mask_HW = np.zeros((self.size, self.size), dtype=np.uint8)
        ring_N2 = np.round(self.mesh_TN3[frame, OUTER_LIP_RING, :2] * scale - 0.5).astype(np.int32)
        cv2.fillPoly(mask_HW, [ring_N2], 1)
        side = max(1, round(_MOUTH_DILATION * scale))
        return np.asarray(cv2.dilate(mask_HW, np.ones((side, side), dtype=np.uint8)), dtype=np.uint8)

    def face_centre(self, frame: int) -> NDArray[np.float64]:
        """(row, column) of the face's centre in px of the picture."""
        points_N2 = self.mesh_TN3[frame, :, :2].astype(np.float64) * (self.size / CANVAS)
        centre: NDArray[np.float64] = ((points_N2.min(0) + points_N2.max(0)) / 2)[::-1]
        return centre


class RendererSampler:
    """Draws training batches from clips by weight; its random state is part of a checkpoint."""

    def __init__(
        self, clips: dict[str, RendererClip], weights: dict[str, float], *, crop: int, seed: int
    ) -> None:
        self._names = list(weights)
        total = sum(weights.values())
        self._shares = [weights[name] / total for name in self._names]
        self._clips = clips
        self._crop = crop
        self.random = np.random.default_rng(seed)

    def draw(self, batch_size: int) -> Batch:
        """A batch of frames from the training part of the clips."""
        picks = []
        for name in self.random.choice(self._names, size=batch_size, p=self._shares):
            clip = self._clips[str(name)]
            picks.append((clip, int(self.random.integers(clip.trained_frames))))
        corners = np.stack([self._corner(clip, frame) for clip, frame in picks])
        return collate(picks, corners)

    def _corner(self, clip: RendererClip, frame: int) -> NDArray[np.int64]:
        jitter_2 = self.random.integers(-16, 17, size=2)
        corner_2 = clip.face_centre(frame) - self._crop / 2 + jitter_2
        return np.clip(np.round(corner_2), 0, clip.size - self._crop).astype(np.int64)


def collate(picks: list[tuple[RendererClip, int]], face_corner_B2: NDArray[np.int64] | None = None) -> Batch:
    """Stack (clip, frame) picks into one batch."""
    mouth_BHW = np.stack([clip.mouth_mask(frame) for clip, frame in picks])
    return Batch(
        condition_BCHW=as_pictures(np.stack([clip.condition(frame) for clip, frame in picks])),
        reference_BCHW=as_pictures(np.stack([clip.frames_THW3[clip.reference_frame] for clip, _ in picks])),
        truth_BCHW=as_pictures(np.stack([clip.frames_THW3[frame] for clip, frame in picks])),
        mouth_B1HW=torch.from_numpy(mouth_BHW[:, None].astype(np.float32)),
        frames_B=torch.tensor([frame for _, frame in picks]),
        face_corner_B2=np.zeros((len(picks), 2), np.int64) if face_corner_B2 is None else face_corner_B2,
    )


def as_pictures(frames_BHW3: NDArray[np.uint8]) -> Tensor:
    """uint8 RGB frames (B, H, W, 3) to float pictures (B, 3, H, W) in [-1, 1], channels last in memory."""
    return torch.from_numpy(frames_BHW3).permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1.0


def reference_frame(tracks: ClipTracks, *, stop: int) -> int:
    """The frontal, open-eyed frame with a closed mouth and a middling pose among the first `stop` frames."""
    canonical_TN3, head_T7 = tracks.canonical_TN3[:stop], tracks.head_T7[:stop]
    # Eye opening: mean height of both eye rings; the wider open, the better, but not above its 80th percentile.
    opening_T = np.ptp(canonical_TN3[:, LEFT_EYE, 1], axis=1) + np.ptp(canonical_TN3[:, RIGHT_EYE, 1], axis=1)
    squint_T = np.maximum(np.percentile(opening_T, 80) - opening_T, 0)
    off_T = np.abs((head_T7 - np.median(head_T7, axis=0)) / (head_T7.std(axis=0) + 1e-6))[:, :5].mean(axis=1)
    return int(np.argmin(off_T + squint_T))
