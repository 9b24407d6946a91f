"""How heads move while they speak: `python -m benchmarks.head_motion --work DIR --moda FILE ... --takes 10`.

Over the study's clips, by which nothing was trained or chosen: spreads of pitch, yaw and roll and of nods, whether the
head is livelier around stressed syllables, blinks, and steps where windows meet. The truth has a line of its own.

Legend: T frames, S samples, P syllables, C channels of the head.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt
from scipy.stats import wilcoxon

from recipes.corpus import load_study_clips, study_clips
from stages.builtin import builtin_weights
from stages.geometry.landmarks import EYES
from stages.metrics.blinking import blinking
from stages.moda.blinks import lid_opening
from stages.moda.smoothing import smooth_motion
from stages.payloads import FRAMES_PER_SECOND, SAMPLE_RATE, Motion
from stages.speech.context import WINDOW_FRAMES
from stages.subject.tracks import ClipTracks
from stages.tables import markdown_table
from stages.training.motion_data import MotionClip
from stages.training.motion_judging import Contestant
from stages.training.motion_scores import nod_spread

Doubles = NDArray[np.float64]

_YAW_PITCH_ROLL: Final = slice(0, 3)
_HOP: Final = SAMPLE_RATE // 100
_VOWELS_HZ: Final = (300.0, 3500.0)
_PITCH_HZ: Final = (70, 400)
_VOICED: Final = 0.45
"""Autocorrelation from which a moment has a pitch."""

_STRESSED_SHARE: Final = 0.4
"""The most prominent syllables of a clip count as stressed."""

_NEAR: Final = 4
"""Frames either side of a syllable that count as around it."""

_SHUFFLES: Final = 50
_LEAST_SYLLABLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFigures:
    """Means over clips and takes.

    Attributes:
        name: Whose motion.
        yaw, pitch, roll: Spreads over time in degrees.
        nods: Spread between 1.6 and 3.2 Hz in degrees.
        emphasis: By which share of its mean the head turns faster around stressed syllables than around moments drawn
            at random.
        emphasis_p: Wilcoxon's p over clips, that this is luck.
        blinks: A minute.
        border_step: The largest change of turning from frame to frame where two windows meet, as a share of the largest
            elsewhere; None where no clip has two windows.
    """

    name: str
    yaw: float
    pitch: float
    roll: float
    nods: float
    emphasis: float
    emphasis_p: float
    blinks: float
    border_step: float | None


def syllables(speech_S: NDArray[np.floating]) -> tuple[Doubles, Doubles]:
    """Where the syllables of a 16 kHz recording are, in frames (P,), and how prominent by loudness and pitch (P,)."""
    band = butter(4, _VOWELS_HZ, "band", fs=SAMPLE_RATE, output="sos")
    power_S = gaussian_filter1d(np.square(sosfiltfilt(band, speech_S.astype(np.float64))), 0.02 * SAMPLE_RATE)
    level = np.sqrt(np.maximum(power_S[::_HOP], 0.0))
    decibel = gaussian_filter1d(20 * np.log10(level + 1e-4 * level.max() + 1e-9), 3.0)
    peaks, _ = find_peaks(decibel, prominence=3.0, distance=10)
    octaves = _octaves(speech_S, len(decibel))
    usual = np.nanmedian(octaves) if np.isfinite(octaves).any() else 0.0
    highest = [_highest(octaves[max(0, peak - 8) : peak + 9], otherwise=usual) for peak in peaks]
    louder_P = (decibel[peaks] - np.median(decibel[peaks])) / 6.0 if len(peaks) else np.empty(0)
    higher_P = np.clip(np.array(highest, dtype=np.float64) - usual, -0.5, 0.7) / 0.25
    frames_P = peaks.astype(np.float64) * (FRAMES_PER_SECOND * _HOP / SAMPLE_RATE)
    prominence_P: Doubles = louder_P + higher_P
    return frames_P, prominence_P


def _highest(octaves: Doubles, *, otherwise: float) -> float:
    return float(np.nanmax(octaves)) if np.isfinite(octaves).any() else otherwise


def _octaves(speech_S: NDArray[np.floating], count: int) -> Doubles:
    """Logarithm to base 2 of the voice's pitch at every hop, NaN where there is none, by autocorrelation."""
    width, shortest, longest = 4 * _HOP, SAMPLE_RATE // _PITCH_HZ[1], SAMPLE_RATE // _PITCH_HZ[0]
    found = np.full(count, np.nan)
    window_S = np.hanning(width)
    for hop in range(2, min(count, len(speech_S) // _HOP - 2)):
        piece_S = speech_S[(hop - 2) * _HOP : (hop + 2) * _HOP].astype(np.float64)
        lines = np.abs(np.fft.rfft((piece_S - piece_S.mean()) * window_S, 2 * width)) ** 2
        likeness = np.fft.irfft(lines)[: longest + 1]
        lag = shortest + int(np.argmax(likeness[shortest:longest]))
        if likeness[0] > 1e-6 and likeness[lag] > _VOICED * likeness[0]:
            found[hop] = np.log2(SAMPLE_RATE / lag)
    return found


def stressed_frames(speech_S: NDArray[np.floating]) -> NDArray[np.int64]:
    """Frames of the most prominent syllables; none where there are too few to tell."""
    frames_P, prominence_P = syllables(speech_S)
    if len(frames_P) < _LEAST_SYLLABLES:
        return np.empty(0, dtype=np.int64)
    stressed_P = prominence_P >= np.quantile(prominence_P, 1 - _STRESSED_SHARE)
    return np.round(frames_P[stressed_P]).astype(np.int64)


def emphasis_of(rotation_TC: NDArray[np.floating], stressed: NDArray[np.int64]) -> float:
    """By which share of its mean the head turns faster around the frames `stressed` than around shuffled ones."""
    speed_T = np.abs(np.gradient(rotation_TC.astype(np.float64), axis=0)).sum(axis=1)
    speed_T /= max(float(speed_T.mean()), 1e-9)
    frames = len(speed_T)
    random = np.random.default_rng(0)

    def around(middles: NDArray[np.int64]) -> float:
        near = middles[:, None] + np.arange(-_NEAR, _NEAR + 1)
        return float(speed_T[near[(near >= 0) & (near < frames)]].mean())

    moved = [around((stressed + random.integers(1, frames)) % frames) for _ in range(_SHUFFLES)]
    return around(stressed) - float(np.mean(moved))


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClipFigures:
    spreads: Doubles
    nods: float
    emphasis: float | None
    blinks: float
    border_step: float | None


def _clip_figures(clip: MotionClip, motion: Motion, stressed: NDArray[np.int64]) -> _ClipFigures:
    rotation_TC = motion.head_TC[:, _YAW_PITCH_ROLL]
    eyes_TN3 = clip.template.mesh_N3[EYES] + motion.eyes_TN3
    return _ClipFigures(
        spreads=rotation_TC.std(axis=0, dtype=np.float64),
        nods=nod_spread(rotation_TC),
        emphasis=emphasis_of(rotation_TC, stressed) if len(stressed) else None,
        blinks=blinking(lid_opening(eyes_TN3)).per_minute,
        border_step=_border_step(rotation_TC),
    )


def _border_step(rotation_TC: NDArray[np.floating]) -> float | None:
    jerk_T = np.abs(np.diff(rotation_TC.astype(np.float64), n=2, axis=0)).max(axis=1)
    stride = WINDOW_FRAMES // 2
    borders = np.zeros(len(jerk_T), dtype=bool)
    for border in range(stride, len(jerk_T), stride):
        borders[border - 2 : border + 2] = True
    if not borders.any():
        return None
    return float(jerk_T[borders].max() / max(float(jerk_T[~borders].max()), 1e-9))


def figures(name: str, rows: Sequence[_ClipFigures], *, takes: int) -> HeadFigures:
    """Summarise the figures of clips, `takes` rows of each in turn."""
    yaw, pitch, roll = np.mean([row.spreads for row in rows], axis=0)
    told = [row.emphasis for row in rows]
    by_clip = [
        float(np.mean(own))
        for start in range(0, len(rows), takes)
        if (own := [value for value in told[start : start + takes] if value is not None])
    ]
    steps = [row.border_step for row in rows if row.border_step is not None]
    return HeadFigures(
        name=name,
        yaw=float(yaw),
        pitch=float(pitch),
        roll=float(roll),
        nods=float(np.mean([row.nods for row in rows])),
        emphasis=float(np.mean(by_clip)),
        emphasis_p=float(wilcoxon(by_clip, alternative="greater").pvalue),
        blinks=float(np.mean([row.blinks for row in rows])),
        border_step=max(steps, default=None),
    )


def evaluate(contestants: Sequence[Contestant], *, work: Path, takes: int) -> list[HeadFigures]:
    """A line for each network, and the truth's."""
    stressed = [stressed_frames(ClipTracks.load(entry.folder(work)).speech_S) for entry in study_clips()]
    lines: list[HeadFigures] = []
    clips: list[MotionClip] = []
    for contestant in contestants:
        clips = load_study_clips(work, contestant.encoder)
        rows = [
            _clip_figures(clip, smooth_motion(contestant.take(clip, clip.features_TD, take=take)), own)
            for clip, own in zip(clips, stressed, strict=True)
            for take in range(1, takes + 1)
        ]
        lines.append(figures(contestant.name, rows, takes=takes))
    truths = [
        _clip_figures(clip, smooth_motion(Motion.from_rows(np.ascontiguousarray(clip.rows_TC))), own)
        for clip, own in zip(clips, stressed, strict=True)
    ]
    return [*lines, figures("truth", truths, takes=1)]


def table(lines: Sequence[HeadFigures]) -> str:
    """The lines for the terminal and for documents alike."""
    columns = [
        "head",
        "yaw deg",
        "pitch deg",
        "roll deg",
        "nods deg",
        "emphasis",
        "p",
        "blinks a min.",
        "border",
    ]
    return markdown_table(columns, [_cells(line) for line in lines])


def _cells(line: HeadFigures) -> list[str]:
    return [
        line.name,
        *(f"{value:.2f}" for value in (line.yaw, line.pitch, line.roll)),
        f"{line.nods:.3f}",
        f"{100 * line.emphasis:+.1f} %",
        f"{line.emphasis_p:.4f}",
        f"{line.blinks:.0f}",
        "-" if line.border_step is None else f"{line.border_step:.2f}",
    ]


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder with prepared tracks")
    parser.add_argument("--moda", type=Path, action="append", help="weights of MODA; repeatable")
    parser.add_argument("--takes", type=int, default=10, help="takes of every clip")
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
    options = parser.parse_args()
    contestants = [Contestant(path) for path in options.moda or [builtin_weights("moda")]]
    lines = evaluate(contestants, work=options.work, takes=options.takes)
    sys.stdout.write(json.dumps([asdict(line) for line in lines], indent=2) if options.json else table(lines))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
