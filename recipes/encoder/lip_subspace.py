"""What of Whisper's rows tells lips: the few directions that predict them, fitted by reduced-rank regression.

    python -m recipes.encoder.lip_subspace --work WORK --out FILE

Layers 2 and 4 of Whisper-base tell more of the lips than either alone, but most of their 1024 numbers tell nothing of
them. Ridge regression from a row to the lips of the frames around it, of the clips that train, finds the directions
that do; their order is that of the lips they explain, and their unit the px.

Legend: B batch, F mel bands, K spectral frames, T frames, D Whisper's width (1024), P directions, L lip coordinates.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.corpus import load_motion_clips
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.log_mel import log_mel
from stages.speech.whisper import WIDTH, WhisperEncoder
from stages.threads import use_one_thread
from stages.training.checkpoint import checkpoint_bytes, checkpoint_state
from stages.training.motion_data import MotionClip
from stages.training.motion_losses import MOUTH
from stages.whole_files import written_whole

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LAYERS: Final = (2, 4)
DIRECTIONS: Final = 64
_RIDGE: Final = 0.1
_AROUND: Final = range(-6, 7)
"""Frames of lips that a row is asked for: sounds are prepared by the lips, and linger on them."""


class LayeredWhisper:
    """`SpeechEncoder` on the rows after several layers of Whisper-base, side by side: too wide to ship."""

    def __init__(self) -> None:
        """Raises WeightsError when the weights are not installed or were altered."""
        self.whisper = WhisperEncoder(layers=max(LAYERS))

    @property
    def name(self) -> str:
        """Identity: model and layers."""
        return f"whisper-base-layers-{'-'.join(map(str, LAYERS))}"

    @property
    def width(self) -> int:
        """D."""
        return WIDTH * len(LAYERS)

    def encode(self, samples_S: Floats) -> Floats:
        """(640 T,) samples of up to 30 s to (T, D) rows."""
        mel_FK = log_mel(torch.from_numpy(np.ascontiguousarray(samples_S)))
        with torch.inference_mode():
            rows_KD = self.hidden(mel_FK[None])[0]
        rows: Floats = rows_KD.reshape(len(samples_S) // SAMPLES_PER_FRAME, -1, self.width).mean(1).numpy()
        return rows

    def hidden(self, mel_BFK: Tensor) -> Tensor:
        """(B, 80, 4 T) log-mel to (B, 2 T, D) rows."""
        return self.whisper.hidden_after(mel_BFK, LAYERS)


class LipTeacher:
    """What the compact encoder is taught: Whisper's rows in the directions that tell lips, then its second layer.

    The second layer is what the encoder's front is held to, which begins as that of Whisper.
    """

    def __init__(self, directions_DP: Tensor) -> None:
        """Raises WeightsError when Whisper's weights are not installed or were altered."""
        self._whisper, self._directions_DP = LayeredWhisper(), directions_DP

    @classmethod
    def load(cls, path: Path) -> Self:
        """From what `main` wrote."""
        state: dict[str, Any] = checkpoint_state(path.read_bytes(), where=str(path))
        return cls(state["directions_DP"])

    def hidden(self, mel_BFK: Tensor) -> Tensor:
        """(B, 80, 4 T) log-mel to (B, 2 T, P + 512) rows."""
        rows_BKD = self._whisper.hidden(mel_BFK)
        return torch.cat([rows_BKD @ self._directions_DP, rows_BKD[..., :WIDTH]], dim=-1)

    @property
    def whisper(self) -> WhisperEncoder:
        """With the layers that it is taught from."""
        return self._whisper.whisper


def lip_directions(clips: Iterable[MotionClip], *, count: int = DIRECTIONS) -> Doubles:
    """(D, P) directions of the clips' features that predict lips in the picture's plane, the most telling first."""
    pairs = [(clip.features_TD.astype(np.float64), _lips_around(clip)) for clip in clips]
    features_TD = np.concatenate([rows_TD for rows_TD, _ in pairs])
    lips_TL = np.concatenate([lips for _, lips in pairs])
    mean_D, spread_D = features_TD.mean(0), features_TD.std(0) + 1e-6
    rows_TD = (features_TD - mean_D) / spread_D
    gram_DD = rows_TD.T @ rows_TD + _RIDGE * len(rows_TD) * np.eye(rows_TD.shape[1])
    weights_DL = np.linalg.solve(gram_DD, rows_TD.T @ lips_TL)
    predicted_TL = rows_TD @ weights_DL
    _, ways_LL = np.linalg.eigh(predicted_TL.T @ predicted_TL)
    # eigh has the largest last.
    directions_DP: Doubles = (weights_DL @ ways_LL[:, ::-1][:, :count]) / spread_D[:, None]
    return directions_DP


def _lips_around(clip: MotionClip) -> Doubles:
    """(T, L) lips of the frames around each frame, less the clip's own mean."""
    lips_TK = clip.rows_TC[:, MOUTH].reshape(clip.frame_count, -1, 3)[..., :2].reshape(clip.frame_count, -1)
    lips_TK = lips_TK.astype(np.float64) - lips_TK.mean(0)
    frames_T = np.arange(clip.frame_count)
    return np.concatenate([lips_TK[np.clip(frames_T + off, 0, len(lips_TK) - 1)] for off in _AROUND], axis=1)


def main() -> None:
    """Command line of the module."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder with prepared tracks")
    parser.add_argument("--out", type=Path, required=True, help="where the directions go")
    options = parser.parse_args()
    use_one_thread()
    clips = load_motion_clips(options.work, LayeredWhisper(), held_out=False)
    directions_DP = torch.from_numpy(lip_directions(clips).astype(np.float32))
    logger.info("%d directions from %d clips", directions_DP.shape[1], len(clips))
    with written_whole(options.out) as partial:
        partial.write_bytes(checkpoint_bytes({"directions_DP": directions_DP}))


if __name__ == "__main__":
    main()
