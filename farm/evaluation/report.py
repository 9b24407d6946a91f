"""What an evaluate job came to, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from farm.evaluation.records import PairRecord
from jobs.errors import FarmError
from jobs.evaluation_pairs import EvaluationPair


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
    result: PairRecord | FarmError
    plots: str | None
    is_new: bool

    def as_record(self) -> dict[str, Any]:
        """The row as plain data."""
        record: dict[str, Any] = {
            "system": self.pair.system,
            "clip": self.pair.clip,
            "generated": list(self.pair.generated),
            "reference": self.pair.reference,
            "speech": self.pair.speech,
        }
        if isinstance(self.result, FarmError):
            return record | {"error": self.result.as_record()}
        figures = self.result.as_record()
        for take, path in zip(figures["takes"], self.pair.generated, strict=True):
            take["generated"]["file"], take["reference"]["file"] = path, self.pair.reference
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
