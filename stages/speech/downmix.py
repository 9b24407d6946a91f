"""Which channels of a recording are heard: one for the motion, at most two for the master.

Legend: S samples, C channels, P pieces of about a second, 2 = (left, right).

* One channel is that channel, two are their mean. The master has them as they were recorded.
* Channels of known places are folded to two as in ITU-R BS.775: the centre at -3 dB to both sides, surrounds at -3 dB
  to their own, low frequencies left out; the motion hears the mean of the two.
* Channels of unknown places are microphones of their own: their mean, for the motion and the master.
* BS.775 leaves the level of a sum open, and a mean makes one voice quieter by every channel that is silent. So what is
  folded is as loud as the loudest of its channels: a voice in the centre comes out as it would from a mono file. Only
  where the sum would go beyond full scale is the master quieter. Where both its sides are the same, it has one channel.
* Where one channel alone has sound, or a mean would lose the voice because channels cancel each other, the motion hears
  one channel. That is decided once for a recording, from its beginning to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import floor, log10, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.media.tracks import SILENT_BELOW, half_swing

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_MINUS_3_DB: Final = sqrt(0.5)
_LEFT: Final = frozenset({"FL", "FLC", "BFL", "DL"})
_RIGHT: Final = frozenset({"FR", "FRC", "BFR", "DR"})
_CENTRE: Final = frozenset({"FC", "BFC"})
_LEFT_AROUND: Final = frozenset({"BL", "SL", "WL", "TFL", "TBL", "TSL", "SDL", "SSL", "TTL"})
_RIGHT_AROUND: Final = frozenset({"BR", "SR", "WR", "TFR", "TBR", "TSR", "SDR", "SSR", "TTR"})
_MIDDLE_AROUND: Final = frozenset({"BC", "TC", "TFC", "TBC"})
_LOW: Final = frozenset({"LFE", "LFE2"})

_LARGEST_SAMPLE: Final = np.float32(1e6)
_CANCELLED: Final = 0.5
"""Channels that have nothing to do with each other add up to more than the louder of them gives alone. A sum of less
than half its power (-3 dB; in stereo 9 dB below the channel itself) comes about only where they cancel."""
_EQUALLY_LOUD: Final = 0.35
_CANCELLED_BY_WEAKER: Final = 0.2
"""A channel of less than 0.35 of the power takes from the other, at every pitch alike; a gain makes that good, unless
more than four fifths are gone."""
_CANCELLED_SHARE: Final = 0.1
"""Of the pieces with sound: what is lost of less is no more than a word here and there."""
_LARGEST_RISE: Final = 0.01
"""A sum of less of the power of its loudest channel is what is left of channels that cancel: no more than 20 dB."""
_SAME: Final = 1e-6
"""Left and right that differ by no more than -60 dB are one channel."""
_ACTIVE: Final = 0.1
"""Pieces of less than this share of the mean power are pauses."""


class ChannelRule(StrEnum):
    """How the channels of a recording become one."""

    ONLY = "only"  # there is one channel
    MEAN = "mean"
    STANDARD = "standard"  # the layout's downmix
    SOUNDING = "sounding"  # one channel: the others hold no sound
    LOUDEST = "loudest"  # one channel: the channels cancel each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Downmix:
    """How the channels of a recording become one for the motion, and at most two for the master.

    Attributes:
        rule: Which rule it came about by.
        mono_C: Factor of every channel for the motion.
        mono_gain: Factor of their sum.
        master_2C: Factors of every channel for left and right; one row for a master of one channel; empty where the
            master has the channels as they were recorded.
        channel: The channel that is heard alone, from 1; None where several are.
    """

    rule: ChannelRule
    mono_C: tuple[float, ...]
    mono_gain: float = 1.0
    master_2C: tuple[tuple[float, ...], ...] = ()
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardSound:
    """What of a file's sound is heard, decided once for the motion and the master.

    Attributes:
        track: Number of the audio track, from 1.
        downmix: How its channels are heard.
    """

    track: int
    downmix: Downmix


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAccount:
    """The channels of a recording, and how they are heard.

    Attributes:
        layout: FFmpeg's name of their places; empty where no file was read.
        count: Number of them.
        rule: How the motion hears them; None where no file was read.
        channel: The channel that the motion hears alone, from 1; None where it hears several.
    """

    layout: str = ""
    count: int = 0
    rule: ChannelRule | None = None
    channel: int | None = None

    def sentences(self) -> Iterator[str]:
        """What there is to tell, each a plain sentence without a full stop."""
        if self.rule is ChannelRule.LOUDEST:
            yield f"the channels cancel each other: the motion hears the louder one, channel {self.channel}, alone"
        elif self.rule is ChannelRule.SOUNDING:
            yield f"of {self.count} channels only channel {self.channel} has sound: the motion hears it alone"
        elif self.rule is ChannelRule.STANDARD:
            yield f"the {self.count} channels ({self.layout}) are folded to two as in ITU-R BS.775, without the LFE"
        elif self.rule is ChannelRule.MEAN and self.count > 2:
            yield f"the file does not say where its {self.count} channels belong: their mean is heard"


class ChannelMeter:
    """What decides how a recording's channels are heard, collected while it passes: C x C numbers a second.

    Attributes:
        plain: The downmix by the layout alone, as long as nothing is known of the sound.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are FFmpeg's places of the channels, such as FL and FR; NONE where a file does not tell."""
        self._names = tuple(names)
        self.plain = _plain(self._names)
        self._powers_PCC: list[Doubles] = []
        self._sounds_C = np.zeros(len(names), dtype=bool)
        self._peak = 0.0

    def take(self, samples_CS: Floats) -> None:
        """Look at the next second or so."""
        if self.plain.rule is ChannelRule.ONLY or not samples_CS.shape[1]:
            return
        self._sounds_C |= half_swing(samples_CS) >= SILENT_BELOW
        swinging_CS = samples_CS - samples_CS.mean(axis=1, keepdims=True)
        self._powers_PCC.append((swinging_CS @ swinging_CS.T).astype(np.float64))
        for row_C in self.plain.master_2C:
            self._peak = max(self._peak, float(np.abs(mixed(samples_CS, row_C)).max()))

    def decided(self) -> Downmix:
        """The downmix of the recording that passed."""
        if not self._sounds_C.any():
            return self.plain
        powers_PCC = np.array(self._powers_PCC)
        heard_C = np.array(self.plain.mono_C) * self._sounds_C
        single_PC = heard_C**2 * np.diagonal(powers_PCC, axis1=1, axis2=2)
        if not heard_C.any():
            # Low frequencies are left out, unless they are all there is.
            return self._alone(_loudest(powers_PCC.sum(axis=0).diagonal()), ChannelRule.SOUNDING, powers_PCC)
        if np.count_nonzero(heard_C) == 1 and self._names[int(heard_C.argmax())] not in _CENTRE:
            return self._alone(int(heard_C.argmax()), ChannelRule.SOUNDING, powers_PCC)
        if self._is_cancelled(powers_PCC, single_PC, heard_C):
            return self._alone(_loudest(single_PC.sum(axis=0)), ChannelRule.LOUDEST, powers_PCC)
        return self._folded(powers_PCC.sum(axis=0)) if self.plain.master_2C else self.plain

    @staticmethod
    def _is_cancelled(powers_PCC: Doubles, single_PC: Doubles, heard_C: Doubles) -> bool:
        summed_P = np.einsum("c,pcd,d->p", heard_C, powers_PCC, heard_C)
        second_P, loudest_P = np.partition(single_PC, -2, axis=1)[:, -2:].T
        active_P = loudest_P >= _ACTIVE * loudest_P.mean()
        limit_P = np.where(second_P >= _EQUALLY_LOUD * loudest_P, _CANCELLED, _CANCELLED_BY_WEAKER)
        cancelled_P = active_P & (summed_P < limit_P * loudest_P)
        return bool(cancelled_P.sum() >= _CANCELLED_SHARE * active_P.sum())

    def _folded(self, power_CC: Doubles) -> Downmix:
        """The downmix of the layout, as loud as the loudest channel in it."""
        rows_RC = np.array(self.plain.master_2C)
        row_powers_R = np.einsum("rc,cd,rd->r", rows_RC, power_CC, rows_RC)
        loudest = (power_CC.diagonal() * rows_RC.any(axis=0)).max()
        # In steps of 0.01 dB, so that the last bit of a sum decides nothing.
        sum_power = max(row_powers_R.max(), _LARGEST_RISE * loudest)
        gain = 10 ** (round(1000 * log10(loudest / sum_power)) / 2000)
        if len(rows_RC) == 2:
            difference_C = rows_RC[0] - rows_RC[1]
            if difference_C @ power_CC @ difference_C <= _SAME * row_powers_R[0]:
                rows_RC = rows_RC[:1]
        # What is within full scale in every channel can be beyond it in their sum.
        rows_RC = rows_RC * gain * _headroom(gain * self._peak)
        return replace(self.plain, mono_gain=gain, master_2C=tuple(map(tuple, rows_RC.tolist())))

    def _alone(self, channel: int, rule: ChannelRule, powers_PCC: Doubles) -> Downmix:
        one_C = tuple(float(place == channel) for place in range(len(self._names)))
        if self.plain.rule is ChannelRule.STANDARD and self._names[channel] not in _LOW:
            master_2C = self._folded(powers_PCC.sum(axis=0)).master_2C
        else:
            master_2C = (one_C,) if self.plain.master_2C else ()
        return Downmix(rule=rule, mono_C=one_C, master_2C=master_2C, channel=channel + 1)


def _loudest(power_C: Doubles) -> int:
    """The first of the loudest channels: the last bit of a sum decides nothing."""
    return int(np.flatnonzero(power_C >= 0.98 * power_C.max())[0])


def countable(samples_CS: Floats) -> Floats:
    """Samples no larger than a million times full scale: floating point holds more, and its squares overflow."""
    if samples_CS.size and max(samples_CS.max(), -samples_CS.min()) > _LARGEST_SAMPLE:
        return np.clip(samples_CS, -_LARGEST_SAMPLE, _LARGEST_SAMPLE)
    return samples_CS


def mixed(samples_CS: Floats, factors_C: Sequence[float]) -> Floats:
    """The sum (S,) of channels times their factors, in the order of the channels on every machine."""
    total_S: Floats | None = None
    for samples_S, factor in zip(samples_CS, factors_C, strict=True):
        if factor:
            part_S = samples_S if factor == 1.0 else samples_S * np.float32(factor)
            total_S = part_S if total_S is None else total_S + part_S
    return np.zeros(samples_CS.shape[1], np.float32) if total_S is None else total_S


def _plain(names: Sequence[str]) -> Downmix:
    count = len(names)
    if count == 1:
        return Downmix(rule=ChannelRule.ONLY, mono_C=(1.0,))
    places = _places(names) if count > 2 else None
    if places is None:
        mean_C = (1 / count,) * count
        return Downmix(rule=ChannelRule.MEAN, mono_C=mean_C, master_2C=(mean_C,) if count > 2 else ())
    left_C, right_C = (tuple(pair[side] for pair in places) for side in (0, 1))
    mono_C = tuple((left + right) / 2 for left, right in places)
    return Downmix(rule=ChannelRule.STANDARD, mono_C=mono_C, master_2C=(left_C, right_C))


def _places(names: Sequence[str]) -> list[tuple[float, float]] | None:
    """Factors of every channel for (left, right); None where a place is unknown."""
    around = {}
    for group, factors in (
        (_LEFT, (1.0, 0.0)),
        (_RIGHT, (0.0, 1.0)),
        (_CENTRE, (_MINUS_3_DB, _MINUS_3_DB)),
        (_LEFT_AROUND, (_MINUS_3_DB, 0.0)),
        (_RIGHT_AROUND, (0.0, _MINUS_3_DB)),
        (_MIDDLE_AROUND, (0.5, 0.5)),
        (_LOW, (0.0, 0.0)),
    ):
        around.update(dict.fromkeys(group, factors))
    found = [around.get(name) for name in names]
    return None if None in found else [factors for factors in found if factors is not None]


def _headroom(peak: float) -> float:
    """What keeps a sum within full scale, in steps of a thousandth."""
    return 1.0 if peak <= 1.0 else floor(1000 / peak) / 1000
