"""Speech encoders by the name that weights carry in their header."""

from __future__ import annotations

from typing import Final

import torch

from stages.builtin import builtin_weights
from stages.errors import WeightsError
from stages.speech.encoder import SpeechEncoder

_WHISPER: Final = "whisper-base-layer-"
_WAV2VEC: Final = "wav2vec2:"
_COMPACT: Final = "compact-"


def load_encoder(name: str, *, device: torch.device) -> SpeechEncoder:
    """`compact-N`, `whisper-base-layer-N`, or `wav2vec2:` and a folder or hub name.

    Raises WeightsError for any other name, and when the weights are absent or another encoder's.
    """
    if name.startswith(_COMPACT):
        from stages.speech.compact import CompactEncoder

        return CompactEncoder(builtin_weights("encoder"), name=name).to(device)
    if name.startswith(_WHISPER) and name.removeprefix(_WHISPER).isdigit():
        from stages.speech.whisper import WhisperEncoder

        return WhisperEncoder(layers=int(name.removeprefix(_WHISPER))).to(device)
    if name.startswith(_WAV2VEC):
        from stages.speech.wav2vec import Wav2VecEncoder

        return Wav2VecEncoder(name.removeprefix(_WAV2VEC)).to(device)
    raise WeightsError(
        code="weights_encoder_unknown",
        where=name,
        what="no speech encoder of this name",
        hint=f"known are {_COMPACT}1, {_WHISPER}2 and {_WAV2VEC}FOLDER",
    )
