"""Give trained motion its true amplitude: `python -m recipes.calibrate_motion --work DIR --moda IN --out OUT`.

A regression answers with the mean of what it deems possible, so its mouth opens less than a real one and its head
hardly turns. One factor makes up for the mouth, found on held-out speakers, whom the network has not seen. What head
and shoulders lack is drawn: the spectrum that the clips of the corpus have and the network's takes have not becomes a
filter on noise, whose quick part is louder where heads are livelier.

Legend: T frames, F frequencies, Q components, C motion channels (361).
"""

from __future__ import annotations

import argparse
import copy
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.corpus import load_motion_clips
from recipes.head_emphasis import HeadEmphasis, fit_emphasis
from recipes.residual_spectrum import (
    Doubles,
    Spectrum,
    component_map,
    components_of,
    cross_spectrum,
    left_out,
    residual_filter,
)
from stages.errors import SubjectError
from stages.metrics.landmarks import landmark_distance, mouth_opening
from stages.moda.network import Moda, ModaConfig
from stages.moda.residual_motion import HEAD_AND_TORSO
from stages.moda.smoothing import smooth_motion
from stages.payloads import FRAMES_PER_SECOND, MOTION_CHANNELS, Motion
from stages.speech.loading import load_encoder
from stages.subject.template import Template
from stages.training.motion_data import MotionClip
from stages.training.motion_losses import MOUTH, TORSO
from stages.training.motion_prediction import predict_take
from stages.training.motion_scores import canonical_mesh
from stages.weights import load_weights, save_weights
from stages.weights_header import WeightsHeader, read_header, read_sizes

logger = logging.getLogger(__name__)

Rows = NDArray[np.float32]

SHORTEST_CLIP: Final = 3 * FRAMES_PER_SECOND
"""Frames below which a clip is too short to tell an amplitude from."""

_MOUTH_GAINS: Final = np.linspace(1.0, 1.6, 13)
_MOUTH_COST: Final = 0.04
"""The share by which LMD may rise for a mouth that opens as far as real ones."""

_HEAD_SHARE: Final = 0.85
"""How far takes move head and shoulders, of what the clips do: pictures get worse away from the pose of a reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What calibrated weights hold beside the trained ones.

    Attributes:
        mouth: factor on displacements of the lips.
        residual_KQQ, residual_CQ: see `stages.moda.residual_motion`.
        emphasis: see `stages.moda.emphasis`.
    """

    mouth: float
    residual_KQQ: Doubles
    residual_CQ: Doubles
    emphasis: HeadEmphasis

    @property
    def gain_C(self) -> Rows:
        """The factor of every channel (361,)."""
        gain_C = np.ones(MOTION_CHANNELS, dtype=np.float32)
        gain_C[MOUTH] = self.mouth
        return gain_C


def calibrate(network: Moda, *, strangers: Sequence[MotionClip], corpus: Sequence[MotionClip]) -> Calibration:
    """Find what the network lacks.

    Args:
        network: its own calibration, if any, is left out of account.
        strangers: clips of speakers whom it was not trained on.
        corpus: clips whose heads and shoulders move as the takes are to move.

    Raises:
        SubjectError: no clip of either is long enough.
    """
    plain = uncalibrated(network)
    residual_CQ = component_map([clip.rows_TC[:, TORSO] for clip in corpus if clip.torso_moves])
    return Calibration(
        mouth=mouth_gain(plain, long_enough(strangers)),
        residual_KQQ=head_residual(plain, long_enough(corpus), residual_CQ),
        residual_CQ=residual_CQ,
        emphasis=fit_emphasis(long_enough(corpus)),
    )


def uncalibrated(network: Moda) -> Moda:
    """A copy of the network in inference form, without what calibration adds."""
    plain = (
        Moda(replace(network.config, calibrated=False, emphasised=False))
        .to(network.scale_C.device)
        .eval()
        .requires_grad_(False)
    )
    kept = plain.state_dict().keys()
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if name in kept})
    return plain


def calibrated(network: Moda, calibration: Calibration) -> Moda:
    """A copy of the network, in inference form, that moves by the calibration and keeps it in its weights."""
    config = replace(network.config, calibrated=True, emphasised=True)
    other = Moda(config).to(network.scale_C.device).eval().requires_grad_(False)
    added = {
        "gain_C": torch.from_numpy(calibration.gain_C),
        "residual_KQQ": torch.from_numpy(calibration.residual_KQQ.astype(np.float32)),
        "residual_CQ": torch.from_numpy(calibration.residual_CQ.astype(np.float32)),
        "emphasis_D": torch.from_numpy(calibration.emphasis.weights_D.astype(np.float32)),
        "emphasis_bias": torch.tensor(calibration.emphasis.bias, dtype=torch.float32),
    }
    other.load_state_dict({**network.state_dict(), **added})
    return other


def long_enough(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """The clips that tell an amplitude. Raises SubjectError where none does."""
    long = [clip for clip in clips if clip.frame_count >= SHORTEST_CLIP]
    if not long:
        raise SubjectError(
            code="clip_too_short",
            where="clips to calibrate on",
            what="none is long enough to calibrate motion on",
            hint=f"add a clip of {SHORTEST_CLIP // FRAMES_PER_SECOND} s or more",
        )
    return long


def mouth_gain(network: Moda, clips: Sequence[MotionClip]) -> float:
    """The largest factor that raises LMD by a twenty-fifth at most, and the opening's spread not above the true one."""
    truths = [Motion.from_rows(np.ascontiguousarray(clip.rows_TC)).mouth_TN3 for clip in clips]
    true_spreads = [_opening_spread(clip.template, truth) for clip, truth in zip(clips, truths, strict=True)]

    def measured(gain: float) -> tuple[float, float]:
        """LMD, and the spread of the opening as a share of the true one."""
        louder = copy.deepcopy(network)
        louder.gain_C[MOUTH] = gain
        ours = [_smoothed_take(louder, clip).mouth_TN3 for clip in clips]
        distances = [landmark_distance(lips, truth) for lips, truth in zip(ours, truths, strict=True)]
        shares = [
            _opening_spread(clip.template, lips) / max(spread, 1e-6)
            for clip, lips, spread in zip(clips, ours, true_spreads, strict=True)
        ]
        return float(np.mean(distances)), float(np.mean(shares))

    found = {float(gain): measured(float(gain)) for gain in _MOUTH_GAINS}
    dearest = (1 + _MOUTH_COST) * found[1.0][0]
    able = [gain for gain, (distance, share) in found.items() if share <= 1.0 and distance <= dearest]
    return max(able, default=1.0)


def _opening_spread(template: Template, mouth_TN3: Rows) -> float:
    still = Motion.from_rows(np.zeros((len(mouth_TN3), MOTION_CHANNELS), dtype=np.float32))
    return float(
        mouth_opening(canonical_mesh(template, replace(still, mouth_TN3=mouth_TN3.astype(np.float32)))).std()
    )


def head_residual(network: Moda, clips: Sequence[MotionClip], residual_CQ: Doubles) -> Doubles:
    """(K, Q, Q): the filter that gives takes the typical spectrum of the clips, a little quieter."""
    truths, takes = [], []
    for clip in clips:
        truths.append(cross_spectrum(components_of(clip.rows_TC[:, HEAD_AND_TORSO], residual_CQ)))
        take = _smoothed_take(network, clip).as_rows()[:, HEAD_AND_TORSO]
        takes.append(cross_spectrum(components_of(take, residual_CQ)))
    return residual_filter(left_out(_HEAD_SHARE**2 * typical(truths), np.mean(takes, axis=0)))


def typical(spectra: Sequence[Spectrum]) -> Spectrum:
    """Their mean, in which one who moves much does not speak for all: each component has its mean spread over them."""
    spreads_Q = np.mean(
        [np.sqrt(np.einsum("fqq->q", _both_signs(spectrum)).real) for spectrum in spectra], axis=0
    )
    # In shares of each one's own movement.
    shape_FQQ = np.mean([spectrum / np.einsum("fqq->", spectrum).real for spectrum in spectra], axis=0)
    shape_Q = np.sqrt(np.einsum("fqq->q", _both_signs(shape_FQQ)).real)
    scale_Q = spreads_Q / np.maximum(shape_Q, 1e-12)
    scaled_FQQ: Spectrum = shape_FQQ * scale_Q[:, None] * scale_Q[None, :]
    return scaled_FQQ


def _both_signs(spectrum_FQQ: Spectrum) -> Spectrum:
    """The spectrum with negative frequencies counted in."""
    return np.concatenate([spectrum_FQQ, spectrum_FQQ[1:-1].conj()])


def _smoothed_take(network: Moda, clip: MotionClip) -> Motion:
    return smooth_motion(predict_take(network, clip.features_TD, clip.template))


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder with prepared tracks")
    parser.add_argument("--moda", type=Path, required=True, help="trained weights")
    parser.add_argument("--out", type=Path, required=True, help="where the calibrated weights go")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    header = read_header(options.moda)
    network = Moda(read_sizes(options.moda, ModaConfig)).eval()
    load_weights(options.moda, network, expected={"architecture": "moda"})
    encoder = load_encoder(header.encoder, device=torch.device("cpu"))
    calibration = calibrate(
        network,
        strangers=load_motion_clips(options.work, encoder, held_out=True),
        corpus=load_motion_clips(options.work, encoder, held_out=False),
    )
    logger.info("mouth %.2f", calibration.mouth)
    moving = calibrated(network, calibration)
    fields = {**asdict(header), "sizes": asdict(moving.config)}
    save_weights(options.out, moving, WeightsHeader(**fields))


if __name__ == "__main__":
    main()
