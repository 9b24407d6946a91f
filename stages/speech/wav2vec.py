"""wav2vec 2.0 as the paper uses it, from any local folder or hub name (MODA section 2).

Legend: S samples, T frames, K rows at 50 Hz, D width.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Model

from stages.errors import WeightsError
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.encoder import resample_rows

Floats = NDArray[np.float32]


class Wav2VecEncoder(nn.Module):
    """`SpeechEncoder`: convolution features resampled to the video rate before the transformer.

    The pretrained weights are kept as they are (the released code re-initialises them, MODA section 14, D1);
    the convolutions are frozen.
    """

    def __init__(self, model: str, *, local_files_only: bool = False) -> None:
        """Load `model`, a folder or hub name. Raises WeightsError when it cannot be loaded."""
        super().__init__()
        try:
            self.model = Wav2Vec2Model.from_pretrained(model, local_files_only=local_files_only)
        except OSError as error:
            raise WeightsError(
                code="weights_encoder_missing",
                where=model,
                what="no wav2vec 2.0 model can be loaded from here",
                hint="give a folder that holds one, or a hub name on a machine that reaches the hub",
            ) from error
        self._source = model
        self.model.freeze_feature_encoder()
        self.eval()

    @property
    def name(self) -> str:
        """Identity: where the model came from."""
        return f"wav2vec2:{self._source}"

    @property
    def width(self) -> int:
        """Hidden size, 768 for the base model."""
        return int(self.model.config.hidden_size)

    def forward(self, samples_S: Tensor, *, frame_count: int) -> Tensor:
        """(T, D) rows from 16 kHz samples, differentiable in the transformer."""
        calm_S = (samples_S - samples_S.mean()) / torch.sqrt(samples_S.var(correction=0) + 1e-7)
        features_KC = self.model.feature_extractor(calm_S[None])[0].T
        features_TC = resample_rows(features_KC, frame_count)
        hidden_1TD, _ = self.model.feature_projection(features_TC[None])
        rows_TD: Tensor = self.model.encoder(hidden_1TD).last_hidden_state[0]
        return rows_TD

    def encode(self, samples_S: Floats) -> Floats:
        """(640 T,) samples to (T, D) rows."""
        device = next(self.parameters()).device
        with torch.inference_mode():
            rows_TD = self(
                torch.from_numpy(samples_S).to(device), frame_count=len(samples_S) // SAMPLES_PER_FRAME
            )
        rows: Floats = rows_TD.cpu().numpy()
        return rows
