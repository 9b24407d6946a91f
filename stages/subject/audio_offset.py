"""By how many frames the sound of a clip lags the lips, heard with MODA's ears.

Legend: S samples at 16 kHz, T frames, L lags, K lip measures, N points, 3 = (x, y, z).

The shipped MODA predicts lips from the speech. Its lips and those that were tracked are compared at every
lag; where they agree best is the offset. About half of published talking-head clips are out by two frames or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stages.geometry.landmarks import LIPS
from stages.metrics.landmarks import correlation, mouth_opening
from stages.moda.network import Moda, ModaConfig
from stages.payloads import MOUTH_POINTS, SAMPLES_PER_FRAME
from stages.speech.context import WINDOW_FRAMES
from stages.speech.encoder import encode_speech
from stages.speech.loading import load_encoder
from stages.subject.template import Template
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LONGEST_LAG: Final = 12
"""Frames: half a second. What is out by more is not a matter of synchronisation."""

_TREND_FRAMES: Final = 15.0
"""Sigma of the slow drift (posture, smiles) taken out of both before they are compared."""

_FAR: Final = 5
"""Lags at least so far from the best one say how well chance does."""

_CLEAR_CORRELATION: Final = 0.5
_CLEAR_MARGIN: Final = 0.3
"""Over the 37 clips of the training corpus the least are 0.72 and 0.44. Of clips held against another's speech, 96 in
100 stay below, those of three seconds included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOffset:
    """Where speech and lips agree best.

    Attributes:
        lag: frames of 40 ms by which the sound lags the lips; negative: leads.
        correlation: of predicted with tracked lips at that lag.
        margin: how far that is above the highest correlation at lags five frames away or more.
        by_lag: the correlation at every lag from -12 to 12.
    """

    lag: int
    correlation: float
    margin: float
    by_lag: tuple[float, ...]

    @property
    def is_clear(self) -> bool:
        """Whether the lag may be trusted."""
        return self.correlation >= _CLEAR_CORRELATION and self.margin >= _CLEAR_MARGIN


def audio_offset(
    canonical_TN3: Floats, speech_S: Floats, *, template: Template, weights: Path
) -> AudioOffset:
    """Compare tracked canonical meshes (T, 478, 3) with the speech that goes with them.

    Args:
        canonical_TN3: meshes from the clip's start.
        speech_S: 16 kHz samples from the clip's start; may be longer or shorter than the picture.
        template: the subject's.
        weights: of MODA; its header names the speech encoder.

    Raises:
        WeightsError: the weights or the speech encoder cannot be loaded.
    """
    heard_TN3 = predicted_lips(speech_S, template=template, weights=weights)
    return compare(lip_measures(_with_lips(template, heard_TN3)), lip_measures(canonical_TN3))


def predicted_lips(speech_S: Floats, *, template: Template, weights: Path) -> Floats:
    """Lip vertices (T, 40, 3) in canonical space that MODA hears in a recording; without noise.

    Raises:
        WeightsError: the weights or the speech encoder cannot be loaded.
    """
    header = read_header(weights)
    encoder = load_encoder(header.encoder, device=torch.device("cpu"))
    network = Moda(read_sizes(weights, ModaConfig)).eval().requires_grad_(False)
    load_weights(weights, network, expected={"architecture": "moda", "encoder": encoder.name})
    features_TD = encode_speech(encoder, speech_S[: len(speech_S) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME])
    lips = []
    for start in range(0, len(features_TD), WINDOW_FRAMES):
        window_BTD = torch.from_numpy(np.ascontiguousarray(features_TD[start : start + WINDOW_FRAMES]))[None]
        noise_BTZ = torch.zeros(1, window_BTD.shape[1] + 2 * network.noise_margin, network.config.latent)
        template_BM = torch.from_numpy(template.network_mesh_M)[None]
        with torch.inference_mode():
            rows_TC = network.displacements(network(window_BTD, template_BM, noise_BTZ).rows_BTC[0])
        lips.append(rows_TC[:, : 3 * MOUTH_POINTS].reshape(-1, MOUTH_POINTS, 3).numpy())
    return np.concatenate(lips) + template.mesh_N3[LIPS]


def lip_measures(mesh_TN3: Floats) -> Doubles:
    """Inner-lip opening, mouth width and outer-lip height (T, 3) in px, without their slow drift."""
    width_T = np.linalg.norm(mesh_TN3[:, _CORNERS[0], :2] - mesh_TN3[:, _CORNERS[1], :2], axis=-1)
    height_T = np.linalg.norm(mesh_TN3[:, _OUTER[0], :2] - mesh_TN3[:, _OUTER[1], :2], axis=-1)
    measures_TK = np.stack([mouth_opening(mesh_TN3), width_T, height_T], axis=1).astype(np.float64)
    drift_TK = gaussian_filter1d(measures_TK, _TREND_FRAMES, axis=0, mode="nearest")
    return np.asarray(measures_TK - drift_TK, dtype=np.float64)


def compare(heard_TK: Doubles, seen_TK: Doubles) -> AudioOffset:
    """The lag at which heard measures agree best with seen ones, over the mean of the measures' correlations.

    Recordings too short to be shifted by a lag count as disagreeing there.
    """
    lags = np.arange(-LONGEST_LAG, LONGEST_LAG + 1)
    by_lag_L = np.array([_agreement(heard_TK, seen_TK, int(lag)) for lag in lags])
    best = int(by_lag_L.argmax())
    far_L = np.abs(lags - lags[best]) >= _FAR
    return AudioOffset(
        lag=int(lags[best]),
        correlation=float(by_lag_L[best]),
        margin=float(by_lag_L[best] - by_lag_L[far_L].max()),
        by_lag=tuple(round(float(value), 4) for value in by_lag_L),
    )


def _agreement(heard_TK: Doubles, seen_TK: Doubles, lag: int) -> float:
    heard_TK, seen_TK = heard_TK[max(0, lag) :], seen_TK[max(0, -lag) :]
    count = min(len(heard_TK), len(seen_TK))
    if count < 2 * LONGEST_LAG:
        return 0.0
    return float(
        np.mean([correlation(heard_TK[:count, k], seen_TK[:count, k]) for k in range(heard_TK.shape[1])])
    )


def _with_lips(template: Template, lips_TN3: Floats) -> Floats:
    mesh_TN3 = np.repeat(template.mesh_N3[None], len(lips_TN3), axis=0)
    mesh_TN3[:, LIPS] = lips_TN3
    return mesh_TN3


_CORNERS: Final = (61, 291)
_OUTER: Final = (0, 17)
