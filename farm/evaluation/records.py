"""What is kept of a judged pair: its figures, as they lie in the store and travel through Ray."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from jobs.identity import canonical_json
from stages.evaluation.figures import PairFigures, VideoFigures


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DiversityRecord(_Record):
    """How far takes of one speech are apart, px^2; see `stages.evaluation.take_diversity`."""

    face: float
    lips: float
    eyes: float
    head: float


class TakeRecord(_Record):
    """One video judged.

    Attributes:
        generated: The video alone.
        reference: The true one alone, over the same frames.
        pair: One against the other.
        notes: What a reader must know.
    """

    generated: VideoFigures
    reference: VideoFigures
    pair: PairFigures
    notes: tuple[str, ...]


class PairRecord(_Record):
    """The takes that a system made of one clip, judged; `diversity` is None for a single one."""

    takes: tuple[TakeRecord, ...]
    diversity: DiversityRecord | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """From what `stages.evaluation.report.takes_record` gives."""
        takes = [{name: take[name] for name in TakeRecord.model_fields} for take in record["takes"]]
        return cls.model_validate({"takes": takes, "diversity": record["diversity"]})

    def as_record(self) -> dict[str, Any]:
        """Plain data for JSON; the infinite PSNR of equal pictures is the text "inf"."""
        record: dict[str, Any] = _plain(self.model_dump(mode="json"))
        return record

    def as_bytes(self) -> bytes:
        """One spelling for equal figures; without file names, because a key knows contents alone."""
        record = self.as_record()
        for take in record["takes"]:
            take["generated"]["file"] = take["reference"]["file"] = ""
        return canonical_json(record)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
