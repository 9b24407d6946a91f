"""What the journal of a shared farm holds: everything that happened to its jobs, in the order in which it did.

The state of the farm is the fold of these events (`farm.ledger`). Segments that are committed lie in the store, which
is the truth about them; what the journal says of them is what was known when it was written.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from jobs.farm_error import Retry
from jobs.manifest import SegmentRecord
from jobs.reasons import ReasonKind

# JSON holds no other number, and writes null for them: no budget would be no limit.
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class JournalEvent(BaseModel):
    """How every event behaves: strict, frozen, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class JobReceived(JournalEvent):
    """A job came in; it is RECEIVED from here on.

    Attributes:
        job: Its name in the farm, unique for ever.
        studio: Who pays.
        document: The job as plain data, every default filled in.
        folder: Where its relative paths start.
        on_hold: It waits for somebody to resume it.
        overwrite: Its masters may replace files that the farm did not write.
    """

    kind: Literal["job received"] = "job received"
    job: str
    studio: str
    document: dict[str, Any]
    folder: str
    on_hold: bool = False
    overwrite: bool = False


class JobPlanned(JournalEvent):
    """What the job comes to. A later run of the farm plans it again and must find the same.

    Attributes:
        takes: Those that are rendered; one where somebody chooses it.
        offered: Those that one was, or is, chosen from; 0 where all are rendered.
        chosen: The number of that one, where the job itself names it.
        told: What the user should know of the speech's file, in sentences.
    """

    kind: Literal["job planned"] = "job planned"
    job: str
    plan_hash: str
    takes: int
    segments_per_take: int
    offered: int = 0
    chosen: int | None = None
    told: tuple[str, ...] = ()


class StateMoved(JournalEvent):
    """One transition of the table in `jobs.states`.

    Attributes:
        subject: ``JOB``, ``JOB/SEGMENT`` or ``JOB/SEGMENT#TRY``; segments count from 0 through all takes.
        before, event, after: Values of the enums of `jobs.lifecycle`.
        reason_kind, reason: Why.
        code, retry: Of the error that was the cause, where one was.
    """

    kind: Literal["moved"] = "moved"
    subject: str
    before: str
    event: str
    after: str
    reason_kind: ReasonKind
    reason: str
    code: str = ""
    retry: Retry | None = None


class JobRestored(JournalEvent):
    """A new run of the farm took the job up again: where it stands from here on, whatever was said before.

    Attributes:
        state: ``queued``, ``held``, ``paused`` or ``cancel requested``.
        committed, quarantined, waived: Segments in these states; all others are ``blocked``.
        reason_kind, reason: Why it stands there.
    """

    kind: Literal["job restored"] = "job restored"
    job: str
    state: str
    committed: tuple[int, ...] = ()
    quarantined: tuple[int, ...] = ()
    waived: tuple[int, ...] = ()
    reason_kind: ReasonKind = ReasonKind.PLAN
    reason: str = "a new run of the farm took it up again"


class SegmentCommitted(JournalEvent):
    """The store holds the segment; `seconds` is what rendering it took, where this run of the farm did."""

    kind: Literal["segment committed"] = "segment committed"
    job: str
    segment: int
    record: SegmentRecord
    seconds: float = 0.0


class BundleWritten(JournalEvent):
    """A segment went to quarantine; all that is needed to render it again lies in a replay bundle."""

    kind: Literal["bundle written"] = "bundle written"
    job: str
    segment: int
    bundle: str


class AccountNoted(JournalEvent):
    """What the job has spent, failed tries included, and what it may spend since somebody raised it.

    Attributes:
        spent: Seconds of replicas, in all runs of the farm.
        max_gpu_seconds: The budget; none where there is no limit.
    """

    kind: Literal["account noted"] = "account noted"
    job: str
    spent: Seconds
    max_gpu_seconds: Seconds | None = None


class WholeAdvanced(JournalEvent):
    """A job in one piece got on: so many units of a step are done; a total of 0 is not known."""

    kind: Literal["work advanced"] = "work advanced"
    job: str
    step: str
    done: int
    total: int


class WholeFinished(JournalEvent):
    """A job in one piece is done, and what it makes lies where it wants it.

    Attributes:
        outputs: What it made, as paths or ``s3://`` URIs.
        told: What the user should know of it, in sentences.
        seconds: What the try that finished it took.
    """

    kind: Literal["work done"] = "work done"
    job: str
    outputs: tuple[str, ...]
    told: tuple[str, ...] = ()
    seconds: Seconds = 0.0


class TakeDelivered(JournalEvent):
    """A master lies where the job wants it; so do its captions, where it has any."""

    kind: Literal["take delivered"] = "take delivered"
    job: str
    take: int
    master: str
    manifest: str
    sha256: str
    size_bytes: int
    captions: str | None = None


class SketchedTake(BaseModel):
    """What shows a take before it is rendered, and what its pixels would cost.

    Attributes:
        take: Its number, from 1.
        sheet, playback: Keys in the store: a contact sheet (JPEG), and a light video with sound (MP4).
        sheet_sha256, playback_sha256: Hashes of their bytes.
        sketch_seconds: Seconds of replicas that its motion and its sketches took.
        segments: Segments that would have to be rendered; the store holds the others already.
        price_seconds: Seconds of replicas that these are expected to take.
        wait_seconds: How long that is expected to take, with all replicas that the job may have.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    take: int
    sheet: str
    sheet_sha256: str
    playback: str
    playback_sha256: str
    sketch_seconds: Seconds
    segments: int
    price_seconds: Seconds
    wait_seconds: Seconds


class TakesSketched(JournalEvent):
    """Every take of the job can be looked at: it waits for somebody to choose one.

    Attributes:
        is_measured: The price is made of segments that were rendered, and not of what the farm assumes of the first.
        expires_after: Seconds after which nobody waits any more.
    """

    kind: Literal["takes sketched"] = "takes sketched"
    job: str
    takes: tuple[SketchedTake, ...]
    is_measured: bool
    expires_after: Seconds


class TakeChosen(JournalEvent):
    """This take of the job is rendered, and no other."""

    kind: Literal["take chosen"] = "take chosen"
    job: str
    take: int


class JobWaits(JournalEvent):
    """Something that the job needs does not answer: it waits, and is tried again.

    Attributes:
        doing: What waits.
        error: The cause, as `FarmError.as_record` tells it.
    """

    kind: Literal["job waits"] = "job waits"
    job: str
    doing: str
    error: dict[str, Any]


class JobErred(JournalEvent):
    """The error that ended the job, as `FarmError.as_record` tells it."""

    kind: Literal["job erred"] = "job erred"
    job: str
    error: dict[str, Any]


AnyJournalEvent = Annotated[
    JobReceived
    | JobPlanned
    | StateMoved
    | JobRestored
    | SegmentCommitted
    | BundleWritten
    | AccountNoted
    | TakesSketched
    | TakeChosen
    | TakeDelivered
    | WholeAdvanced
    | WholeFinished
    | JobWaits
    | JobErred,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[AnyJournalEvent] = TypeAdapter(AnyJournalEvent)


def event_from_json(body: str) -> AnyJournalEvent:
    """The event that a journal entry holds.

    Raises:
        ValidationError: It is no event of this version.
    """
    return _ADAPTER.validate_json(body)
