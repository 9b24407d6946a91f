"""Changing the sample rate of a recording while it streams by, exactly and the same on every machine.

Legend: S samples.

A polyphase filter over the ratio of the two rates in lowest terms: output sample m stands at input time m * down / up,
counted in integers, so an hour of speech drifts by nothing. The filter is symmetric (no delay); before its first and
after its last sample the recording is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import upfirdn

Samples = NDArray[np.float32]

# Zero crossings either side, share of the band kept, and Kaiser shape: at 16 kHz within half a percent up to 7 kHz, and
# below -90 dB from 8.4 kHz on, where it would fold back into the speech.
_ZERO_CROSSINGS = 32
_KEPT_BAND = 0.945
_KAISER_BETA = 9.0


def resample(blocks_S: Iterable[Samples], *, source_rate: int, target_rate: int) -> Iterator[Samples]:
    """Resample a stream of mono blocks.

    Args:
        blocks_S: (S,) float32 blocks of any lengths, in order.
        source_rate: Their samples per second.
        target_rate: Samples per second wanted.

    Yields:
        (S,) float32 blocks; ceil(all source samples * target_rate / source_rate) samples together.
    """
    if source_rate == target_rate:
        yield from blocks_S
        return
    up = target_rate // gcd(source_rate, target_rate)
    down = source_rate // gcd(source_rate, target_rate)
    taps = _low_pass(up, down)
    reach = len(taps) // 2
    # upfirdn starts its own grid at the first sample of what it is given. The kept samples therefore always start at a
    # multiple of `down`, and zeros in front of the taps bring their centre onto a multiple of `down` too.
    front = -reach % down
    taps = np.concatenate([np.zeros(front, dtype=np.float32), taps])
    shift = (front + reach) // down

    kept = np.zeros(0, dtype=np.float32)
    kept_start, received, sent = 0, 0, 0
    # One filter call per second, not per packet.
    for block in at_least(blocks_S, source_rate):
        kept = np.concatenate([kept, block])
        received += len(block)
        # The last output that no later sample can change.
        ready = max(sent, (received * up - reach) // down)
        yield _outputs(kept, kept_start, taps, up, down, shift, sent, ready)
        sent = ready
        needed = max(0, (sent * down - reach) // up)
        drop = (needed - kept_start) // down * down
        if drop > 0:
            kept, kept_start = kept[drop:], kept_start + drop
    total = -(-received * up // down)
    yield _outputs(kept, kept_start, taps, up, down, shift, sent, total)


def _outputs(
    kept: Samples, kept_start: int, taps: Samples, up: int, down: int, shift: int, start: int, stop: int
) -> Samples:
    """Output samples [start, stop) of the whole stream, from the part of it that is kept."""
    if stop <= start:
        return np.zeros(0, dtype=np.float32)
    offset = shift - kept_start * up // down
    filtered = np.asarray(upfirdn(taps, kept, up=up, down=down), dtype=np.float32)
    wanted = filtered[start + offset : stop + offset]
    return np.concatenate([wanted, np.zeros(stop - start - len(wanted), dtype=np.float32)])


def _low_pass(up: int, down: int) -> Samples:
    """A windowed sinc on the grid of the common multiple of both rates, (2 * reach + 1,) with sum `up`."""
    widest = max(up, down)
    reach = _ZERO_CROSSINGS * widest
    position = np.arange(-reach, reach + 1, dtype=np.float64)
    taps = np.sinc(position * _KEPT_BAND / widest) * np.kaiser(len(position), _KAISER_BETA)
    taps *= up / taps.sum()
    # On a fixed grid: the last bit of a sine differs between processors, the sound must not.
    return (np.round(taps * 2**20) / 2**20).astype(np.float32)


def at_least(blocks: Iterable[Samples], size: int) -> Iterator[Samples]:
    """The same samples, along the first axis, in blocks of `size` or more (but the last)."""
    waiting: list[Samples] = []
    count = 0
    for block in blocks:
        waiting.append(block)
        count += len(block)
        if count >= size:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting)
