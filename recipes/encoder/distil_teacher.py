"""What the compact encoder is to hear: Whisper's second layer without its place in the window.

Whisper adds positions to what it hears, and after two layers they still are about a quarter of a row's variance. Over
many windows the mean row of a place is what the place adds: taking it away leaves what was said, four times closer
between two windows that hold the same sound at different places.

Legend: B batch, S samples, F mel bands, K spectral frames at 100 Hz, T frames, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.speech.log_mel import log_mel

Floats = NDArray[np.float32]


class Hidden(Protocol):
    """What is asked of Whisper: two hidden rows a frame."""

    def hidden(self, mel_1FK: Tensor) -> Tensor:
        """(B, 80, 4 T) log-mel to (B, 2 T, D) rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherFacts:
    """Measured once, before the first step.

    Attributes:
        place_TD: what the place in a window adds to a row, zero in the mean.
        mean_D, spread_D: mean and standard deviation of the rows without it.
    """

    place_TD: Tensor
    mean_D: Tensor
    spread_D: Tensor

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"place_TD": self.place_TD, "mean_D": self.mean_D, "spread_D": self.spread_D}


class Teacher:
    """Whisper's rows without their place; windows as long as those the facts were measured on, or shorter."""

    def __init__(self, whisper: Hidden, facts: TeacherFacts) -> None:
        self._whisper, self.facts = whisper, facts

    def rows(self, mel_BFK: Tensor) -> Tensor:
        """(B, T, D) rows. Raises ValueError for windows longer than those measured."""
        rows_BTD = _raw_rows(self._whisper, mel_BFK)
        frames = rows_BTD.shape[1]
        if frames > len(self.facts.place_TD):
            raise ValueError(f"{frames} frames, but places are known for {len(self.facts.place_TD)}")
        return rows_BTD - self.facts.place_TD[:frames]


def mel_batch(windows: Sequence[Floats]) -> Tensor:
    """(B, 80, K) log-mel of windows of one length, each floored below its own peak as an encoder hears it."""
    return torch.stack([log_mel(torch.from_numpy(window_S)) for window_S in windows])


def measure_teacher(whisper: Hidden, windows: Sequence[Floats]) -> TeacherFacts:
    """The facts from windows of one length; some hundred make the place clear."""
    rows_BTD = torch.cat([_raw_rows(whisper, mel_batch([window_S])) for window_S in windows])
    place_TD = rows_BTD.mean(0)
    mean_D = place_TD.mean(0)
    place_TD = place_TD - mean_D
    spread_D = (rows_BTD - place_TD).flatten(0, 1).std(0)
    return TeacherFacts(place_TD=place_TD, mean_D=mean_D, spread_D=spread_D)


def _raw_rows(whisper: Hidden, mel_BFK: Tensor) -> Tensor:
    with torch.no_grad():
        hidden_BKD = whisper.hidden(mel_BFK)
    return hidden_BKD.unflatten(1, (-1, 2)).mean(2)
