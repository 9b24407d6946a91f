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

from stages.errors import SubjectError
from stages.files import is_plain_file
from stages.geometry.canonical import pose, straightened
from stages.render.generator_config import GeneratorConfig
from stages.subject.library_file import LIBRARY_FILE, StoredReferences, read_library
from stages.subject.library_making import control_of
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.parallel import share_of
from stages.training.randomness import Stream, step_random
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import Batch, RendererClip, as_pictures, collate
from stages.training.split import HELD_OUT_SHARE, learnt_frames
from stages.training.trainer import Workers
from stages.training.warped_config import WarpedTraining
from stages.warp.candidates import CandidateMaker, Candidates
from stages.warp.reach import HEAD_FADE_FRAMES
from stages.warp.references import FrameReferences, choose_references

Floats = NDArray[np.float32]

_CROP_JITTER: Final = 48
"""px by which the square around the face is moved at random, each way: hair and collar are learnt, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpedBatch:
    """What one optimiser step reads; pictures in [-1, 1].

    Attributes:
        drawn: condition images, truth, masks of mouths, and the squares around the faces.
        head_B3SS, mouth_B3SS, plate_B3SS, mask_B1SS: see `RepairNetwork.forward`.
    """

    drawn: Batch
    head_B3SS: Tensor
    mouth_B3SS: Tensor
    plate_B3SS: Tensor
    mask_B1SS: Tensor

    def to(self, device: torch.device) -> WarpedBatch:
        """The same batch on a device."""
        return WarpedBatch(
            drawn=self.drawn.to(device),
            head_B3SS=self.head_B3SS.to(device),
            mouth_B3SS=self.mouth_B3SS.to(device),
            plate_B3SS=self.plate_B3SS.to(device),
            mask_B1SS=self.mask_B1SS.to(device),
        )

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What the network reads, in its order."""
        return self.drawn.condition_BCHW, self.head_B3SS, self.mouth_B3SS, self.plate_B3SS, self.mask_B1SS


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
        self.maker = CandidateMaker(library=stored.opened(), control=control_of(template))
        self._template = template
        canonical_TN3, self._head_T7 = straightened(self.drawn.mesh_TN3, template_N3=template.mesh_N3)
        self._references_T = self._choose(
            canonical_TN3, near_TR=_near(stored.frames_R, self.drawn, apart=config.apart + HEAD_FADE_FRAMES)
        )

    @property
    def plate_SS3(self) -> NDArray[np.uint8]:
        """The background."""
        return self.maker.library.plate.picture_SS3

    def candidates(self, frame: int) -> Candidates:
        """Candidates of a frame as a render of the clip has them.

        Of the part that training may see they are made without the frame itself and its neighbours: these know the
        answer, and a render has none that do.
        """
        return self.maker.make(
            mesh_N3=self.drawn.mesh_TN3[frame],
            head_7=self._head_T7[frame],
            torso_18x3=self.drawn.torso_TN3[frame],
            references=self._references_T[frame],
        )

    def points(self, frame: int) -> Floats:
        """Control points (P, 2) of a frame."""
        return self.maker.control.points(
            mesh_N3=self.drawn.mesh_TN3[frame],
            head_7=self._head_T7[frame],
            torso_18x3=self.drawn.torso_TN3[frame],
        )

    def template_points(self) -> tuple[Floats, Floats]:
        """Mesh (478, 3) and control points (P, 2) of the subject's means."""
        template = self._template
        mesh_N3 = pose(template.mesh_N3[None], template.head_7[None])[0]
        points_P2 = self.maker.control.points(
            mesh_N3=mesh_N3, head_7=template.head_7, torso_18x3=template.torso_N3
        )
        return mesh_N3, points_P2

    def learnt(self) -> list[int]:
        """The frames that are learnt from."""
        return self._before(learnt_frames(self.drawn.trained_frames))[0]

    def choosing(self, *, count: int) -> list[int]:
        """Frames that training may see and does not learn from, evenly spaced: they choose among what was learnt."""
        learnt, after = self._before(learnt_frames(self.drawn.trained_frames))
        frames = after or learnt
        return [frames[int(pick)] for pick in np.linspace(0, len(frames) - 1, count)]

    def _before(self, stop: int) -> tuple[list[int], list[int]]:
        """The frames that may be learnt from before one, all where there is none, and those after it."""
        learnable = self.drawn.learnable()
        before = [frame for frame in learnable if frame < stop]
        return before or learnable, [frame for frame in learnable if frame >= stop]

    def _choose(self, canonical_TN3: Floats, *, near_TR: NDArray[np.bool_]) -> list[FrameReferences]:
        """What every frame is made of; the held-out end is chosen as a take of its own."""
        trained = self.drawn.trained_frames
        return [
            references
            for frames in (slice(0, trained), slice(trained, None))
            for references in choose_references(
                self.maker.library,
                canonical_TN3=canonical_TN3[frames],
                head_T7=self._head_T7[frames],
                barred_TR=near_TR[frames],
            )
        ]


class WarpedSampler:
    """Draws each step's batch from the training part of the clips, every clip equally often."""

    def __init__(self, clips: Sequence[WarpedClip], *, config: WarpedTraining) -> None:
        """Raises SubjectError where a clip holds nothing to learn from."""
        self._clips, self._config = list(clips), config
        self._learnt = [clip.learnt() for clip in self._clips]

    def draw(self, step: int, *, workers: Workers) -> WarpedBatch:
        """This worker's share of the batch of one step."""
        random = step_random(seed=self._config.seed, step=step, stream=Stream.BATCH)
        picks = []
        for index in range(self._config.batch_size):
            turn = (step * self._config.batch_size + index) % len(self._clips)
            learnt = self._learnt[turn]
            picks.append((self._clips[turn], learnt[int(random.integers(len(learnt)))]))
        jitter_B2 = random.integers(-_CROP_JITTER, _CROP_JITTER + 1, size=(len(picks), 2))
        mine = share_of(list(zip(picks, jitter_B2, strict=True)), workers)
        return warped_batch(
            [pick for pick, _ in mine],
            crop=self._config.face_crop,
            jitter_B2=np.stack([jitter_2 for _, jitter_2 in mine]),
        )


def warped_batch(
    picks: Sequence[tuple[WarpedClip, int]],
    *,
    crop: int,
    jitter_B2: NDArray[np.int64] | None = None,
) -> WarpedBatch:
    """Stack frames and their candidates into one batch."""
    drawn = collate(
        [(clip.drawn, frame, clip.drawn.reference_frame) for clip, frame in picks],
        crop=crop,
        jitter_B2=jitter_B2,
    )
    made = [clip.candidates(frame) for clip, frame in picks]
    return WarpedBatch(
        drawn=drawn,
        head_B3SS=as_pictures(np.stack([candidates.head_SS3 for candidates in made])),
        mouth_B3SS=as_pictures(np.stack([candidates.mouth_SS3 for candidates in made])),
        plate_B3SS=as_pictures(np.stack([clip.plate_SS3 for clip, _ in picks])),
        mask_B1SS=as_pictures(np.stack([candidates.mask_SS[..., None] for candidates in made])),
    )


def _near(frames_R: NDArray[np.int32], clip: RendererClip, *, apart: int) -> NDArray[np.bool_]:
    """Which references (T, R) are too near to a frame; none where the clip is held out."""
    distance_TR = np.abs(np.arange(clip.frame_count)[:, None] - frames_R)
    # Where all are near, the farthest of them is left: a clip of a second teaches little anyway.
    near_TR = distance_TR < np.minimum(apart, distance_TR.max(axis=1, keepdims=True))
    near_TR[clip.trained_frames :] = False
    return near_TR


def _library(
    folder: Path, tracks: ClipTracks, template: Template, *, pictures_TSS3: NDArray[np.uint8]
) -> StoredReferences:
    """The library of the package in the folder, or one made now and left there.

    Raises SubjectError: there is none, and none can be made without MediaPipe (``library_missing``), or as
    `make_library` and `read_library`.
    """
    path = folder / LIBRARY_FILE
    if not is_plain_file(path):
        try:
            # MediaPipe is large, and clips of prepared subjects have their library.
            from stages.subject.library_of_clip import make_library
        except (ImportError, OSError) as error:
            raise SubjectError(
                code="library_missing",
                where=str(folder),
                what=f"there is no {LIBRARY_FILE}, and MediaPipe, with which one is made, cannot be loaded",
                hint="prepare the subject again, or install what preparing needs",
            ) from error
        make_library(path, tracks, pictures_TSS3, template=template)
    # Learnt is what is stored: a render has nothing finer.
    return read_library(path, template=template)
