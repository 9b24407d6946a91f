"""What a farm tells, as data. Fields that a later farm adds are left out, so that a client outlives its farm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self, TypeVar

_ENDED = frozenset({"succeeded", "failed", "rejected", "cancelled", "expired"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What a key is and opens; `scopes` holds ``read``, ``write``, ``admin``."""

    key_id: str
    studio: str
    label: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A recording at the farm; `uri` is what a job calls it."""

    upload: str
    uri: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why nothing, or nothing more, of a job runs; `position` counts the jobs that come first."""

    code: str
    sentence: str
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a planned job is."""

    percent: float
    segments: int
    settled: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How far a job in one piece is: so many units of a step; a total of 0 is not known."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """A master that is delivered; `captions_url` is None where it has none."""

    take: int
    url: str
    manifest_url: str
    sha256: str
    size_bytes: int
    captions_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A take that can be chosen: where it can be looked at, and what its pixels would cost, in seconds of replicas."""

    take: int
    sheet_url: str
    playback_url: str
    segments: int
    price_seconds: float
    wait_seconds: float
    sketch_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several takes is rendered.

    Attributes:
        offered: The takes there are.
        chosen: The one that is rendered, once that is known.
        takes: Those that can be chosen, once they can be looked at.
        expires_at: When the job ends, if nobody has chosen one by then.
        is_measured: The prices are made of segments that were rendered.
    """

    offered: int
    chosen: int | None
    takes: tuple[Sketch, ...]
    expires_at: datetime | None
    is_measured: bool

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """The choice that an answer tells."""
        return cls(
            offered=told["offered"],
            chosen=told.get("chosen"),
            takes=tuple(known(Sketch, take) for take in told.get("takes", ())),
            expires_at=_moment(told.get("expires_at")),
            is_measured=told.get("is_measured", False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        name: Its name in the farm, as in ``hello-7``.
        kind: ``RenderJob``, ``PrepareJob``, ``TrainJob`` or ``EvaluateJob``.
        state: ``waiting`` until a farm takes it in, ``succeeded`` at the end of a good one.
        why: None once it is over.
        progress: None until it is planned.
        choice: None where every take is rendered.
        draft: Its pictures carry the word DRAFT.
        error: What ended it, or what it waits for: ``code``, ``message``, ``where``, ``hint``, ``retry``.
        document: As it was handed in; None in lists.
        work: How far it is, where it is done in one piece; None for a render.
        made: What it made then.
    """

    name: str
    project: str
    studio: str
    state: str
    created_at: datetime | None
    changed_at: datetime | None
    why: Why | None
    progress: Progress | None
    takes: int
    seconds: float
    masters: tuple[Master, ...]
    error: Mapping[str, str] | None
    told: tuple[str, ...]
    document: Mapping[str, Any] | None
    choice: Choice | None = None
    draft: bool = False
    kind: str = "RenderJob"
    work: Work | None = None
    made: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Nothing of it runs any more; a failed one may still be retried."""
        return self.state in _ENDED

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """The job that an answer tells."""
        return cls(
            name=told["job"],
            project=told["project"],
            studio=told["studio"],
            state=told["state"],
            created_at=_moment(told.get("created_at")),
            changed_at=_moment(told.get("changed_at")),
            why=known(Why, told["why"]) if told.get("why") else None,
            progress=known(Progress, told["progress"]) if told.get("progress") else None,
            takes=told["takes"],
            seconds=told["seconds"],
            masters=tuple(known(Master, master) for master in told["masters"]),
            error=told.get("error"),
            told=tuple(told["told"]),
            document=told.get("document"),
            choice=Choice.of(told["choice"]) if told.get("choice") else None,
            kind=told.get("kind", "RenderJob"),
            work=known(Work, told["work"]) if told.get("work") else None,
            made=tuple(told.get("made", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Some jobs, the newest first; `next_cursor` asks for those after them."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of a change; where no farm answered in time it is kept, and carried out later."""

    job: str
    answered: bool
    text: str
    request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job; `id` grows, and no two have the same."""

    id: int
    kind: str
    job: str
    data: Mapping[str, Any]

    @property
    def ends_job(self) -> bool:
        """With it the job is over."""
        return self.kind == "moved" and self.data.get("segment") is None and self.data.get("after") in _ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """A row's job; `state` as of any job, or ``refused``, with the code of why."""

    row: int
    job: str
    state: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs that were handed in together; in lists without the jobs.

    Attributes:
        percent: How much of all its jobs is done; an ended job is, whatever its end.
        states: How many jobs are in each state.
    """

    batch: str
    name: str
    created_at: datetime
    percent: float = 0.0
    ended: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    jobs: tuple[BatchJob, ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """The batch that an answer tells."""
        jobs = tuple(known(BatchJob, each) for each in told.get("jobs", ()))
        return known(cls, {**told, "jobs": jobs, "created_at": datetime.fromisoformat(told["created_at"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A receiver of messages; `types` is empty where it is told of everything.

    Attributes:
        after: Id of the last event that it is not told of.
        ended_why: Why it is told nothing any more; empty while it is.
    """

    webhook_id: str
    studio: str
    url: str
    label: str
    types: tuple[str, ...]
    after: int
    created_at: datetime
    ended_at: datetime | None
    ended_why: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """The receiver that an answer tells."""
        moments = {
            "created_at": datetime.fromisoformat(told["created_at"]),
            "ended_at": _moment(told.get("ended_at")),
        }
        return known(cls, {**told, **moments, "types": tuple(told["types"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to a receiver, and what became of it.

    Attributes:
        sequence: Id of the event that it tells.
        state: ``pending``, ``delivered`` or ``given up``.
        next_at: When it is sent next; None where it is not, or waits for an earlier one of its job.
    """

    number: int
    job: str
    sequence: int
    type: str
    state: str
    tries: int
    next_at: datetime | None
    status: int | None
    note: str
    changed_at: datetime

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """The message that an answer tells."""
        moments = {
            "next_at": _moment(told.get("next_at")),
            "changed_at": datetime.fromisoformat(told["changed_at"]),
        }
        return known(cls, {**told, **moments})


def known(kind: type[T], told: Mapping[str, Any]) -> T:
    """The part of an answer that this client knows of."""
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: told[name] for name in names if name in told})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
