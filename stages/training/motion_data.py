"""Speech features and motion of prepared clips, for training MODA and FaCo-Net.

Legend: B batch, T frames, N points, D speech feature width, C motion channels, M mesh channels.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.errors import SubjectError
from stages.faco.paste import paste_parts
from stages.metrics.landmarks import mouth_opening
from stages.payloads import FRAMES_PER_SECOND, MOTION_CHANNELS, Motion
from stages.speech.context import WINDOW_FRAMES
from stages.speech.encoder import SpeechEncoder, encode_speech
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks, clip_folder
from stages.training.motion_config import MotionTraining
from stages.training.motion_losses import MOUTH
from stages.training.parallel import share_of
from stages.training.randomness import Stream, step_random
from stages.training.sound_variety import VOICES_DIGEST, other_voices
from stages.training.split import HELD_OUT_SHARE, training_frames
from stages.training.trainer import Workers
from stages.video.unfit import UnfitFrames, fit_runs
from stages.weights_header import Scalar
from stages.whole_files import written_whole

Floats = NDArray[np.float32]

_SMALLEST_SHARE: Final = 0.3
"""Channels that hardly move are not blown up beyond this share of their group's spread."""

_SHUT_SHARE: Final = 0.1
"""The share of a clip's frames in which lips are nearest to being shut, and rest."""

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
    """One clip: features (T, D), displacement rows (T, 361), mesh displacements (T, 478, 3).

    Nothing is to be learnt from the frames `unfit`. `voices` are features (T, D) of the same words in other voices.
    """

    speaker: str
    features_TD: Floats
    rows_TC: Floats
    mesh_TN3: Floats
    template: Template
    torso_moves: bool
    unfit: tuple[UnfitFrames, ...] = ()
    voices: tuple[Floats, ...] = ()

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.rows_TC)

    def training_parts(self, *, whole: bool = False) -> list[MotionClip]:
        """The frames that training sees, in one part, or several with what is unfit between them.

        `whole` where other clips are held out: then the end of this one need not judge, and is learnt from too.
        """
        return self._runs(0, self.frame_count if whole else training_frames(self.frame_count))

    def held_out_parts(self) -> list[MotionClip]:
        """The end of the clip, which it does not."""
        start = training_frames(self.frame_count)
        # A clip whose end is unfit throughout is judged by it all the same.
        return self._runs(start, self.frame_count) or [self.cut(start, self.frame_count)]

    def _runs(self, start: int, stop: int) -> list[MotionClip]:
        return [self.cut(run.start, run.stop) for run in fit_runs(self.unfit, start=start, stop=stop)]

    def cut(self, start: int, stop: int) -> MotionClip:
        """The frames from `start` to before `stop`."""
        return replace(
            self,
            features_TD=self.features_TD[start:stop],
            rows_TC=self.rows_TC[start:stop],
            mesh_TN3=self.mesh_TN3[start:stop],
            unfit=(),
            voices=tuple(voice_TD[start:stop] for voice_TD in self.voices),
        )

    def resting_lips(self) -> Floats:
        """Mean displacements (120,) of the lips where they are nearest to being shut."""
        motion = Motion.from_rows(np.ascontiguousarray(self.rows_TC))
        meshes_TN3 = paste_parts(self.template.mesh_N3, mouth_TN3=motion.mouth_TN3, eyes_TN3=motion.eyes_TN3)
        opening_T = mouth_opening(meshes_TN3)
        shut_T = opening_T <= np.quantile(opening_T, _SHUT_SHARE)
        mean_C: Floats = self.rows_TC[shut_T, MOUTH].mean(axis=0)
        return mean_C


def motion_clip(folder: Path, encoder: SpeechEncoder | None, *, voices: int = 0) -> MotionClip:
    """A prepared clip with its features, which are kept on disk per encoder; without an encoder, (T, 0) of them.

    With an encoder it may be heard in so many other `voices`, too.

    Its template is the mean of the part that training sees (section 15, row 20).

    Raises SubjectError when the folder holds no prepared clip.
    """
    tracks = ClipTracks.load(folder)
    template = Template.from_clips([tracks], share=1 - HELD_OUT_SHARE)
    return MotionClip(
        speaker=tracks.facts.speaker,
        features_TD=np.zeros((tracks.frame_count, 0), np.float32)
        if encoder is None
        else _features(folder, tracks, encoder),
        rows_TC=template.displacements(tracks).as_rows(),
        mesh_TN3=tracks.canonical_TN3 - template.mesh_N3,
        template=template,
        torso_moves=tracks.facts.torso_moves,
        unfit=tracks.facts.unfit,
        voices=() if encoder is None else _voices(folder, tracks, encoder, voices),
    )


def _voices(folder: Path, tracks: ClipTracks, encoder: SpeechEncoder, count: int) -> tuple[Floats, ...]:
    if not count:
        return ()
    seed = int.from_bytes(hashlib.sha256(tracks.speech_S.tobytes()).digest()[:4])
    kept_VTD = _kept(
        folder,
        f"{_file_name(encoder)}-{count}-voices-{VOICES_DIGEST}.npy",
        lambda: np.stack(other_voices(encoder, tracks.speech_S, count=count, seed=seed)),
    )
    return tuple(kept_VTD)


def _features(folder: Path, tracks: ClipTracks, encoder: SpeechEncoder) -> Floats:
    return _kept(folder, f"{_file_name(encoder)}.npy", lambda: encode_speech(encoder, tracks.speech_S))


def _kept(folder: Path, name: str, compute: Callable[[], Floats]) -> Floats:
    """What is computed once a clip and kept beside its tracks, in half precision."""
    cached = clip_folder(folder) / name
    if not cached.is_file():
        # Several workers may come here at once: each writes a file of its own, the last rename stands.
        with written_whole(cached) as partial, partial.open("xb") as file:
            np.save(file, compute().astype(np.float16))
    return np.asarray(np.load(cached), dtype=np.float32)


def _file_name(encoder: SpeechEncoder) -> str:
    return f"{re.sub(r'[^A-Za-z0-9.-]', '_', encoder.name)}-{_fingerprint(encoder)}"


def _fingerprint(encoder: SpeechEncoder) -> str:
    """Of the encoder's weights: a name alone does not tell one training of an encoder from the next."""
    digest = hashlib.sha256()
    if isinstance(encoder, torch.nn.Module):
        for name, tensor in sorted(encoder.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:8]


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


def corpus_facts(clips: Sequence[MotionClip], *, steps: int) -> dict[str, Scalar]:
    """What a weights file says of the training behind it."""
    return {"clips": len(clips), "frames": sum(clip.frame_count for clip in clips), "steps": steps}


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionBatch:
    """Features (B, T, D), templates (B, 1434), rows (B, T, 361) in px and degrees, torso mask (B,)."""

    features_BTD: Tensor
    template_BM: Tensor
    rows_BTC: Tensor
    torso_B: Tensor

    def to(self, device: torch.device) -> MotionBatch:
        """The same batch on a device."""
        return MotionBatch(
            features_BTD=self.features_BTD.to(device),
            template_BM=self.template_BM.to(device),
            rows_BTC=self.rows_BTC.to(device),
            torso_B=self.torso_B.to(device),
        )


class MotionSampler:
    """Draws windows of one of several lengths, so that short clips take part; balanced over clips by length."""

    def __init__(
        self, clips: Sequence[MotionClip], *, config: MotionTraining, sounds: Sequence[Floats] = ()
    ) -> None:
        """Clips, and features (300, D) of sounds without speech, at which lips rest in a share of the windows.

        Raises SubjectError when every clip is shorter than the shortest window.
        """
        self._clips, self._config, self._sounds = list(clips), config, list(sounds)
        self._resting = [clip.resting_lips() for clip in clips] if self._sounds else []
        longest = max((clip.frame_count for clip in self._clips), default=0)
        self._lengths = [length for length in config.lengths if length <= longest]
        if not self._lengths:
            raise SubjectError(
                code="clip_too_short",
                where="training clips",
                what=f"the longest has {longest} training frames, a window {min(config.lengths)}",
                hint="add longer clips",
            )

    def draw(self, step: int, *, workers: Workers) -> MotionBatch:
        """This worker's share of a step's windows, all of one length."""
        random = step_random(seed=self._config.seed, step=step, stream=Stream.BATCH)
        length = int(random.choice(self._lengths))
        able = [number for number, clip in enumerate(self._clips) if clip.frame_count >= length]
        # The square root keeps the longest speaker from drowning the rest.
        shares = np.sqrt(np.array([self._clips[number].frame_count for number in able], dtype=np.float64))
        count = max(2 * workers.count, self._config.frames_a_batch // length)
        chosen = [able[int(pick)] for pick in random.choice(len(able), size=count, p=shares / shares.sum())]
        starts = [int(random.integers(self._clips[number].frame_count - length + 1)) for number in chosen]
        windows = [
            self._window(number, start, start + length, random)
            for number, start in zip(chosen, starts, strict=True)
        ]
        return _collate(share_of(windows, workers))

    def _window(self, number: int, start: int, stop: int, random: np.random.Generator) -> MotionClip:
        """Frames of a clip in one of its voices, or with a sound at which its lips rest."""
        window = self._clips[number].cut(start, stop)
        if self._sounds and random.random() < self._config.rests:
            sound_TD = self._sounds[int(random.integers(len(self._sounds)))][: window.frame_count]
            rows_TC = window.rows_TC.copy()
            rows_TC[:, MOUTH] = self._resting[number]
            return replace(window, features_TD=sound_TD, rows_TC=rows_TC)
        if window.voices:
            which = int(random.integers(1 + len(window.voices)))
            return replace(window, features_TD=(window.features_TD, *window.voices)[which])
        return window


def validation_windows(clips: Sequence[MotionClip]) -> list[MotionBatch]:
    """Every clip from its start, in windows of up to 300 frames; pieces under a second are left out."""
    return [
        _collate([clip.cut(start, min(start + WINDOW_FRAMES, clip.frame_count))])
        for clip in clips
        for start in range(0, clip.frame_count, WINDOW_FRAMES)
        if clip.frame_count - start >= FRAMES_PER_SECOND
    ]


def _collate(windows: Sequence[MotionClip]) -> MotionBatch:
    return MotionBatch(
        features_BTD=torch.from_numpy(np.stack([window.features_TD for window in windows])),
        template_BM=torch.from_numpy(np.stack([window.template.network_mesh_M for window in windows])),
        rows_BTC=torch.from_numpy(np.stack([window.rows_TC for window in windows])),
        torso_B=torch.tensor([float(window.torso_moves) for window in windows]),
    )


assert _GROUPS[-1].stop == MOTION_CHANNELS, "the groups must cover every motion channel"
