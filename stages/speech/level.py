"""How loud speech is, and the gain that brings it to the level of the speech that the motion was learned from.

Legend: S samples at 16 kHz, H hops of 20 ms, B blocks of 400 ms.

The louder a voice is recorded, the wider the mouth opens: 1 % for each dB. So what the motion hears is brought to one
level, by one gain in whole dB for a whole recording; a window's motion does not depend on the window before. The
master's sound keeps its own level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.media.tracks import SILENT_BELOW, half_swing
from stages.payloads import SAMPLE_RATE

Floats = NDArray[np.float32]

TRAINING_LEVEL_DB: Final = -23.4
"""Mean over the seconds of the 37 recordings that the shipped MODA learned from, measured as below. The mouth's opening
grows with the level in dB in nearly a straight line, so the mean level keeps the mean opening."""

TRAINING_SPREAD_DB: Final = 10
"""Nine in ten of these recordings lie within so much of the mean."""

LARGEST_GAIN_DB: Final = 60
"""More would raise what is as quiet as silence."""

_HOP: Final = SAMPLE_RATE // 50
_BLOCK_HOPS: Final = 20
_STEP_HOPS: Final = 5
_KEPT_HOPS: Final = 0.9
"""Of a block; a click is over within the loudest tenth."""
_LOUDEST_BLOCKS: Final = 6
_LOUDEST_SHARE: Final = 0.002
"""Blocks louder than all but so many count as loud as these: what is over within a quarter of a second, such as a door
or a cough, decides nothing. More would take a word that is alone in its recording for a cough."""
_GATE: Final = 10**-1.5
"""Blocks of less than this share of that power are pauses: 15 dB, the margin of ITU-T P.56."""

_FULL_SCALE: Final = 0.9999
_OVERSHOOT: Final = 1.02
_BEFORE_A_CODEC: Final = 0.95
"""What was cut off at full scale before a lossy codec comes out of it with ripples to either side of it."""
_LOUD: Final = 0.25
_CLIPPED_RUN: Final = 3
_CLIPPED_TOLD: Final = 0.01
"""From one sample in a hundred on. A pure tone has about half as many so near its crest, speech next to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelAccount:
    """How loud the speech is, and what was done about it for the motion.

    Attributes:
        measured_db: Level of what is spoken, without its pauses, in dB below full scale; None without sound.
        gain_db: What the motion hears is so much louder than the recording.
        is_named: Whether the job names the gain.
        is_silent: Whether there is no sound from beginning to end.
        clipped_share: Share of samples that are cut off at one level.
    """

    measured_db: float | None = None
    gain_db: int = 0
    is_named: bool = False
    is_silent: bool = False
    clipped_share: float = 0.0

    def sentences(self) -> Iterator[str]:
        """What there is to tell, each a plain sentence without a full stop."""
        if self.is_silent:
            yield "there is no sound: it stays 60 dB below full scale, and the mouth stays shut"
        if abs(self.gain_db) > TRAINING_SPREAD_DB:
            raised = "raised" if self.gain_db > 0 else "lowered"
            loud = "" if self.measured_db is None else f"the speech lies at {self.measured_db:.0f} dB: "
            yield (
                f"{loud}for the motion it is {raised} by {abs(self.gain_db)} dB, and the master keeps its own level"
            )
        if self.clipped_share >= _CLIPPED_TOLD:
            yield (
                f"{self.clipped_share:.0%} of the samples are cut off at one level (clipped): "
                "the mouth may open too wide; record with less gain"
            )


def speech_level_db(samples_S: Floats) -> float | None:
    """Root mean square of what is spoken, in dB of full scale; None where there is no sound.

    Of blocks of 400 ms, every 100 ms, without the loudest tenth of each; pauses are left out, and noises that are over
    within a quarter of a second count no more than speech. What is constant for 20 ms is no sound.
    """
    if len(samples_S) < _HOP:
        samples_S = np.concatenate([samples_S, np.zeros(_HOP - len(samples_S), np.float32)])
    samples_HS = samples_S[: len(samples_S) // _HOP * _HOP].reshape(-1, _HOP)
    if not (half_swing(samples_HS) >= SILENT_BELOW).any():
        return None
    power_H = np.einsum("hs,hs->h", samples_HS, samples_HS).astype(np.float64) / _HOP
    power_H = np.maximum(power_H - samples_HS.mean(axis=1, dtype=np.float64) ** 2, 0.0)
    hops = min(_BLOCK_HOPS, len(power_H))
    kept = max(1, round(_KEPT_HOPS * hops))
    power_BH = np.lib.stride_tricks.sliding_window_view(power_H, hops)[::_STEP_HOPS]
    power_B = np.sort(np.partition(power_BH, kept - 1, axis=1)[:, :kept].mean(axis=1))[::-1]
    loud = power_B[min(len(power_B) // 4, max(_LOUDEST_BLOCKS, int(_LOUDEST_SHARE * len(power_B))))]
    # A click in a silent recording is a sound, and all there is.
    loud = loud or power_B.max() or power_H.max()
    passing_B = power_B[power_B >= _GATE * loud]
    return 10 * log10(np.minimum(passing_B, loud).mean() if len(passing_B) else loud)


def gain_to_training_level(level_db: float | None) -> int:
    """Whole dB that bring speech of a level to the training level; 0 without sound."""
    if level_db is None:
        return 0
    return max(-LARGEST_GAIN_DB, min(LARGEST_GAIN_DB, round(TRAINING_LEVEL_DB - level_db)))


def apply_gain(samples_S: Floats, *, gain_db: int) -> None:
    """Make samples louder where they lie."""
    if gain_db:
        samples_S *= np.float32(10 ** (gain_db / 20))


class ClippingMeter:
    """Counts samples that are cut off: runs at full scale, or at the largest value of a second."""

    def __init__(self) -> None:
        self._clipped = 0
        self._count = 0

    def take(self, samples_XS: Floats) -> None:
        """Look at the next samples of every channel, about a second of them."""
        self._count += samples_XS.size
        for samples_S in samples_XS:
            self._clipped += _clipped_samples(samples_S)

    @property
    def share(self) -> float:
        """Share of all samples so far."""
        return self._clipped / self._count if self._count else 0.0


def _clipped_samples(samples_S: Floats) -> int:
    largest = max(float(samples_S.max()), -float(samples_S.min())) if samples_S.size else 0.0
    if largest < _LOUD:
        return 0
    limit = _BEFORE_A_CODEC if largest > _OVERSHOOT else _FULL_SCALE * min(1.0, largest)
    at_limit_S = np.abs(samples_S) >= limit
    if np.count_nonzero(at_limit_S) < _CLIPPED_RUN:
        return 0
    starts_S = at_limit_S[:-2] & at_limit_S[1:-1] & at_limit_S[2:]
    in_run_S = np.zeros(len(samples_S), dtype=bool)
    for shift in range(_CLIPPED_RUN):
        in_run_S[shift : len(starts_S) + shift] |= starts_S
    return int(np.count_nonzero(in_run_S))
