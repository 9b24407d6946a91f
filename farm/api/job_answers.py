"""A job as its studio sees it: where it stands, why, how far it is, and nothing about the farm's machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel

from farm.api.studio_files import StudioFiles
from farm.ledger import LedgerJob
from jobs.errors import ExitCode, FarmError, Retry
from jobs.farm_requests import SubmitRequest
from jobs.kinds import RENDER_JOB
from jobs.lifecycle import JobState, SegmentState
from jobs.picture_extras import is_draft
from jobs.standings import Standing, Standings

WAITING: Final = "waiting"
"""Of a job that no farm has taken in yet; the others are `jobs.lifecycle.JobState`."""

STATES: Final = (WAITING, *(state.value for state in JobState))
_SETTLED: Final = (SegmentState.COMMITTED, SegmentState.WAIVED)
_IN_LINE: Final = frozenset({JobState.RECEIVED, JobState.VALIDATING, JobState.PLANNED, JobState.QUEUED})


class WhyAnswer(BaseModel):
    """Why nothing, or nothing more, of a job runs.

    Attributes:
        code: ``turn`` where it waits for its turn, ``running`` where it does not wait, ``no_farm`` where nobody serves.
        position: Jobs whose turn comes before this one's, where it waits for its turn.
    """

    code: str
    sentence: str
    position: int | None = None


class ProgressAnswer(BaseModel):
    """How far a planned job is; a segment is 50 frames of one take."""

    percent: float
    segments: int
    settled: int
    states: dict[str, int]


class WorkAnswer(BaseModel):
    """How far a job in one piece is: so many units of a step; a total of 0 is not known."""

    step: str
    done: int
    total: int


class MasterAnswer(BaseModel):
    """A master that is delivered, and where to fetch it; `captions_url` is missing where it has none."""

    take: int
    url: str
    manifest_url: str
    sha256: str
    size_bytes: int
    captions_url: str | None = None


class SketchAnswer(BaseModel):
    """A take that can be chosen: where it can be looked at, and what its pixels would cost.

    Attributes:
        segments: Segments that would be rendered; the others are there.
        price_seconds: Seconds of replicas that these are expected to take.
        wait_seconds: How long that is expected to take, with all replicas that the job may have.
        sketch_seconds: Seconds of replicas that its motion and its sketches took.
    """

    take: int
    sheet_url: str
    playback_url: str
    segments: int
    price_seconds: float
    wait_seconds: float
    sketch_seconds: float


class ChoiceAnswer(BaseModel):
    """One of several takes is rendered.

    Attributes:
        offered: The takes there are.
        chosen: The one that is rendered, once that is known.
        takes: Those that can be chosen, once they can be looked at.
        expires_at: When the job ends, if nobody has chosen one by then.
        is_measured: The prices are made of segments that were rendered, and not of what the farm assumes of the first.
    """

    offered: int
    chosen: int | None = None
    takes: list[SketchAnswer] = []
    expires_at: datetime | None = None
    is_measured: bool = False


class CauseAnswer(BaseModel):
    """The error that ended a job, or for which it waits; `exit_code` is that of a command that waited for the job."""

    code: str
    message: str
    where: str = ""
    hint: str = ""
    retry: Retry = Retry.NEVER
    exit_code: int = ExitCode.RENDER


class JobAnswer(BaseModel):
    """One job.

    Attributes:
        kind: ``RenderJob``, or one that is done in one piece: ``PrepareJob``, ``TrainJob``, ``EvaluateJob``.
        state: ``waiting`` until a farm takes it in, then as `docs/operating.md` has them.
        why: Missing once it is over.
        progress: Missing until it is planned.
        choice: Missing where every take is rendered.
        error: What ended it, or what it waits for.
        draft: Its pictures carry the word DRAFT.
        work: How far it is, where it is done in one piece and has begun.
        made: What it made then, by the last names of the paths.
        told: What there is to know of the speech's file, or of what was made.
        document: The job as it was handed in, every default filled in.
    """

    job: str
    name: str
    project: str
    studio: str
    kind: str = RENDER_JOB.name
    state: str
    created_at: datetime | None = None
    changed_at: datetime | None = None
    why: WhyAnswer | None = None
    progress: ProgressAnswer | None = None
    takes: int
    draft: bool = False
    work: WorkAnswer | None = None
    made: list[str] = []
    seconds: float = 0.0
    choice: ChoiceAnswer | None = None
    masters: list[MasterAnswer] = []
    error: CauseAnswer | None = None
    told: list[str] = []
    document: dict[str, Any] | None = None


class JobPage(BaseModel):
    """Some of the studio's jobs, in the order that was asked for; `next_cursor` asks for those after them."""

    jobs: list[JobAnswer]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Whether a farm serves the journal.

    Attributes:
        is_served: Something was heard of it lately.
        since: When it was heard of last; None for never.
        epoch: Its run, by its number in the journal; 0 where there was none.
    """

    is_served: bool
    since: datetime | None
    standings: Standings
    epoch: int = 0

    @property
    def sentence(self) -> str:
        """Where nobody serves."""
        last = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"No farm serves{last}; what is asked is kept, and jobs go on where they were."


@dataclass(frozen=True, slots=True, kw_only=True)
class JobShower:
    """Makes answers of jobs, as things stand."""

    presence: Presence
    files: StudioFiles

    def job(self, job: LedgerJob, *, with_document: bool) -> JobAnswer:
        """A job that a farm took in."""
        document = job.document
        return JobAnswer(
            job=job.name,
            name=document["metadata"]["name"],
            project=document["metadata"].get("project", "default"),
            studio=job.studio,
            kind=job.kind,
            state=job.state.value,
            created_at=_moment(job.received_at),
            changed_at=_moment(job.changed_at),
            why=self.why(job),
            progress=progress_of(job),
            draft=is_draft(document),
            takes=_takes(document),
            work=_work(job),
            made=[self.files.public_text(made, job.studio) for made in job.made],
            seconds=round(job.seconds, 3),
            choice=_choice(job),
            masters=[_master(job, take) for take in sorted(job.delivered)],
            error=self._cause(job),
            told=[self.files.public_text(sentence, job.studio) for sentence in job.told],
            document=self.files.public_document(document) if with_document else None,
        )

    def waiting(self, name: str, request: SubmitRequest) -> JobAnswer:
        """A job that no farm has taken in yet."""
        metadata = request.document["metadata"]
        return JobAnswer(
            job=name,
            name=metadata["name"],
            project=metadata.get("project", "default"),
            studio=request.studio,
            kind=request.document.get("kind", RENDER_JOB.name),
            state=WAITING,
            why=self._unseen(),
            draft=is_draft(request.document),
            takes=_takes(request.document),
            document=self.files.public_document(request.document),
        )

    def why(self, job: LedgerJob) -> WhyAnswer | None:
        """Why nothing, or nothing more, of it runs; None where it is over."""
        if job.state.is_terminal:
            return None
        reason = f": {job.reason}" if job.reason else ""
        state = f"It is {job.state.value}{reason}."
        if not self.presence.is_served:
            known = Standing(code="no_farm", sentence=f"{state} {self.presence.sentence}")
        else:
            known = self._told(job) or Standing(code=_code_of(job.state), sentence=state)
        return WhyAnswer(
            code=known.code,
            sentence=self.files.public_text(known.sentence, job.studio),
            position=known.position,
        )

    def _told(self, job: LedgerJob) -> Standing | None:
        """What the farm said of it since it came to its state."""
        since = self.presence.since
        if since is None or since.timestamp() < job.changed_at:
            return None
        return self.presence.standings.jobs.get(job.name)

    def _unseen(self) -> WhyAnswer:
        if self.presence.is_served:
            return WhyAnswer(code="no_farm", sentence="The farm has not taken it in yet.")
        return WhyAnswer(code="no_farm", sentence=self.presence.sentence)

    def _cause(self, job: LedgerJob) -> CauseAnswer | None:
        record = job.error or (job.waits.error if job.waits else None)
        return None if record is None else public_cause(record, studio=job.studio, files=self.files)


def public_cause(record: Mapping[str, Any], *, studio: str, files: StudioFiles) -> CauseAnswer:
    """An error that the journal tells, as a studio may see it."""
    texts = {
        field: files.public_text(str(record.get(field, "")), studio)
        for field in ("code", "message", "where", "hint")
    }
    told = FarmError.of_record(record)
    return CauseAnswer(**texts, retry=told.retry, exit_code=told.exit_code)


def _code_of(state: JobState) -> str:
    return "running" if state is JobState.RUNNING else "queued" if state in _IN_LINE else "resting"


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def progress_of(job: LedgerJob) -> ProgressAnswer | None:
    """How far it is; None until it is planned."""
    if not job.is_planned:
        return None
    counts = job.counts()
    settled = sum(counts.get(state, 0) for state in _SETTLED)
    return ProgressAnswer(
        # Down, so that 100 means all.
        percent=settled * 1000 // len(job.segments) / 10,
        segments=len(job.segments),
        settled=settled,
        states={state.value: count for state, count in counts.items()},
    )


def _takes(document: Mapping[str, Any]) -> int:
    is_render = document.get("kind", RENDER_JOB.name) == RENDER_JOB.name
    return int(document["spec"].get("takes", 1)) if is_render else 0


def _work(job: LedgerJob) -> WorkAnswer | None:
    at = job.advanced
    return None if at is None else WorkAnswer(step=at.step, done=at.done, total=at.total)


def _choice(job: LedgerJob) -> ChoiceAnswer | None:
    if not job.offered:
        return None
    if job.sketched is None:
        return ChoiceAnswer(offered=job.offered, chosen=job.chosen)
    url = f"/v1/jobs/{job.name}/takes"
    return ChoiceAnswer(
        offered=job.offered,
        expires_at=_moment(job.sketched_at + job.sketched.expires_after),
        is_measured=job.sketched.is_measured,
        takes=[
            SketchAnswer(
                take=each.take,
                sheet_url=f"{url}/{each.take}/sheet",
                playback_url=f"{url}/{each.take}/playback",
                segments=each.segments,
                price_seconds=each.price_seconds,
                wait_seconds=each.wait_seconds,
                sketch_seconds=each.sketch_seconds,
            )
            for each in job.sketched.takes
        ],
    )


def _master(job: LedgerJob, take: int) -> MasterAnswer:
    delivered, url = job.delivered[take], f"/v1/jobs/{job.name}/masters/{take}"
    return MasterAnswer(
        take=take,
        url=url,
        manifest_url=f"{url}/manifest",
        sha256=delivered.sha256,
        size_bytes=delivered.size_bytes,
        captions_url=None if delivered.captions is None else f"{url}/captions",
    )
