"""What the judge is tried on: true pairs, sound that was shifted, and sound of something else.

Legend: T frames, E embedding width, A sound channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recipes.sync.data import SyncClip
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.encoder import SpeechEncoder
from stages.sync.inputs import lip_input, sound_input
from stages.sync.judge_network import SyncNetwork, lip_embeddings, sound_embeddings
from stages.sync.offsets import LEAST_FRAMES, SyncScore, score_embeddings
from stages.sync.score import score_inputs

SHIFTS: Final = (-10, -5, -3, 3, 5, 10)
"""Frames by which the sound is made to lag."""

HALVED_FRAMES: Final = 120
"""Clips of at least so many frames also try each half of the lips against the other half's sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One clip's.

    Attributes:
        clip: its name.
        own: its score with its own sound.
        found: the offset found for each of `SHIFTS`.
        strangers: the confidence with the sound of each clip of another performer.
        same_speaker: the confidence with other speech of the same performer.
    """

    clip: str
    own: SyncScore
    found: tuple[int, ...]
    strangers: tuple[float, ...]
    same_speaker: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Shares of clips, and areas under the curve of true against false pairs by confidence."""

    clips: int
    equal: float
    within_one: float
    shifts_within_one: float
    confidence: float
    distance: float
    false_confidence: float
    auc_strangers: float
    auc_same_speaker: float


def try_clip(
    network: SyncNetwork, clip: SyncClip, others: Sequence[SyncClip], encoder: SpeechEncoder
) -> Trial:
    """Try one clip; `others` lend their sound. Shifted recordings are heard anew."""
    lips_TE = lip_embeddings(network, clip.lips_TK)
    foreign = [other for other in others if other.name != clip.name]

    def confidences(chosen: Sequence[SyncClip]) -> list[float]:
        heard = (sound_embeddings(network, other.sound_TA) for other in chosen)
        return [
            score_embeddings(sound_TE, lips_TE).confidence
            for sound_TE in heard
            if min(len(sound_TE), len(lips_TE)) >= LEAST_FRAMES
        ]

    # An actor and its performer say the same: neither a true pair nor a false one.
    same = [other for other in foreign if other.speaker == clip.speaker]
    return Trial(
        clip=clip.name,
        own=score_inputs(network, clip.sound_TA, clip.lips_TK),
        found=tuple(_shifted(network, clip, shift, encoder).offset for shift in SHIFTS),
        strangers=tuple(confidences([other for other in foreign if other.performer != clip.performer])),
        same_speaker=(*confidences(same), *_halves(network, clip)),
    )


def _shifted(network: SyncNetwork, clip: SyncClip, shift: int, encoder: SpeechEncoder) -> SyncScore:
    """The sound made to lag by `shift` frames: what comes first of lips or sound is cut off."""
    mesh_TN3 = clip.canonical_TN3[max(0, shift) :]
    speech_S = clip.speech_S[max(0, -shift) * SAMPLES_PER_FRAME :]
    frames = min(len(mesh_TN3), len(speech_S) // SAMPLES_PER_FRAME)
    sound_TA = sound_input(encoder, speech_S[: frames * SAMPLES_PER_FRAME])
    return score_inputs(network, sound_TA, lip_input(mesh_TN3[:frames]))


def _halves(network: SyncNetwork, clip: SyncClip) -> list[float]:
    if clip.frame_count < HALVED_FRAMES:
        return []
    half = clip.frame_count // 2
    first, second = slice(0, half), slice(half, 2 * half)
    return [
        score_inputs(network, clip.sound_TA[heard], clip.lips_TK[seen]).confidence
        for heard, seen in ((first, second), (second, first))
    ]


def summarise(trials: Sequence[Trial]) -> Summary:
    """Pool the trials of some clips."""
    own = [trial.own.confidence for trial in trials]
    strangers = [confidence for trial in trials for confidence in trial.strangers]
    same_speaker = [confidence for trial in trials for confidence in trial.same_speaker]
    offsets = np.array([trial.own.offset for trial in trials])
    missed = np.array([np.subtract(trial.found, SHIFTS) for trial in trials])
    return Summary(
        clips=len(trials),
        equal=float(np.mean(offsets == 0)),
        within_one=float(np.mean(np.abs(offsets) <= 1)),
        shifts_within_one=float(np.mean(np.abs(missed) <= 1)),
        confidence=float(np.mean(own)),
        distance=float(np.mean([trial.own.distance for trial in trials])),
        false_confidence=float(np.mean(strangers)) if strangers else float("nan"),
        auc_strangers=area_under_curve(own, strangers),
        auc_same_speaker=area_under_curve(own, same_speaker),
    )


def area_under_curve(true: Sequence[float], false: Sequence[float]) -> float:
    """The chance that a true pair scores higher than a false one, ties counted half; NaN without both."""
    if not true or not false:
        return float("nan")
    difference = np.asarray(true)[:, None] - np.asarray(false)[None]
    return float(np.mean(difference > 0) + 0.5 * np.mean(difference == 0))
