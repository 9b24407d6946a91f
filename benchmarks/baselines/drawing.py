"""What Table 1 compares with where no other system is at hand.

Videos of a digital actor saying the same words, from the true one down to a still picture, by the same renderer.

Legend: T frames, K frames that training saw, S samples at 16 kHz, D speech feature width, N points, H/W pixels,
3 = (x, y, z) or RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import StrEnum
from itertools import repeat
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from benchmarks.baselines.spoken_end import SpokenEnd
from stages.builtin import builtin_weights
from stages.faco.composer_stage import Amplitude, ComposerStage
from stages.geometry.canonical import pose
from stages.moda.network import Moda, ModaConfig
from stages.moda.smoothing import smooth
from stages.payloads import Motion, PosedFace
from stages.render.renderer_loading import load_renderer
from stages.render.renderer_stage import Frame
from stages.speech.encoder import encode_speech
from stages.speech.loading import load_encoder
from stages.subject.package import SubjectPackage
from stages.training.motion_prediction import predict_take
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

Floats = NDArray[np.float32]

NEIGHBOUR_REACH: Final = 3
"""Frames of speech on either side by which two moments are compared."""

NEIGHBOUR_SIGMA: Final = 1.0
"""Gaussian sigma in frames over mouths that come from anywhere and jump; composing smooths them further."""


class Baseline(StrEnum):
    """One way to make the video, from the most it could be to the least."""

    GROUND_TRUTH = "ground-truth"
    TRUE_LANDMARKS = "true-landmarks"
    OURS = "ours"
    NEAREST_MOUTH = "nearest-mouth"
    SHUFFLED_SPEECH = "shuffled-speech"
    MEAN_MOUTH = "mean-mouth"
    STILL_PICTURE = "still-picture"


class BaselineStudio:
    """Draws one subject's baselines."""

    def __init__(self, subject: SubjectPackage, *, own: SpokenEnd, moda: Path) -> None:
        """Load the networks and the subject's renderer.

        Args:
            subject: who is shown.
            own: the subject's own clip, in whose seen part nearest mouths are looked up.
            moda: weights of MODA: the shipped ones, or some that did not see the performance.

        Raises:
            WeightsError: weights are missing, or of another network.
        """
        self._encoder = load_encoder(read_header(moda).encoder, device=torch.device("cpu"))
        self._network = Moda(read_sizes(moda, ModaConfig)).eval().requires_grad_(False)
        load_weights(moda, self._network, expected={"architecture": "moda", "encoder": self._encoder.name})
        self._composer = ComposerStage.load(weights=builtin_weights("faco"), device="cpu")
        self._renderer = load_renderer(subject=subject, device="cpu")
        self._subject, self._own = subject, own

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return self._renderer.size

    def draw(self, baseline: Baseline, spoken: SpokenEnd, *, other: SpokenEnd) -> Iterator[Frame]:
        """The T frames of a baseline, (size, size, 3) uint8.

        Args:
            baseline: which.
            spoken: what is said, and how its speaker moved: the end of the subject's own clip, or of another's.
            other: a clip of other words, for shuffled speech.
        """
        if baseline is Baseline.GROUND_TRUTH:
            return spoken.pictures(size=self.size)
        if baseline is Baseline.STILL_PICTURE:
            return repeat(self._reference(), spoken.frame_count)
        if baseline is Baseline.TRUE_LANDMARKS:
            return self._renderer.render(self._true_face(spoken), first_frame=0)
        motions: dict[Baseline, Callable[[], Motion]] = {
            Baseline.OURS: lambda: self._ours(spoken.tracks.speech_S),
            Baseline.SHUFFLED_SPEECH: lambda: self._ours(
                np.resize(other.tracks.speech_S, len(spoken.tracks.speech_S))
            ),
            Baseline.NEAREST_MOUTH: lambda: replace(
                spoken.motion, mouth_TN3=self._nearest_mouth_TN3(spoken.tracks.speech_S)
            ),
            Baseline.MEAN_MOUTH: lambda: replace(
                spoken.motion, mouth_TN3=np.zeros_like(spoken.motion.mouth_TN3)
            ),
        }
        face = self._composer.compose(
            motions[baseline](),
            lead=0,
            frame_count=spoken.frame_count,
            subject=self._subject,
            amplitude=Amplitude(),
        )
        return self._renderer.render(face, first_frame=0)

    def _ours(self, speech_S: Floats) -> Motion:
        features_TD = encode_speech(self._encoder, speech_S)
        return predict_take(self._network, features_TD, self._subject.template)

    def _nearest_mouth_TN3(self, speech_S: Floats) -> Floats:
        """For every frame the mouth of the seen frame whose speech sounds most alike."""
        seen = self._own.seen
        nearest_T = nearest_frames(
            encode_speech(self._encoder, speech_S), encode_speech(self._encoder, seen.speech_S)
        )
        mouth_KN3 = self._own.template.displacements(seen).mouth_TN3
        return smooth(mouth_KN3[nearest_T], NEIGHBOUR_SIGMA)

    def _true_face(self, spoken: SpokenEnd) -> PosedFace:
        """The true motion on the subject's face: for its own clip, the true landmarks."""
        template = self._subject.template
        mesh_TN3 = spoken.tracks.canonical_TN3 - spoken.template.mesh_N3 + template.mesh_N3
        head_T7 = spoken.tracks.head_T7 - spoken.template.head_7 + template.head_7
        torso_TN3 = spoken.tracks.torso_TN3 - spoken.template.torso_N3 + template.torso_N3
        return PosedFace(mesh_TN3=pose(mesh_TN3, head_T7), torso_TN3=torso_TN3)

    def _reference(self) -> Frame:
        shrunk_HW3 = cv2.resize(
            self._subject.reference_HW3, (self.size, self.size), interpolation=cv2.INTER_AREA
        )
        return np.asarray(shrunk_HW3, dtype=np.uint8)


def nearest_frames(said_TD: Floats, seen_KD: Floats) -> NDArray[np.intp]:
    """For each of T rows of speech features the one of K that is most alike, judged with the rows around both.

    Features count alike: each is divided by its spread over the K rows.
    """
    spread_D = np.maximum(seen_KD.std(axis=0), 1e-6)
    return cdist(_with_neighbours(said_TD / spread_D), _with_neighbours(seen_KD / spread_D)).argmin(axis=1)


def _with_neighbours(features_TD: Floats) -> Floats:
    """Each row beside those of the frames around it, (T, 7 D); the ends repeat their outermost row."""
    frames = np.arange(len(features_TD))
    shifts = range(-NEIGHBOUR_REACH, NEIGHBOUR_REACH + 1)
    return np.concatenate(
        [features_TD[np.clip(frames + shift, 0, len(frames) - 1)] for shift in shifts], axis=1
    )
