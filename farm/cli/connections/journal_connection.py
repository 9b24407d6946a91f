"""A shared farm by its journal: requests are put there, answers and states read there; no farm needs to run."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from farm import asking
from farm.cli.connections.batch_access import BatchAccess
from farm.cli.connections.connection import ChangeRequest, SubmitTerms
from farm.cli.connections.journal_batches import JournalBatches
from farm.cli.connections.views import (
    WAITS_FOR_FARM,
    AskedView,
    ChoiceView,
    EventView,
    FactsOfMachine,
    JobView,
    MasterView,
    Obstacle,
    SubmittedView,
    WorkView,
)
from farm.cli.connections.webhook_access import JournalWebhooks, WebhookAccess
from farm.ledger import Ledger, LedgerJob, load_ledger
from farm.ledger.loading import event_of, take_entry
from farm.ledger.sentences import job_of, sentence
from farm.scheduling.messages import unknown_job
from infra.fetch import fetch_file
from infra.journal import Journal, open_journal
from infra.journal.address import journal_address
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import Cancelled, DiskFull, InputChanged
from jobs.farm_requests import SubmitRequest, WhyRequest
from jobs.identity import sha256_of_file
from jobs.kinds import RENDER_JOB
from jobs.lifecycle import SegmentState
from jobs.picture_extras import is_draft
from jobs.places import PlacesInHand, find_places
from jobs.plan import DEFAULT_STUDIO
from jobs.queued import QueuedJob, found_places, load_queued
from stages.whole_files import written_whole

_SETTLED = (SegmentState.COMMITTED, SegmentState.WAIVED)


class JournalConnection:
    """See `FarmConnection`. Only a submit makes a journal where there is none, and only once its jobs are good."""

    def __init__(self, settings: FarmSettings) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._opened: Journal | None = None
        self._ledger: Ledger | None = None

    def close(self) -> None:
        """Let go of the journal."""
        if self._opened is not None:
            self._opened.close()

    @property
    def address(self) -> str:
        """The journal's, without a password."""
        return journal_address(self._settings.journal).shown

    @property
    def look_s(self) -> float:
        """One look reads what is new, and nothing else."""
        return 0.2

    @property
    def webhooks(self) -> WebhookAccess:
        """See `FarmConnection`."""
        return JournalWebhooks(self._journal)

    @property
    def batches(self) -> BatchAccess:
        """See `FarmConnection`."""
        return JournalBatches(self._open, self.job)

    def jobs(self, *, everything: bool) -> Sequence[JobView]:
        """See `FarmConnection`."""
        # In this order: what a farm takes in between the two is in both, and not in neither.
        waiting = asking.waiting_submits(self._journal)
        known = self._known()
        shown = [
            view_of(job, store=self._settings.store)
            for job in known.values()
            if everything or not job.is_over_for_good
        ]
        return shown + [_waiting_view(*each) for each in waiting.items() if each[0] not in known]

    def job(self, name: str) -> JobView:
        """See `FarmConnection`."""
        known = self._known().get(name)
        if known is None:
            waiting = asking.waiting_submits(self._journal)
            # Taken in between the two looks.
            known = self._known().get(name)
            if known is None and name in waiting:
                return _waiting_view(name, waiting[name])
        if known is None:
            raise asking.refusal_of(self._journal, name) or unknown_job(name)
        return view_of(known, store=self._settings.store)

    def submit(self, specs: Sequence[Path], terms: SubmitTerms) -> Sequence[SubmittedView]:
        """See `FarmConnection`."""
        jobs = [load_queued(spec, overwrite=terms.overwrite) for spec in specs]
        _hold_against_one_another(jobs, specs=specs)
        requests = [_request(job, terms) for job in jobs]
        self._open(must_exist=False)
        numbers = [
            asking.put_request(self._journal, request, token=terms.token or secrets.token_hex(16))
            for request in requests
        ]
        until = time.monotonic() + terms.patience_s
        names = [
            asking.future_name(request, number) for request, number in zip(requests, numbers, strict=True)
        ]
        with _interruptible(f"handed in all the same: {', '.join(names)}"):
            return [
                self._submitted(spec, name, number, until=until)
                for spec, name, number in zip(specs, names, numbers, strict=True)
            ]

    def change(self, request: ChangeRequest, *, patience_s: float) -> AskedView:
        """See `FarmConnection`."""
        return self._ask(request, patience_s=patience_s)

    def why(self, name: str, *, patience_s: float) -> AskedView:
        """See `FarmConnection`."""
        return self._ask(WhyRequest(job=name), patience_s=patience_s)

    def events(self, name: str, *, after: int) -> Iterator[EventView]:
        """See `FarmConnection`."""
        self.job(name)
        last = after
        while True:
            is_over = self.job(name).is_over
            for entry in self._journal.read(after=last):
                last = entry.sequence
                event = event_of(entry, where=self.address)
                if job_of(event) == name:
                    yield EventView(
                        sequence=entry.sequence, at=entry.at, kind=event.kind, sentence=sentence(event)
                    )
            # What it was over with was read after that, and a retry since then counts.
            if is_over and self.job(name).is_over:
                return
            time.sleep(self.look_s)

    def watched_file(self, name: str, *, take: int, file: str) -> bytes:
        """See `FarmConnection`; it is made here, of what the store holds."""
        # Imported here: most commands read no media.
        from farm.watching.take_files import TakeFiles
        from farm.watching.watched_take import not_taken_in, watched_take

        known = self._known().get(name)
        if known is None:
            self.job(name)
            raise not_taken_in(take)
        files = TakeFiles(open_store(self._settings.store), cache=self._settings.cache)
        return files.file(watched_take(known, take), file).content

    def captions(self, master: MasterView) -> bytes:
        """See `FarmConnection`."""
        where = f"take {master.take}"
        path = fetch_file(master.captions or "", cache=self._settings.cache, where=where)
        return path.read_bytes()

    def fetch(self, master: MasterView, path: Path) -> None:
        """See `FarmConnection`."""
        source = fetch_file(master.location, cache=self._settings.cache, where=f"take {master.take}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as partial:
                shutil.copyfile(source, partial)
                if sha256_of_file(partial) != master.sha256:
                    raise InputChanged(
                        "is no longer the file that was delivered",
                        where=master.location,
                        code="master_changed",
                        hint="submit the job again: what is committed is not rendered again",
                    )
        except OSError as error:
            hint = "choose another folder with --out, or make room"
            raise DiskFull.or_unwritable(error, where=str(path), hint=hint) from error

    @property
    def _journal(self) -> Journal:
        return self._open(must_exist=True)

    def _open(self, *, must_exist: bool) -> Journal:
        if self._opened is None:
            self._opened = open_journal(self._settings.journal, must_exist=must_exist)
        return self._opened

    def _known(self) -> Mapping[str, LedgerJob]:
        if self._ledger is None:
            self._ledger, _ = load_ledger(self._journal)
        else:
            for entry in self._journal.read(after=self._ledger.sequence):
                take_entry(self._ledger, entry, where=self.address)
        return self._ledger.jobs

    def _ask(self, request: ChangeRequest | WhyRequest, *, patience_s: float) -> AskedView:
        self.job(request.job)
        number = asking.put_request(self._journal, request, token=secrets.token_hex(16))
        with _interruptible(f"request {number} is kept and is carried out"):
            answer = asking.answer_to(self._journal, number, within_s=patience_s)
        if answer is not None and answer.error is not None:
            raise asking.error_from_record(answer.error)
        text = answer.text if answer else ""
        return AskedView(job=request.job, request=number, answered=answer is not None, text=text)

    def _submitted(self, spec: Path, name: str, number: int, *, until: float) -> SubmittedView:
        answer = asking.answer_to(self._journal, number, within_s=max(0.0, until - time.monotonic()))
        error = answer.error if answer else None
        return SubmittedView(
            spec=spec,
            request=number,
            # What is said of a refused job need not begin with its name.
            job=answer.job if answer and answer.job and not error else name,
            answered=answer is not None,
            refusal=None if error is None else asking.error_from_record(error),
        )


def _hold_against_one_another(jobs: Sequence[QueuedJob], *, specs: Sequence[Path]) -> None:
    places = PlacesInHand()
    for number, (job, spec) in enumerate(zip(jobs, specs, strict=True), start=1):
        # One file may be named twice.
        name = str(spec) if specs.count(spec) == 1 else f"{spec} (job {number})"
        places.add(name, find_places(found_places(job, name=name)))


def _request(job: QueuedJob, terms: SubmitTerms) -> SubmitRequest:
    return SubmitRequest(
        # As written: the farm fills in the defaults.
        document=job.job.model_dump(mode="json", by_alias=True, exclude_unset=True),
        folder=str(job.folder),
        studio=terms.studio or DEFAULT_STUDIO,
        on_hold=terms.hold,
        overwrite=terms.overwrite,
    )


@contextmanager
def _interruptible(what_is_kept: str) -> Iterator[None]:
    """Whoever stops waiting for the farm's answer is told what became of the request.

    Raises:
        Cancelled: Interrupted from the keyboard.
    """
    try:
        yield
    except KeyboardInterrupt:
        hint = "farm list shows the jobs"
        raise Cancelled(f"stopped waiting for the farm; {what_is_kept}", where="farm", hint=hint) from None


def _choice(job: LedgerJob, *, store: str) -> ChoiceView | None:
    if job.sketched is None:
        return ChoiceView(offered=job.offered, chosen=job.chosen) if job.offered else None
    expires_at = datetime.fromtimestamp(job.sketched_at + job.sketched.expires_after, UTC)
    return ChoiceView.of(job.sketched, store=store.rstrip("/"), expires_at=expires_at)


def _work(job: LedgerJob) -> WorkView | None:
    at = job.advanced
    return None if at is None else WorkView(step=at.step, done=at.done, total=at.total)


def view_of(job: LedgerJob, *, store: str) -> JobView:
    """What commands show of a job that a farm took in.

    Args:
        job: As the journal tells it.
        store: Address of the farm's store.
    """
    reason, code = (str(job.reason), job.reason.code) if job.reason else ("", "")
    obstacle = None
    if job.waits is not None:
        cause = asking.error_from_record(job.waits.error)
        obstacle = Obstacle(doing=job.waits.doing, error=cause)
        reason = f"{job.waits.doing} waits, and is tried again: [{cause.code}] {cause.message}"
        code = cause.code
    return JobView(
        job=job.name,
        studio=job.studio,
        kind=job.kind,
        state=job.state.value,
        reason=reason,
        code=code,
        segments=len(job.segments),
        settled=sum(job.segments.count(state) for state in _SETTLED),
        takes=0 if job.is_whole else job.takes,
        work=_work(job),
        made=job.made,
        segment_states={state.value: count for state, count in job.counts().items()},
        seconds=round(job.seconds, 3),
        told=job.told,
        draft=is_draft(job.document),
        masters=[
            MasterView(
                take=each.take,
                location=each.master,
                manifest=each.manifest,
                sha256=each.sha256,
                size_bytes=each.size_bytes,
                captions=each.captions,
            )
            for each in job.delivered.values()
        ],
        error=None if job.error is None else asking.error_from_record(job.error),
        obstacle=obstacle,
        choice=_choice(job, store=store),
        facts=FactsOfMachine(
            folder=job.folder,
            plan_hash=job.plan_hash,
            segments_per_take=job.segments_per_take,
            rendered_takes=job.rendered_takes,
            tries=job.tries,
            quarantined=list(job.segments.numbers(SegmentState.QUARANTINED)),
            waived=list(job.segments.numbers(SegmentState.WAIVED)),
            bundles=job.bundles,
        ),
    )


def _waiting_view(name: str, request: SubmitRequest) -> JobView:
    return JobView(
        job=name,
        studio=request.studio,
        kind=request.document.get("kind", RENDER_JOB.name),
        state=WAITS_FOR_FARM,
        reason="no farm has seen it yet",
        code="",
        segment_states={},
    )
