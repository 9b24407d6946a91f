"""Candidates of prepared clips' frames, for training a network that repairs them.

Legend: B batch, T frames, R references, K numbers of a key, S side of a picture (512 px), 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.files import is_plain_file
from stages.geometry.canonical import straightened
from stages.render.generator_config import GeneratorConfig
from stages.subject.library_file import StoredReferences, read_library
from stages.subject.library_making import control_of
from stages.subject.library_of_clip import make_library
from stages.subject.package import LIBRARY_FILE
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.parallel import share_of
from stages.training.randomness import Stream, step_random
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import Batch, RendererClip, as_pictures, collate
from stages.training.split import HELD_OUT_SHARE
from stages.training.trainer import Workers
from stages.training.warped_config import WarpedTraining
from stages.warp.candidates import CandidateMaker, Candidates
from stages.warp.choice import choose_eyes, choose_mouths
from stages.warp.keys import eye_keys, mouth_keys

_CROP_JITTER: Final = 48
"""px by which the square around the face is moved at random, each way: hair and collar are learnt, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpedBatch:
    """What one optimiser step reads; pictures in [-1, 1].

    Attributes:
        drawn: condition images, truth, masks of mouths, and the squares around the faces.
        fixed_B3SS, mouth_B3SS, plate_B3SS, mask_B1SS: see `RepairNetwork.forward`.
    """

    drawn: Batch
    fixed_B3SS: Tensor
    mouth_B3SS: Tensor
    plate_B3SS: Tensor
    mask_B1SS: Tensor

    def to(self, device: torch.device) -> WarpedBatch:
        """The same batch on a device."""
        return WarpedBatch(
            drawn=self.drawn.to(device),
            fixed_B3SS=self.fixed_B3SS.to(device),
            mouth_B3SS=self.mouth_B3SS.to(device),
            plate_B3SS=self.plate_B3SS.to(device),
            mask_B1SS=self.mask_B1SS.to(device),
        )

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What the network reads, in its order."""
        return self.drawn.condition_BCHW, self.fixed_B3SS, self.mouth_B3SS, self.plate_B3SS, self.mask_B1SS


class WarpedClip:
    """One prepared clip with its reference library, which is made where the folder has none."""

    def __init__(self, folder: Path, *, config: WarpedTraining) -> None:
        """Raises SubjectError when the folder holds no prepared clip, or the library is damaged or of another one."""
        self.drawn = RendererClip(
            folder,
            config=RendererTraining(generator=GeneratorConfig(), face_crop=config.face_crop),
        )
        tracks = ClipTracks.load(folder)
        template = Template.from_clips([tracks], share=1 - HELD_OUT_SHARE)
        stored = _library(folder, tracks, template, pictures_TSS3=self.drawn.frames_THW3)
        self._frames_R, self._apart = stored.frames_R, config.apart
        self._maker = CandidateMaker(library=stored.opened(), control=control_of(template))
        canonical_TN3, self._head_T7 = straightened(self.drawn.mesh_TN3, template_N3=template.mesh_N3)
        self._mouth_TK = mouth_keys(canonical_TN3, self._head_T7)
        self._eyes_TK = eye_keys(canonical_TN3, self._head_T7)

    @property
    def plate_SS3(self) -> NDArray[np.uint8]:
        """The background."""
        return self._maker.library.plate.picture_SS3

    def practised(self, frame: int) -> Candidates:
        """Candidates of a frame to learn: from references that are not the frame itself, nor its neighbours."""
        library = self._maker.library
        # Where all are near, the farthest of them: a clip of a second teaches little anyway.
        distance_R = np.abs(self._frames_R.astype(np.int64) - frame)
        far = np.flatnonzero(distance_R >= min(self._apart, int(distance_R.max())))
        one = slice(frame, frame + 1)
        mouth = far[int(choose_mouths(self._mouth_TK[one], library.mouths_RK[far])[0])]
        eyes = far[int(choose_eyes(self._eyes_TK[one], library.eyes_RK[far])[0])]
        return self._made(frame, mouth=int(mouth), eyes=int(eyes))

    def shown(self, frames: Sequence[int]) -> list[Candidates]:
        """Candidates of frames as a render of the clip's end would have them."""
        start = self.drawn.trained_frames
        mouth_T = choose_mouths(self._mouth_TK[start:], self._maker.library.mouths_RK)
        eyes_T = choose_eyes(self._eyes_TK[start:], self._maker.library.eyes_RK)
        return [
            self._made(frame, mouth=int(mouth_T[frame - start]), eyes=int(eyes_T[frame - start]))
            for frame in frames
        ]

    def _made(self, frame: int, *, mouth: int, eyes: int) -> Candidates:
        return self._maker.make(
            mesh_N3=self.drawn.mesh_TN3[frame],
            head_7=self._head_T7[frame],
            torso_18x3=self.drawn.torso_TN3[frame],
            mouth=mouth,
            eyes=eyes,
        )


class WarpedSampler:
    """Draws each step's batch from the training part of the clips, every clip equally often."""

    def __init__(self, clips: Sequence[WarpedClip], *, config: WarpedTraining) -> None:
        """Raises SubjectError where a clip holds nothing to learn from."""
        self._clips, self._config = list(clips), config
        self._learnable = [clip.drawn.learnable() for clip in self._clips]

    def draw(self, step: int, *, workers: Workers) -> WarpedBatch:
        """This worker's share of the batch of one step."""
        random = step_random(seed=self._config.seed, step=step, stream=Stream.BATCH)
        picks = []
        for index in range(self._config.batch_size):
            turn = (step * self._config.batch_size + index) % len(self._clips)
            learnable = self._learnable[turn]
            picks.append((self._clips[turn], learnable[int(random.integers(len(learnable)))]))
        jitter_B2 = random.integers(-_CROP_JITTER, _CROP_JITTER + 1, size=(len(picks), 2))
        mine = share_of(list(zip(picks, jitter_B2, strict=True)), workers)
        return warped_batch(
            [(clip, frame, clip.practised(frame)) for (clip, frame), _ in mine],
            crop=self._config.face_crop,
            jitter_B2=np.stack([jitter_2 for _, jitter_2 in mine]),
        )


def warped_batch(
    picks: Sequence[tuple[WarpedClip, int, Candidates]],
    *,
    crop: int,
    jitter_B2: NDArray[np.int64] | None = None,
) -> WarpedBatch:
    """Stack frames and their candidates into one batch."""
    drawn = collate(
        [(clip.drawn, frame, clip.drawn.reference_frame) for clip, frame, _ in picks],
        crop=crop,
        jitter_B2=jitter_B2,
    )
    made = [candidates for _, _, candidates in picks]
    return WarpedBatch(
        drawn=drawn,
        fixed_B3SS=as_pictures(np.stack([candidates.fixed_SS3 for candidates in made])),
        mouth_B3SS=as_pictures(np.stack([candidates.mouth_SS3 for candidates in made])),
        plate_B3SS=as_pictures(np.stack([clip.plate_SS3 for clip, _, _ in picks])),
        mask_B1SS=as_pictures(np.stack([candidates.mask_SS[..., None] for candidates in made])),
    )


def _library(
    folder: Path, tracks: ClipTracks, template: Template, *, pictures_TSS3: NDArray[np.uint8]
) -> StoredReferences:
    """The library of the package in the folder, or one made now and left there."""
    path = folder / LIBRARY_FILE
    if not is_plain_file(path):
        make_library(path, tracks, pictures_TSS3, template=template)
    # Learnt is what is stored: a render has nothing finer.
    return read_library(path, template=template)
