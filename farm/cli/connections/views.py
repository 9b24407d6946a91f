"""What a command shows of a shared farm, whichever way it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from jobs.errors import Cancelled, FarmError, RenderError
from jobs.journal_events import TakesSketched
from jobs.kinds import RENDER_JOB
from jobs.lifecycle import JobState

WAITS_FOR_FARM: Final = "waits for a farm"
"""State of a job that no farm has taken in yet; the others are `jobs.lifecycle.JobState`."""

_ENDED: Final = frozenset(state.value for state in JobState if state.is_terminal)


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterView:
    """A master that is delivered.

    Attributes:
        location: Path, ``s3://`` URI or address of the server.
        manifest, captions: The same of its manifest, and of its captions where it has any.
    """

    take: int
    location: str
    manifest: str
    sha256: str
    size_bytes: int
    captions: str | None = None

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "take": self.take,
            "master": self.location,
            "manifest": self.manifest,
            "sha256": self.sha256,
            **({} if self.captions is None else {"captions": self.captions}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchView:
    """A take that can be chosen.

    Attributes:
        sheet, playback: Path, ``s3://`` URI or address of the server.
        segments: Segments that would be rendered.
        price_seconds: Seconds of replicas that these are expected to take.
        wait_seconds: How long that is expected to take.
    """

    take: int
    sheet: str
    playback: str
    segments: int
    price_seconds: float
    wait_seconds: float

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "take": self.take,
            "sheet": self.sheet,
            "playback": self.playback,
            "segments": self.segments,
            "price_seconds": self.price_seconds,
            "wait_seconds": self.wait_seconds,
        }

    def line(self, *, is_measured: bool) -> str:
        """What its pixels would cost, for a person."""
        assumed = "" if is_measured else ", assumed: none was measured yet"
        return (
            f"{self.segments} segments, {self.price_seconds:.0f} replica seconds,"
            f" done in about {self.wait_seconds:.0f} s{assumed}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceView:
    """One of several takes is rendered.

    Attributes:
        chosen: Which, once that is known.
        takes: Those that can be chosen, once they can be looked at.
        expires_at: When the job ends, if nobody has chosen one by then.
        is_measured: The prices are made of segments that were rendered.
    """

    offered: int
    chosen: int | None = None
    takes: Sequence[SketchView] = ()
    expires_at: datetime | None = None
    is_measured: bool = False

    @classmethod
    def of(cls, sketched: TakesSketched, *, store: str, expires_at: datetime | None = None) -> Self:
        """The choice that is open, from a store's address."""
        return cls(
            offered=len(sketched.takes),
            expires_at=expires_at,
            is_measured=sketched.is_measured,
            takes=[
                SketchView(
                    take=each.take,
                    sheet=f"{store}/{each.sheet}",
                    playback=f"{store}/{each.playback}",
                    segments=each.segments,
                    price_seconds=each.price_seconds,
                    wait_seconds=each.wait_seconds,
                )
                for each in sketched.takes
            ],
        )

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "offered": self.offered,
            "chosen": self.chosen,
            "takes": [each.as_record() for each in self.takes],
            "expires_at": self.expires_at and self.expires_at.isoformat(),
            "is_measured": self.is_measured,
        }

    def rows(self) -> list[tuple[str, str]]:
        """For a person: a line for each thing that there is to say."""
        if not self.takes:
            chosen = "not chosen yet" if self.chosen is None else f"take {self.chosen} is chosen"
            return [("choice", f"{chosen}, of {self.offered}")]
        found = []
        for each in self.takes:
            found += [
                (f"take {each.take}", each.line(is_measured=self.is_measured)),
                ("  sheet", each.sheet),
                ("  playback", each.playback),
            ]
        until = f"{self.expires_at:%Y-%m-%d %H:%M} UTC" if self.expires_at else ""
        return [*found, ("choose until", until)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What a job waits for and tries again by itself.

    Attributes:
        doing: What it was about to do; empty where that is not told.
    """

    doing: str
    error: FarmError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkView:
    """How far a job in one piece is: so many units of a step; a total of 0 is not known."""

    step: str
    done: int
    total: int

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        return {"step": self.step, "done": self.done, "total": self.total}

    def __str__(self) -> str:
        return f"{self.step} {self.done}/{self.total}" if self.total else self.step


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsOfMachine:
    """What concerns the machines of a farm, and is told to whoever has its journal.

    Attributes:
        rendered_takes: Their numbers.
        quarantined, waived: Segments, counted on through all takes that are rendered.
        bundles: Folders of replay bundles, by segment.
    """

    folder: str
    plan_hash: str
    segments_per_take: int
    rendered_takes: Sequence[int]
    tries: int
    quarantined: Sequence[int]
    waived: Sequence[int]
    bundles: Mapping[int, str]

    def as_record(self) -> dict[str, Any]:
        """As plain data; segments as people count them."""
        return {
            "folder": self.folder,
            "plan_hash": self.plan_hash,
            "segments_per_take": self.segments_per_take,
            "tries": self.tries,
            "quarantined": [self._place(segment) for segment in self.quarantined],
            "waived": [self._place(segment) for segment in self.waived],
            "bundles": {str(segment): place for segment, place in sorted(self.bundles.items())},
        }

    def _place(self, segment: int) -> dict[str, int]:
        """Take from 1, place in the take from 0."""
        take, index = divmod(segment, self.segments_per_take)
        # Of a take that is not chosen yet nothing but its place is known.
        return {"take": self.rendered_takes[take] if self.rendered_takes else take + 1, "segment": index}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job.

    Attributes:
        kind: What its file says that it is.
        state: `WAITS_FOR_FARM`, or the value of a `JobState`.
        reason: Why it is in that state, in words; may be empty.
        code: The same for scripts; may be empty.
        segments, settled: Of all takes, and those of them that are committed or waived; 0 until it is planned.
        work: How far it is, where it is done in one piece and has begun.
        made: What it made then.
        told: What there is to know of the speech's file, or of what was made.
        error: What ended it.
        obstacle: What it waits for.
        choice: Where one of several takes is rendered.
        draft: Its pictures carry the word DRAFT.
        facts: Where the farm's journal is at hand.
    """

    job: str
    studio: str
    kind: str = RENDER_JOB.name
    state: str
    reason: str
    code: str
    segments: int = 0
    settled: int = 0
    takes: int = 0
    segment_states: Mapping[str, int]
    seconds: float = 0.0
    work: WorkView | None = None
    made: Sequence[str] = ()
    told: Sequence[str] = ()
    masters: Sequence[MasterView] = ()
    error: FarmError | None = None
    obstacle: Obstacle | None = None
    choice: ChoiceView | None = None
    draft: bool = False
    facts: FactsOfMachine | None = None

    @property
    def is_over(self) -> bool:
        """Nothing of it runs any more; a failed one may still be retried."""
        return self.state in _ENDED

    @property
    def is_over_for_good(self) -> bool:
        """Nothing moves it any more."""
        return self.is_over and self.state != JobState.FAILED.value

    @property
    def needs_a_person(self) -> bool:
        """It goes on once somebody says so."""
        return self.state in (JobState.HELD.value, JobState.PAUSED.value)

    @property
    def ending(self) -> FarmError | None:
        """The error of a job that has ended; None where it succeeded."""
        if self.state == JobState.SUCCEEDED.value:
            return None
        if self.error is not None:
            return self.error
        if self.state == JobState.CANCELLED.value:
            hint = "submit it again: what it had done is not done again"
            return Cancelled("it was cancelled", where=self.job, hint=hint)
        return RenderError(self.reason or f"it is {self.state}", where=self.job, code=self.state)

    def as_line(self) -> dict[str, Any]:
        """What a list shows, as plain data."""
        return {
            "job": self.job,
            "studio": self.studio,
            "kind": self.kind,
            "state": self.state,
            "reason": self.reason,
            "code": self.code,
            "segments": self.segments,
            "settled": self.settled,
            "work": self.work and self.work.as_record(),
        }

    def as_record(self) -> dict[str, Any]:
        """Everything, as plain data."""
        obstacle = self.obstacle and {"doing": self.obstacle.doing, "error": self.obstacle.error.as_record()}
        return (
            self.as_line()
            | {
                "told": list(self.told),
                "made": list(self.made),
                "takes": self.takes,
                "segment_states": dict(self.segment_states),
                "seconds": self.seconds,
                "delivered": [master.as_record() for master in self.masters],
                "waits": obstacle,
                "choice": self.choice and self.choice.as_record(),
                "error": self.error and self.error.as_record(),
            }
            | (self.facts.as_record() if self.facts else {})
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedView:
    """What came of a request.

    Attributes:
        request: Its number; None where the answer needed none.
        answered: False where no farm answered in time: it is kept, and carried out later.
    """

    job: str
    request: int | None
    answered: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedView:
    """One job that was handed in.

    Attributes:
        request: Its number; None where a server does not tell it.
        answered: False where no farm has seen it yet.
        refusal: Why the farm does not take it.
    """

    spec: Path
    request: int | None
    job: str
    answered: bool
    refusal: FarmError | None = None

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "spec": str(self.spec),
            "request": self.request,
            "job": self.job,
            "answered": self.answered,
            "error": self.refusal and self.refusal.as_record(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to a job.

    Attributes:
        sequence: Its number in the farm's journal.
        at: Seconds since 1970.
    """

    sequence: int
    at: float
    kind: str
    sentence: str

    @property
    def moment(self) -> datetime:
        """When it happened, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    def as_record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "sequence": self.sequence,
            "at": self.moment.isoformat(),
            "kind": self.kind,
            "sentence": self.sentence,
        }
