"""Motion on held-out speakers: `python -m stages.training.evaluate_motion --work DIR`.

Prints LMD and LMD-v of the network beside a face that keeps still at its mean and beside the network on another
clip's speech, and how the inner-lip opening correlates with the true one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.faco.network import FaceComposer, FacoConfig
from stages.geometry.landmarks import LIPS
from stages.metrics.landmarks import correlation, landmark_distance, landmark_velocity_distance, mouth_opening
from stages.moda.network import Moda, ModaConfig
from stages.moda.noise import frame_noise
from stages.moda.smoothing import smooth_motion
from stages.payloads import Motion
from stages.speech.context import WINDOW_FRAMES
from stages.speech.loading import load_encoder
from stages.training.motion_data import MotionClip, load_motion_clips
from stages.training.report import markdown_table
from stages.weights import load_weights, read_header, read_sizes

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionScores:
    """LMD and LMD-v in canonical px, and the correlation of the inner-lip opening, of one clip."""

    lmd: float
    lmd_v: float
    opening: float


def score(clip: MotionClip, mesh_TN3: Floats) -> MotionScores:
    """Compare predicted mesh displacements with a clip's true ones."""
    truth_TN3 = clip.mesh_TN3[: len(mesh_TN3)]
    whole_TN3 = mesh_TN3 + clip.template.mesh_N3
    return MotionScores(
        lmd=landmark_distance(mesh_TN3[:, LIPS], truth_TN3[:, LIPS]),
        lmd_v=landmark_velocity_distance(mesh_TN3[:, LIPS], truth_TN3[:, LIPS]),
        opening=correlation(mouth_opening(whole_TN3), mouth_opening(truth_TN3 + clip.template.mesh_N3)),
    )


class MotionPredictor:
    """MODA and FaCo-Net from weights files, on clips whose features are known."""

    def __init__(self, *, moda: Path, faco: Path) -> None:
        header = read_header(moda)
        self.encoder = load_encoder(header.encoder, device=torch.device("cpu"))
        self._moda = Moda(read_sizes(moda, ModaConfig)).eval()
        load_weights(moda, self._moda, expected={"architecture": "moda", "encoder": self.encoder.name})
        self._faco = FaceComposer(read_sizes(faco, FacoConfig)).eval()
        load_weights(faco, self._faco, expected={"architecture": "faco"})

    def __call__(self, clip: MotionClip, features_TD: Floats, *, seed: int = 0) -> Floats:
        """(T, 478, 3) mesh displacements for one window of a clip."""
        frames = min(WINDOW_FRAMES, clip.frame_count, len(features_TD))
        margin = self._moda.noise_margin
        noise_TZ = frame_noise(
            seed=seed,
            take=1,
            first_frame=-margin,
            frame_count=frames + 2 * margin,
            width=self._moda.config.latent,
        )
        template_BM = torch.from_numpy(clip.template.network_mesh_M)[None]
        with torch.inference_mode():
            prediction = self._moda(
                torch.from_numpy(features_TD[:frames])[None], template_BM, torch.from_numpy(noise_TZ)[None]
            )
            motion = smooth_motion(Motion.from_rows((prediction.rows_BTC[0] * self._moda.scale_C).numpy()))
            mouth_BC, eyes_BC = (
                torch.from_numpy(part.reshape(frames, -1)) for part in (motion.mouth_TN3, motion.eyes_TN3)
            )
            mesh_BM = self._faco(mouth_BC, eyes_BC, template_BM.expand(frames, -1))
        mesh_TN3: Floats = mesh_BM.numpy().reshape(frames, -1, 3)
        mesh_TN3[:, LIPS] = motion.mouth_TN3
        return mesh_TN3


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder with prepared tracks and trained weights"
    )
    options = parser.parse_args()
    predict = MotionPredictor(
        moda=options.work / "moda" / "moda.safetensors", faco=options.work / "faco" / "faco.safetensors"
    )
    clips = load_motion_clips(options.work, predict.encoder, held_out=True)
    others = clips[1:] + clips[:1]
    rows: dict[str, Callable[[MotionClip, MotionClip], Floats]] = {
        "MODA + FaCo-Net": lambda clip, _: predict(clip, clip.features_TD),
        "shuffled speech": lambda clip, other: predict(
            clip, np.resize(other.features_TD, clip.features_TD.shape)
        ),
        "mean face": lambda clip, _: np.zeros_like(clip.mesh_TN3[:WINDOW_FRAMES]),
    }
    table = []
    for name, make in rows.items():
        scores = [score(clip, make(clip, other)) for clip, other in zip(clips, others, strict=True)]
        figures = (
            np.mean([s.lmd for s in scores]),
            np.mean([s.lmd_v for s in scores]),
            np.mean([s.opening for s in scores]),
        )
        table.append([name, *(f"{figure:.3f}" for figure in figures)])
    sys.stdout.write(f"Held-out speakers: {', '.join(clip.speaker for clip in clips)}\n\n")
    sys.stdout.write(markdown_table(["motion", "LMD px", "LMD-v px", "opening correlation"], table) + "\n")


if __name__ == "__main__":
    main()
