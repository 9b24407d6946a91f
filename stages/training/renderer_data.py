"""Pictures and condition images of prepared clips, for training the renderer.

Legend: B batch, T frames, N points, C channels, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.errors import SubjectError
from stages.faco.paste import paste_parts
from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import OUTER_LIP_RING
from stages.render.condition import ConditionPainter
from stages.subject.frames import clip_frames
from stages.subject.reference import reference_frame
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.parallel import share_of
from stages.training.randomness import Stream, step_random
from stages.training.renderer_config import RendererTraining
from stages.training.split import HELD_OUT_SHARE, training_frames
from stages.training.trainer import Workers
from stages.video.unfit import fit_frames

_MOUTH_DILATION: Final = 45
"""Side in px on the 512 canvas of the square by which the lip polygon grows (MODA section 4.3)."""

_CROP_JITTER: Final = 16
"""px by which the square around the face is moved at random, each way."""

Pick = tuple["RendererClip", int, int]
"""A clip, the frame to draw, and the frame shown as reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one optimiser step reads; pictures in [-1, 1].

    Attributes:
        condition_BCHW, reference_BCHW, truth_BCHW: (B, 3, H, W).
        mouth_B1HW: (B, 1, H, W) mask in {0, 1}.
        frames_B: frame indices in the clip.
        face_corner_B2: (B, 2) row and column of the square around the face.
        crop: its side in px; None for the whole picture.
    """

    condition_BCHW: Tensor
    reference_BCHW: Tensor
    truth_BCHW: Tensor
    mouth_B1HW: Tensor
    frames_B: Tensor
    face_corner_B2: NDArray[np.int64]
    crop: int | None

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(
            condition_BCHW=self.condition_BCHW.to(device),
            reference_BCHW=self.reference_BCHW.to(device),
            truth_BCHW=self.truth_BCHW.to(device),
            mouth_B1HW=self.mouth_B1HW.to(device),
            frames_B=self.frames_B.to(device),
            face_corner_B2=self.face_corner_B2,
            crop=self.crop,
        )

    def faces_of(self, pictures_BCHW: Tensor) -> Tensor:
        """The squares around the faces (B, C, crop, crop) of pictures that belong to this batch."""
        if self.crop is None:
            return pictures_BCHW
        corners = [(int(row), int(column)) for row, column in self.face_corner_B2]
        return torch.stack(
            [
                picture_CHW[:, row : row + self.crop, column : column + self.crop]
                for picture_CHW, (row, column) in zip(pictures_BCHW, corners, strict=True)
            ]
        )


class RendererClip:
    """One prepared clip: frames (T, H, W, 3) uint8 mapped from disk, image-space meshes and shoulders."""

    def __init__(self, folder: Path, *, config: RendererTraining) -> None:
        """Raises SubjectError when the folder holds no prepared clip."""
        tracks = ClipTracks.load(folder)
        self.size, self.face_crop = config.generator.size, config.face_crop
        self.speaker = tracks.facts.speaker
        canonical_TN3 = tracks.canonical_TN3
        if not config.composed_face:
            template = Template.from_clips([tracks], share=1 - HELD_OUT_SHARE)
            motion = template.displacements(tracks)
            canonical_TN3 = paste_parts(
                template.mesh_N3, mouth_TN3=motion.mouth_TN3, eyes_TN3=motion.eyes_TN3
            )
        self.mesh_TN3 = pose(canonical_TN3, tracks.head_T7)
        self.torso_TN3 = tracks.torso_TN3
        self.frames_THW3 = clip_frames(folder, size=self.size)
        self.trained_frames = training_frames(self.frame_count)
        self.unfit = tracks.facts.unfit
        self.reference_frame = reference_frame(tracks, self.frames_THW3, stop=self.trained_frames)
        self._painter = ConditionPainter(self.size)

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return min(len(self.frames_THW3), len(self.mesh_TN3))

    def learnable(self) -> list[int]:
        """The frames of the training part that may be learnt from.

        Raises SubjectError (``clip_unfit``) where there is none.
        """
        frames = fit_frames(self.unfit, start=0, stop=self.trained_frames)
        if not frames:
            raise SubjectError(
                code="clip_unfit",
                where=self.speaker,
                what="every frame that training may see is lost, damaged, frozen or behind a hand",
                hint="prepare the subject from another clip",
            )
        return frames

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
    """Draws each step's batch from the training part of the clips, every clip equally often."""

    def __init__(self, clips: Sequence[RendererClip], *, config: RendererTraining) -> None:
        """Raises SubjectError where a clip holds nothing to learn from."""
        self._clips, self._config = list(clips), config
        self._learnable = [clip.learnable() for clip in self._clips]

    def draw(self, step: int, *, workers: Workers) -> Batch:
        """This worker's share of the batch of one step."""
        random = step_random(seed=self._config.seed, step=step, stream=Stream.BATCH)
        picks: list[Pick] = []
        for index in range(self._config.batch_size):
            # Over steps, not only over draws: a batch of two sees the subjects in turn.
            turn = (step * self._config.batch_size + index) % len(self._clips)
            clip, learnable = self._clips[turn], self._learnable[turn]
            frame, other = (learnable[int(pick)] for pick in random.integers(len(learnable), size=2))
            changes = len(self._clips) > 1 and random.random() < self._config.random_references
            picks.append((clip, frame, other if changes else clip.reference_frame))
        jitter_B2 = random.integers(-_CROP_JITTER, _CROP_JITTER + 1, size=(len(picks), 2))
        mine = share_of(list(zip(picks, jitter_B2, strict=True)), workers)
        return collate(
            [pick for pick, _ in mine],
            crop=self._config.face_crop,
            jitter_B2=np.stack([jitter_2 for _, jitter_2 in mine]),
        )


def collate(picks: list[Pick], *, crop: int | None, jitter_B2: NDArray[np.int64] | None = None) -> Batch:
    """Stack picks into one batch."""
    mouth_BHW = np.stack([clip.mouth_mask(frame) for clip, frame, _ in picks])
    corners = np.zeros((len(picks), 2), np.int64)
    if crop is not None:
        jitter_B2 = corners if jitter_B2 is None else jitter_B2
        centres_B2 = np.stack([clip.face_centre(frame) for clip, frame, _ in picks])
        corners = np.round(centres_B2 - crop / 2 + jitter_B2).astype(np.int64)
        corners = np.clip(corners, 0, picks[0][0].size - crop)
    return Batch(
        condition_BCHW=as_pictures(np.stack([clip.condition(frame) for clip, frame, _ in picks])),
        reference_BCHW=as_pictures(np.stack([clip.frames_THW3[reference] for clip, _, reference in picks])),
        truth_BCHW=as_pictures(np.stack([clip.frames_THW3[frame] for clip, frame, _ in picks])),
        mouth_B1HW=torch.from_numpy(mouth_BHW[:, None].astype(np.float32)),
        frames_B=torch.tensor([frame for _, frame, _ in picks]),
        face_corner_B2=corners,
        crop=crop,
    )


def as_pictures(frames_BHW3: NDArray[np.uint8]) -> Tensor:
    """uint8 RGB frames (B, H, W, 3) to float pictures (B, 3, H, W) in [-1, 1], channels last in memory."""
    return torch.from_numpy(frames_BHW3).permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1.0
