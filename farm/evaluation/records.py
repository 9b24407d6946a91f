"""What an evaluate job came to: the figures of each pair, as they travel and lie in the store, and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from jobs.errors import FarmError
from jobs.evaluation_pairs import EvaluationPair
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
        truth: The true one alone, over the same frames.
        pair: One against the other.
        notes: What a reader must know.
    """

    generated: VideoFigures
    truth: VideoFigures
    pair: PairFigures
    notes: tuple[str, ...]


class PairRecord(_Record):
    """The takes that a system made of one clip, judged; `diversity` is None for a single one."""

    takes: tuple[TakeRecord, ...]
    diversity: DiversityRecord | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """From what `stages.evaluation.written_report.takes_record` gives."""
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
            take["generated"]["file"] = take["truth"]["file"] = ""
        return canonical_json(record)


Result = PairRecord | FarmError
"""A pair's figures, or why it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One pair.

    Attributes:
        pair: The videos.
        result: Its figures, or why it has none.
        plots: Folder of its plots, or their prefix in the store; None where none were drawn.
        is_new: Whether it was measured now, and not found in the store.
    """

    pair: EvaluationPair
    result: Result
    plots: str | None
    is_new: bool

    def as_record(self) -> dict[str, Any]:
        """The row as plain data."""
        record: dict[str, Any] = {
            "system": self.pair.system,
            "clip": self.pair.clip,
            "generated": list(self.pair.generated),
            "truth": self.pair.truth,
            "speech": self.pair.speech,
        }
        if isinstance(self.result, FarmError):
            return record | {"error": self.result.as_record()}
        figures = self.result.as_record()
        for take, path in zip(figures["takes"], self.pair.generated, strict=True):
            take["generated"]["file"], take["truth"]["file"] = path, self.pair.truth
        return record | figures | {"plots": self.plots}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """The whole job.

    Attributes:
        name: Of the job.
        engine: What measured.
        rows: Every pair, in the order of the job.
        output: Folder or ``s3://`` URI of the report.
        seconds: Wall clock.
    """

    name: str
    engine: str
    rows: tuple[PairRow, ...]
    output: str
    seconds: float

    @property
    def failures(self) -> tuple[PairRow, ...]:
        """Rows without figures."""
        return tuple(row for row in self.rows if isinstance(row.result, FarmError))

    def as_record(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "ok": not self.failures,
            "name": self.name,
            "engine": self.engine,
            "output": self.output,
            "pairs": len(self.rows),
            "judged_now": sum(row.is_new for row in self.rows),
            "failed": len(self.failures),
            "seconds": round(self.seconds, 3),
            "rows": [row.as_record() for row in self.rows],
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
