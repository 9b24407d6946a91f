"""The validations of a training run, a line of JSON each: what curves are drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.whole_files import written_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One validation.

    Attributes:
        step: optimiser steps taken.
        seconds: spent in training steps so far, validations left out.
        losses: name and value of each measure.
    """

    step: int
    seconds: float
    losses: dict[str, float]


def append_history(path: Path, *, step: int, seconds: float, losses: Mapping[str, float]) -> None:
    """Add a validation; those of later steps, which a run that was set back left behind, are dropped."""
    kept = [entry for entry in read_history(path) if entry.step < step]
    kept.append(HistoryEntry(step=step, seconds=seconds, losses=dict(losses)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        partial.write_text("".join(json.dumps(asdict(entry)) + "\n" for entry in kept))


def read_history(path: Path) -> list[HistoryEntry]:
    """All validations in order of step; none where there is no file."""
    if not path.is_file():
        return []
    return [HistoryEntry(**json.loads(line)) for line in path.read_text().splitlines()]
