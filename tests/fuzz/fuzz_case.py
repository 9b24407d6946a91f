"""One case of the fuzz: what it damages, what it then asks of the farm, and how that is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Self

from watch import WriteWatch

from stages.builtin import builtin_weights
from stages.faco.composer_stage import ComposerStage


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a case may write, and what it may read.

    Attributes:
        folder: Of this case alone.
        recordings: Whole files, see `recordings.make_recordings`; not to be changed.
        outside: A file beyond `folder`, for links and paths that climb.
        bench: What is loaded once for all cases.
    """

    folder: Path
    recordings: Path
    outside: Path
    bench: Bench

    def some_recording(self, random: Random, *, kind: str) -> Path:
        """One of the whole files of `speech` or `clips`."""
        return random.choice(sorted((self.recordings / kind).iterdir()))


class Bench:
    """What is there once for all cases: a network that ships with the project, and the watch over writes."""

    def __init__(self) -> None:
        self.watch = WriteWatch()

    @cached_property
    def composer(self) -> ComposerStage:
        return ComposerStage.load(weights=builtin_weights("faco"), device="cpu")


Attempt = Callable[[], str]
"""Asks the farm for something: ``ok`` or the code of the error that a command showed; raises what the farm raised."""

Kind = Callable[[Random, Room], Attempt]
"""Makes the damaged files in the room, and says what to ask of the farm."""

Kinds = Mapping[str, Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzCase:
    """A case, named by three values from which it can be made again.

    Attributes:
        kind: See `all_kinds.KINDS`.
        number: Of the case within its kind.
        seed: Of the whole run.
    """

    kind: str
    number: int
    seed: int

    def random(self) -> Random:
        """All chance of the case."""
        return Random(f"{self.seed}/{self.kind}/{self.number}")

    @property
    def command(self) -> str:
        """What makes and runs the case again."""
        return f"python tests/fuzz/reproduce.py {self.kind!r} {self.number} --seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a case ended.

    Attributes:
        case: Which one.
        code: Code of the error, or ``ok``.
        problem: What is wrong with the farm; empty where all is well.
        seconds: Taken.
        megabytes: Memory it took besides what was loaded before.
    """

    case: FuzzCase
    code: str
    problem: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0

    def as_record(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict) -> Self:
        return cls(**{**record, "case": FuzzCase(**record["case"])})
