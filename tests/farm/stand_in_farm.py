"""A farm of a few lines that answers requests through a real journal; it renders nothing."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farm.scheduling.messages import RequestRefused
from infra.journal import open_journal
from jobs.errors import FarmError
from jobs.farm_requests import (
    AnyRequest,
    CancelRequest,
    RequestAnswer,
    SubmitRequest,
    WhyRequest,
    request_from_json,
)
from jobs.journal_events import (
    AnyJournalEvent,
    BundleWritten,
    JobErred,
    JobPlanned,
    JobReceived,
    SegmentCommitted,
    SketchedTake,
    StateMoved,
    TakeChosen,
    TakeDelivered,
    TakesSketched,
)
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.manifest import SegmentRecord
from jobs.reasons import Reason, ReasonKind
from jobs.states import IllegalTransition, step

PLAN = Reason(ReasonKind.PLAN, "it came in")
WORK = Reason(ReasonKind.WORK, "the work went on")
USER = Reason(ReasonKind.USER, "a user asked for it")
SHA = "0123456789abcdef" * 4

Refuse = Callable[[AnyRequest], FarmError | None]


class StandInFarm:
    """Answers in a thread of its own until `stop`."""

    def __init__(self, address: str, *, refuse: Refuse = lambda _request: None) -> None:
        self._journal = open_journal(address)
        self._epoch = self._journal.begin_epoch("stand-in")
        self._refuse = refuse
        self._states: dict[str, JobState] = {}
        self._is_over = threading.Event()
        self.requests: list[AnyRequest] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join(10)
        self._journal.close()

    def succeed(self, job: str, *, master: str = "/out/hello.mp4", content: bytes = b"a master") -> None:
        """The job was rendered and delivered."""
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
        record = SegmentRecord(index=0, first_frame=0, frame_count=50, key="k", sha256=SHA, size_bytes=9)
        self._write(
            SegmentCommitted(job=job, segment=0, record=record),
            self._segment(job, 0, SegmentEvent.COMMITTED, Reason(ReasonKind.STORE, "the store holds it")),
            *self._moves(job, [JobEvent.RENDERED, JobEvent.STITCHED], WORK),
            TakeDelivered(
                job=job, take=1, master=master, manifest=f"{master}.json", sha256=sha256, size_bytes=size
            ),
            *self._moves(job, [JobEvent.DELIVERED], WORK),
        )

    def fail(self, job: str, error: FarmError) -> None:
        reason = Reason(ReasonKind.PERMANENT, error.message)
        self._write(*self._moves(job, [JobEvent.FAILED], reason), JobErred(job=job, error=error.as_record()))

    def sketch(self, job: str) -> None:
        """Its three takes can be looked at."""
        self._write(
            *self._moves(job, [JobEvent.HELD], Reason(ReasonKind.CHOICE, "nobody has chosen yet")),
            TakesSketched(
                job=job,
                takes=tuple(
                    SketchedTake(
                        take=take,
                        sheet=f"take-{take}/sheet.jpg",
                        sheet_sha256=SHA,
                        playback=f"take-{take}/playback.mp4",
                        playback_sha256=SHA,
                        sketch_seconds=0.5,
                        segments=take,
                        price_seconds=30.0 + take,
                        wait_seconds=10.0 + take,
                    )
                    for take in (1, 2, 3)
                ),
                is_measured=True,
                expires_after=3600.0,
            ),
        )

    def choose(self, job: str, take: int) -> None:
        self._write(TakeChosen(job=job, take=take))

    def give_up_segment(self, job: str, *, bundle: str) -> None:
        self._write(BundleWritten(job=job, segment=0, bundle=bundle))

    def _work(self) -> None:
        while not self._is_over.wait(0.02):
            for asked in self._journal.asked():
                request = request_from_json(asked.body)
                self.requests.append(request)
                try:
                    events, answer = self._grant(request, asked.request)
                except IllegalTransition as illegal:
                    refusal = RequestRefused(str(illegal), where="stand-in", code="wrong_state")
                    events, answer = [], RequestAnswer(error=refusal.as_record())
                self._journal.append(
                    self._epoch,
                    [event.model_dump_json() for event in events],
                    answers=[(asked.request, answer.model_dump_json())],
                )

    def _grant(self, request: AnyRequest, number: int) -> tuple[list[AnyJournalEvent], RequestAnswer]:
        refusal = self._refuse(request)
        if refusal is not None:
            return [], RequestAnswer(job=refusal.where, error=refusal.as_record())
        if isinstance(request, SubmitRequest):
            name = f"{request.document['metadata']['name']}-{number}"
            return self._receive(name, request), RequestAnswer(job=name, text="it is taken in")
        if isinstance(request, CancelRequest):
            asked = self._moves(request.job, [JobEvent.CANCEL_ASKED], USER)
            quiet = self._moves(request.job, [JobEvent.QUIET], WORK)
            return [*asked, *quiet], RequestAnswer(job=request.job, text="what runs of it is stopped")
        if isinstance(request, WhyRequest):
            return [], RequestAnswer(job=request.job, text="It waits for [its] turn.")
        return [], RequestAnswer(job=request.job, text="done")

    def _receive(self, name: str, request: SubmitRequest) -> list[AnyJournalEvent]:
        self._states[name] = JobState.RECEIVED
        received = JobReceived(
            job=name,
            studio=request.studio,
            document=request.document,
            folder=request.folder,
            on_hold=request.on_hold,
        )
        spec = request.document["spec"]
        offered = spec["takes"] if spec.get("choose") else 0
        planned = JobPlanned(job=name, plan_hash=SHA, takes=1, segments_per_take=1, offered=offered)
        in_line = self._moves(name, [JobEvent.VALIDATION_STARTED, JobEvent.PLANNED], PLAN)
        if request.on_hold:
            return [received, planned, *in_line, *self._moves(name, [JobEvent.HELD], USER)]
        return [received, planned, *in_line, *self._moves(name, [JobEvent.QUEUED], PLAN)]

    def _moves(self, job: str, events: list[JobEvent], reason: Reason) -> list[AnyJournalEvent]:
        made: list[AnyJournalEvent] = []
        for event in events:
            before = self._states[job]
            after = step(before, event, reason)
            assert isinstance(after, JobState)
            self._states[job] = after
            made.append(_moved(job, before, event, after, reason))
        return made

    def _segment(self, job: str, number: int, event: SegmentEvent, reason: Reason) -> AnyJournalEvent:
        before = SegmentState.BLOCKED
        return _moved(f"{job}/{number}", before, event, step(before, event, reason), reason)

    def _write(self, *events: AnyJournalEvent) -> None:
        self._journal.append(self._epoch, [event.model_dump_json() for event in events])


def _moved(subject: str, before: Any, event: Any, after: Any, reason: Reason) -> StateMoved:
    return StateMoved(
        subject=subject,
        before=before.value,
        event=event.value,
        after=after.value,
        reason_kind=reason.kind,
        reason=reason.text,
    )


def farm_at(folder: Path) -> str:
    """Address of a journal in a folder."""
    return str(folder / "farm.sqlite")
