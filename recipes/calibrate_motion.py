"""Give trained motion its true amplitude: `python -m recipes.calibrate_motion --work DIR --moda IN --out OUT`.

A regression answers with the mean of what it deems possible, so its mouth opens less than a real one and its head
hardly turns. One factor a part of the face makes up for that, found on the ends of the training clips, which the
network has not seen.

Legend: T frames, C motion channels (361).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.corpus import load_motion_clips
from stages.errors import SubjectError
from stages.metrics.landmarks import landmark_distance
from stages.moda.network import Moda, ModaConfig
from stages.moda.smoothing import smooth_motion
from stages.payloads import FRAMES_PER_SECOND, MOTION_CHANNELS, MOUTH_POINTS, Motion
from stages.speech.loading import load_encoder
from stages.training.motion_data import MotionClip
from stages.training.motion_losses import MOUTH, TORSO
from stages.training.motion_prediction import predict_take
from stages.training.motion_scores import amplitude, speed
from stages.weights import load_weights, save_weights
from stages.weights_header import WeightsHeader, read_header, read_sizes

logger = logging.getLogger(__name__)

Rows = NDArray[np.float32]
Takes = Sequence[Sequence[Rows]]
"""Clips of takes of rows (T, 361)."""

SHORTEST_CLIP: Final = 8 * FRAMES_PER_SECOND
"""Frames below which a clip's held-out end is too short to tell an amplitude from."""

_ROTATION: Final = slice(300, 303)
_CENTRE: Final = slice(303, 306)
_MOUTH_GAINS: Final = np.linspace(1.0, 1.5, 11)
_MOUTH_COST: Final = 0.005
"""The share by which LMD may rise for a mouth that opens further."""

_LARGEST_GAIN: Final = 1.5
_TAKES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """Factors on displacements; the eyes have blinks of their own, and the scale is not smoothed: both stay."""

    mouth: float = 1.0
    rotation: float = 1.0
    centre: float = 1.0
    torso: float = 1.0

    def as_channels(self) -> Rows:
        """The factor of every channel (361,)."""
        gain_C = np.ones(MOTION_CHANNELS, dtype=np.float32)
        parts = ((MOUTH, self.mouth), (_ROTATION, self.rotation), (_CENTRE, self.centre), (TORSO, self.torso))
        for part, gain in parts:
            gain_C[part] = gain
        return gain_C


def learn_gains(network: Moda, clips: Sequence[MotionClip]) -> Gains:
    """Find the factors on clips that the network was not trained on, such as the ends of its training clips.

    The mouth gets the largest that raises LMD by no more than a hundredth, and its spread not above the true one.
    Head and shoulders are drawn, not matched frame for frame: they get the geometric mean of what equals the true
    spread and what equals the true speed, for a sample is quicker than a head of the same spread.

    Args:
        network: its own gain, if any, is left out of account.
        clips: at least one.

    Raises:
        SubjectError: there are no clips.
    """
    if not clips:
        raise SubjectError(
            code="clip_too_short",
            where="training clips",
            what="none is long enough to calibrate motion on",
            hint=f"add a clip of more than {SHORTEST_CLIP // FRAMES_PER_SECOND} s",
        )
    plain = with_gains(network, Gains())
    takes = [[_rows(plain, clip, take) for take in range(1, _TAKES + 1)] for clip in clips]
    truths = [_smoothed(clip.rows_TC) for clip in clips]
    moving = [index for index, clip in enumerate(clips) if clip.torso_moves]
    return Gains(
        mouth=_mouth_gain(
            [rows[0][:, MOUTH] for rows in takes],
            [clip.rows_TC[:, MOUTH] for clip in clips],
            limit=_median_gain(takes, truths, MOUTH, amplitude),
        ),
        rotation=_drawn_gain(takes, truths, _ROTATION),
        centre=_drawn_gain(takes, truths, _CENTRE),
        torso=_drawn_gain([takes[index] for index in moving], [truths[index] for index in moving], TORSO),
    )


def with_gains(network: Moda, gains: Gains) -> Moda:
    """A copy of the network, in inference form, that has these factors and keeps them in its weights."""
    device = network.scale_C.device
    copy = Moda(replace(network.config, calibrated=True)).to(device).eval().requires_grad_(False)
    copy.load_state_dict({**network.state_dict(), "gain_C": torch.from_numpy(gains.as_channels()).to(device)})
    return copy


def _rows(network: Moda, clip: MotionClip, take: int) -> Rows:
    return smooth_motion(predict_take(network, clip.features_TD, clip.template, take=take)).as_rows()


def _smoothed(rows_TC: Rows) -> Rows:
    return smooth_motion(Motion.from_rows(np.ascontiguousarray(rows_TC))).as_rows()


def _mouth_gain(ours: Sequence[Rows], truths: Sequence[Rows], *, limit: float) -> float:
    pairs = list(zip(ours, truths, strict=True))

    def lmd(gain: float) -> float:
        distances = [
            landmark_distance(
                gain * mouth_TC.reshape(-1, MOUTH_POINTS, 3), truth_TC.reshape(-1, MOUTH_POINTS, 3)
            )
            for mouth_TC, truth_TC in pairs
        ]
        return float(np.mean(distances))

    dearest = (1 + _MOUTH_COST) * lmd(1.0)
    able = [float(gain) for gain in _MOUTH_GAINS if gain <= limit and lmd(gain) <= dearest]
    return max(able, default=1.0)


def _drawn_gain(takes: Takes, truths: Sequence[Rows], part: slice) -> float:
    """What meets spread and speed halfway, within bounds; 1 where there is no clip."""
    if not takes:
        return 1.0
    gain = np.sqrt(_median_gain(takes, truths, part, amplitude) * _median_gain(takes, truths, part, speed))
    return float(np.clip(gain, 1.0, _LARGEST_GAIN))


def _median_gain(
    takes: Takes, truths: Sequence[Rows], part: slice, measure: Callable[[Rows], float]
) -> float:
    """What, over the clips, makes our measure the true one."""
    wanted = []
    for rows, truth_TC in zip(takes, truths, strict=True):
        ours = float(np.mean([measure(take_TC[:, part]) for take_TC in rows]))
        wanted.append(measure(truth_TC[:, part]) / max(ours, 1e-6))
    return float(np.median(wanted))


def calibration_clips(clips: Sequence[MotionClip]) -> list[MotionClip]:
    """The held-out ends of those training clips that are long enough."""
    return [part for clip in clips if clip.frame_count > SHORTEST_CLIP for part in clip.held_out_parts()]


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
    gains = learn_gains(network, calibration_clips(load_motion_clips(options.work, encoder, held_out=False)))
    logger.info("%s", gains)
    calibrated = with_gains(network, gains)
    fields = {**asdict(header), "sizes": asdict(calibrated.config)}
    save_weights(options.out, calibrated, WeightsHeader(**fields))


if __name__ == "__main__":
    main()
