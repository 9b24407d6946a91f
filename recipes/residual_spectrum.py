"""The part of head and shoulders that a network leaves out, as a filter on white noise.

Legend: T frames, F frequencies, K filter taps, Q components, C channels of head and torso (61).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.moda.residual_motion import (
    RESIDUAL_CHANNELS,
    RESIDUAL_COMPONENTS,
    RESIDUAL_REACH,
    RESIDUAL_TAPS,
)
from stages.moda.smoothing import HEAD_SIGMA
from stages.payloads import FRAMES_PER_SECOND, HEAD_CHANNELS

Doubles = NDArray[np.float64]
Spectrum = NDArray[np.complex128]
Rows = NDArray[np.float32]

_SEGMENT: Final = RESIDUAL_TAPS - 1
_FASTEST_HZ: Final = 4.0
_FADED_HZ: Final = 7.0
"""Between the two the spectrum fades: what is faster is the tracker's."""


def component_map(torsos: Sequence[Rows]) -> Doubles:
    """(61, Q): the head's own channels, and the first ways in which torsos (T, 54) move, of unit variance each."""
    channels_CQ = np.zeros((RESIDUAL_CHANNELS, RESIDUAL_COMPONENTS))
    channels_CQ[:HEAD_CHANNELS, :HEAD_CHANNELS] = np.eye(HEAD_CHANNELS)
    if torsos:
        moved = np.concatenate([torso_TC - torso_TC.mean(0) for torso_TC in torsos]).astype(np.float64)
        _, spread, ways = np.linalg.svd(moved / np.sqrt(len(moved)), full_matrices=False)
        count = RESIDUAL_COMPONENTS - HEAD_CHANNELS
        channels_CQ[HEAD_CHANNELS:, HEAD_CHANNELS:] = (ways[:count] * spread[:count, None]).T
    return channels_CQ


def components_of(rows_TC: Rows, channels_CQ: Doubles) -> Doubles:
    """(T, Q) components of displacements (T, 61) of head and torso."""
    components_TQ: Doubles = rows_TC.astype(np.float64) @ np.linalg.pinv(channels_CQ).T
    return components_TQ


def cross_spectrum(track_TQ: Doubles) -> Spectrum:
    """(F, Q, Q) power and cross power of a track, by half overlapping segments.

    Over all frequencies of both signs it sums to the covariance. A track shorter than a segment is
    one, padded by its mean.
    """
    track_TQ = track_TQ - track_TQ.mean(0)
    if len(track_TQ) < _SEGMENT:
        segments = [track_TQ]
    else:
        starts = range(0, len(track_TQ) - _SEGMENT + 1, _SEGMENT // 2)
        segments = [track_TQ[start : start + _SEGMENT] for start in starts]
    total: Spectrum = np.zeros((_SEGMENT // 2 + 1, *2 * (track_TQ.shape[1],)), dtype=np.complex128)
    for segment_TQ in segments:
        window_T = np.hanning(len(segment_TQ) + 2)[1:-1]
        lines_FQ = np.fft.rfft(segment_TQ * window_T[:, None], _SEGMENT, axis=0)
        total += lines_FQ[:, :, None] * lines_FQ.conj()[:, None, :] / (window_T**2).sum() / _SEGMENT
    return total / len(segments)


def left_out(truth_FQQ: Spectrum, ours_FQQ: Spectrum) -> Spectrum:
    """What is to be added to have the true spectrum: their difference, where there is too little."""
    values_FQ, vectors_FQQ = np.linalg.eigh(truth_FQQ - ours_FQQ)
    values_FQ = np.maximum(values_FQ, 0.0) * _weight(len(truth_FQQ))[:, None]
    return np.einsum("fij,fj,fkj->fik", vectors_FQQ, values_FQ, vectors_FQQ.conj())


def residual_filter(spectrum_FQQ: Spectrum) -> Doubles:
    """(K, Q, Q): the filter of no delay that gives white noise this spectrum."""
    values_FQ, vectors_FQQ = np.linalg.eigh(spectrum_FQQ * _SEGMENT)
    root_FQQ = np.einsum(
        "fij,fj,fkj->fik", vectors_FQQ, np.sqrt(np.maximum(values_FQ, 0.0)), vectors_FQQ.conj()
    )
    taps_KQQ = np.fft.irfft(root_FQQ, _SEGMENT, axis=0)
    centred_KQQ = np.roll(taps_KQQ, RESIDUAL_REACH, axis=0)
    closed_KQQ = np.concatenate([centred_KQQ, centred_KQQ[:1]])
    window_K = np.hanning(RESIDUAL_TAPS + 2)[1:-1]
    # Correlation with the noise, not convolution: the taps run the other way round.
    filter_KQQ: Doubles = (closed_KQQ * window_K[:, None, None])[::-1]
    kept = np.square(filter_KQQ).sum((0, 2))
    wanted = np.square(closed_KQQ[:-1]).sum((0, 2))
    filter_KQQ *= np.sqrt(wanted / np.maximum(kept, 1e-12))[None, :, None]
    return filter_KQQ


def _weight(count: int) -> Doubles:
    """What is too fast fades, and what the smoothing of motion will take is given beforehand."""
    hertz_F = np.arange(count) * FRAMES_PER_SECOND / _SEGMENT
    share_F = np.clip((_FADED_HZ - hertz_F) / (_FADED_HZ - _FASTEST_HZ), 0.0, 1.0)
    kept_F = np.exp(-0.5 * (2 * np.pi * hertz_F / FRAMES_PER_SECOND * HEAD_SIGMA) ** 2)
    return (share_F / kept_F) ** 2
