"""What the judge says of MODA's motion: on its speech, on the wrong half of it, and of a face that keeps still.

Legend: S samples at 16 kHz, T frames, N points, D speech feature width, 3 = (x, y, z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.builtin import builtin_weights
from stages.geometry.landmarks import LIPS
from stages.moda.network import Moda, ModaConfig
from stages.moda.smoothing import smooth_motion
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.decode import read_levelled
from stages.speech.encoder import encode_speech
from stages.speech.loading import load_encoder
from stages.subject.template import Template
from stages.sync.offsets import SyncScore
from stages.sync.score import SyncJudge
from stages.training.motion_prediction import predict_take
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """Scores of MODA's lips for one speech: against it, against its halves exchanged, and of the still mean face."""

    speech: str
    own: SyncScore
    exchanged: SyncScore
    still: SyncScore


def score_moda(speeches: Sequence[Path], template: Template, *, weights: Path | None) -> list[Spoken]:
    """Let the shipped MODA speak each recording on a subject's face, and judge the lips.

    Raises:
        SpeechError: a recording cannot be read, or is shorter than two seconds.
        WeightsError: weights are absent or of another kind.
    """
    judge, speaker = SyncJudge(weights), MotionSpeaker(template)
    scores = []
    for path in speeches:
        samples_S = read_levelled(path).samples_S
        mesh_TN3 = speaker.speak(samples_S)
        still_TN3 = np.repeat(template.mesh_N3[None], len(mesh_TN3), axis=0)
        half = len(mesh_TN3) // 2 * SAMPLES_PER_FRAME
        scores.append(
            Spoken(
                speech=path.stem,
                own=judge.score(mesh_TN3, samples_S),
                exchanged=judge.score(mesh_TN3, np.roll(samples_S, half)),
                still=judge.score(still_TN3, samples_S),
            )
        )
    return scores


class MotionSpeaker:
    """The shipped MODA on one template."""

    def __init__(self, template: Template) -> None:
        """Raises WeightsError when the shipped weights are absent or damaged."""
        path = builtin_weights("moda")
        self.template = template
        self.encoder = load_encoder(read_header(path).encoder, device=torch.device("cpu"))
        self.network = Moda(read_sizes(path, ModaConfig)).eval().requires_grad_(False)
        load_weights(path, self.network, expected={"architecture": "moda", "encoder": self.encoder.name})

    def speak(self, samples_S: Floats) -> Floats:
        """Meshes (T, 478, 3) whose lips speak; all else is the template's."""
        features_TD = encode_speech(self.encoder, samples_S)
        motion = smooth_motion(predict_take(self.network, features_TD, self.template))
        mesh_TN3 = np.repeat(self.template.mesh_N3[None], motion.frame_count, axis=0)
        mesh_TN3[:, LIPS] += motion.mouth_TN3
        return mesh_TN3
