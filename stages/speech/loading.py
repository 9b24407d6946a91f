"""Speech encoders by the name that weights carry in their header."""

from __future__ import annotations

from typing import Final, Literal

import torch

from stages.builtin import builtin_weights
from stages.errors import WeightsError
from stages.speech.encoder import SpeechEncoder

_WHISPER: Final = "whisper-base-layer-"
_WAV2VEC: Final = "wav2vec2:"
_COMPACT: Final[tuple[Literal["compact-1", "compact-3"], ...]] = ("compact-1", "compact-3")
"""The second is what MODA hears with; the first is the sync judge's, whose ears are not to be MODA's."""


def load_encoder(name: str, *, device: torch.device) -> SpeechEncoder:
    """`compact-1` or `compact-3`, `whisper-base-layer-N`, or `wav2vec2:` and a folder or hub name.

    Raises WeightsError for any other name, and when the weights are absent or another encoder's.
    """
    for compact in _COMPACT:
        if name == compact:
            from stages.speech.compact import CompactEncoder

            return CompactEncoder(builtin_weights(compact), name=name).to(device)
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
        hint=f"known are {', '.join(_COMPACT)}, {_WHISPER}2 and {_WAV2VEC}FOLDER",
    )
