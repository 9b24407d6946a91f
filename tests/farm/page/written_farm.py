"""A farm that is only told about: whatever a test says happened stands in a real journal, and nothing is rendered."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from infra.journal import open_journal
from jobs.errors import FarmError
from jobs.farm_requests import SubmitRequest, request_from_json
from jobs.journal_events import (
    AnyJournalEvent,
    JobErred,
    JobPlanned,
    JobReceived,
    SegmentCommitted,
    StateMoved,
    TakeDelivered,
    WholeAdvanced,
    WholeFinished,
)
from jobs.lifecycle import AttemptEvent, AttemptState, JobEvent, JobState, SegmentEvent, SegmentState
from jobs.manifest import SegmentRecord
from jobs.reasons import Reason, ReasonKind
from jobs.standings import Standing, Standings
from jobs.states import step

PLAN = Reason(ReasonKind.PLAN, "it came in")
WORK = Reason(ReasonKind.WORK, "the work went on")
TURN = Reason(ReasonKind.TURN, "its turn came")
USER = Reason(ReasonKind.USER, "a user asked for it")
SHA = "0123456789abcdef" * 4


class WrittenFarm:
    """Writes what a farm would; use in one thread."""

    def __init__(self, address: str, studios: Path) -> None:
        self.journal = open_journal(address)
        self._studios = studios
        self._epoch = self.journal.begin_epoch("a test")
        self._jobs: dict[str, JobState] = {}
        self._segments: dict[tuple[str, int], SegmentState] = {}
        self._tries: dict[tuple[str, int], int] = {}
        self._number = 0

    def close(self) -> None:
        self.journal.close()

    def beat(self, standings: dict[str, Standing] | None = None, *, replicas: int = 2) -> None:
        told = Standings(owner="render-host, process 7", replicas=replicas, jobs=standings or {})
        self.journal.beat(self._epoch, told.model_dump_json())

    def receive(
        self,
        title: str = "hello",
        *,
        studio: str = "north",
        project: str = "demo",
        takes: int = 1,
        segments: int = 6,
        told: tuple[str, ...] = (),
        at: float | None = None,
    ) -> str:
        """A job that is planned and queued, as by a request of its own."""
        document = {
            "apiVersion": "farm/v1",
            "kind": "RenderJob",
            "metadata": {"name": title, "project": project},
            "spec": {
                "speech": f"uploads/{SHA[:32]}/speech",
                "subject": "builtin:actor-a",
                "takes": takes,
                "seed": 7,
                "output": {"uri": f"masters/x/{title}.mp4"},
            },
        }
        submit = SubmitRequest(document=document, folder=str(self._studios / studio), studio=studio)
        number = self.journal.ask(submit.model_dump_json(), token=f"test/{self._number}")
        self._number += 1
        self.journal.append(self._epoch, [], answers=[(number, '{"text": "it is taken in"}')])
        job = f"{title}-{number}"
        self._jobs[job] = JobState.RECEIVED
        self._write(
            JobReceived(job=job, studio=studio, document=document, folder=submit.folder),
            *self._moves(job, PLAN, JobEvent.VALIDATION_STARTED),
            JobPlanned(job=job, plan_hash=SHA, takes=takes, segments_per_take=segments, told=told),
            *self._moves(job, PLAN, JobEvent.PLANNED, JobEvent.QUEUED),
            at=at,
        )
        return job

    def receive_whole(self, kind: str, title: str, *, studio: str = "north", **spec: Any) -> str:
        """A job in one piece that is planned and runs."""
        document = {
            "apiVersion": "farm/v1",
            "kind": kind,
            "metadata": {"name": title, "project": "demo"},
            "spec": spec,
        }
        submit = SubmitRequest(document=document, folder="/mnt/reel", studio=studio)
        number = self.journal.ask(submit.model_dump_json(), token=f"test/{self._number}")
        self._number += 1
        self.journal.append(self._epoch, [], answers=[(number, '{"text": "it is taken in"}')])
        job = f"{title}-{number}"
        self._jobs[job] = JobState.RECEIVED
        self._write(
            JobReceived(job=job, studio=studio, document=document, folder="/mnt/reel"),
            *self._moves(job, PLAN, JobEvent.VALIDATION_STARTED),
            JobPlanned(job=job, plan_hash=SHA, takes=1, segments_per_take=1),
            *self._moves(job, PLAN, JobEvent.PLANNED, JobEvent.QUEUED),
        )
        self.start(job, 0)
        return job

    def get_on(self, job: str, step: str, done: int, total: int) -> None:
        """A job in one piece is so far."""
        self._write(WholeAdvanced(job=job, step=step, done=done, total=total))

    def make(self, job: str, *outputs: str, told: tuple[str, ...] = ()) -> None:
        """A job in one piece is done."""
        self._write(
            WholeFinished(job=job, outputs=outputs, told=told, seconds=12.5),
            *self._moves(job, WORK, JobEvent.DONE),
        )

    def take_in(self) -> list[str]:
        """Whatever was asked and is not answered: jobs are taken in, everything else is done."""
        found = []
        for asked in self.journal.asked():
            request = request_from_json(asked.body)
            if not isinstance(request, SubmitRequest):
                answer = '{"job": "", "text": "it is done"}'
                self.journal.append(self._epoch, [], answers=[(asked.request, answer)])
                continue
            job = f"{request.document['metadata']['name']}-{asked.request}"
            self._jobs[job] = JobState.RECEIVED
            takes = request.document["spec"].get("takes", 1)
            events: list[AnyJournalEvent] = [
                JobReceived(job=job, studio=request.studio, document=request.document, folder=request.folder),
                *self._moves(job, PLAN, JobEvent.VALIDATION_STARTED),
                JobPlanned(job=job, plan_hash=SHA, takes=takes, segments_per_take=6),
                *self._moves(job, PLAN, JobEvent.PLANNED, JobEvent.QUEUED),
            ]
            self.journal.append(
                self._epoch,
                [event.model_dump_json() for event in events],
                answers=[(asked.request, f'{{"job": "{job}", "text": "it is taken in"}}')],
            )
            found.append(job)
        return found

    def move(self, job: str, *events: JobEvent, reason: Reason = WORK) -> None:
        self._write(*self._moves(job, reason, *events))

    def ready(self, job: str, *numbers: int) -> None:
        """Their motion is there."""
        self._write(*(self._segment(job, each, SegmentEvent.MOTION_MERGED, WORK) for each in numbers))

    def start(self, job: str, *numbers: int) -> None:
        """Each goes to a replica."""
        for each in numbers:
            if self._segments.get((job, each), SegmentState.BLOCKED) is SegmentState.BLOCKED:
                self.ready(job, each)
            self._tries[job, each] = self._tries.get((job, each), 0) + 1
            self._write(
                self._segment(job, each, SegmentEvent.LEASED, TURN),
                self._attempt(job, each, AttemptState.DISPATCHED, AttemptEvent.STARTED, TURN),
            )
        if self._jobs[job] is JobState.QUEUED:
            self._write(*self._moves(job, TURN, JobEvent.STARTED))

    def commit(self, job: str, *numbers: int) -> None:
        """Each is rendered and lies in the store."""
        for each in numbers:
            record = SegmentRecord(
                index=each, first_frame=50 * each, frame_count=50, key=f"k/{each}", sha256=SHA, size_bytes=9
            )
            self._write(
                SegmentCommitted(job=job, segment=each, record=record, seconds=3.5),
                self._attempt(job, each, AttemptState.RUNNING, AttemptEvent.SUCCEEDED, WORK),
                self._segment(job, each, SegmentEvent.COMMITTED, WORK),
            )

    def spoil(self, job: str, number: int, error: FarmError) -> None:
        """Its picture is not good, and another replica shall try it."""
        reason = Reason.of(ReasonKind.OUTPUT, error)
        self._write(
            self._attempt(job, number, AttemptState.RUNNING, AttemptEvent.FAILED, reason),
            self._segment(job, number, SegmentEvent.ATTEMPT_FAILED, reason),
        )

    def give_up(self, job: str, number: int, error: FarmError) -> None:
        """It is given up."""
        reason = Reason.of(ReasonKind.OUTPUT, error)
        self._write(
            self._attempt(job, number, AttemptState.RUNNING, AttemptEvent.FAILED, reason),
            self._segment(job, number, SegmentEvent.QUARANTINED, reason),
        )

    def deliver(self, job: str, master: Path, *, take: int = 1) -> None:
        """A take lies where its studio can fetch it."""
        place = self._studios / "masters-of-tests" / job / f"{take}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(master, place)
        content = place.read_bytes()
        self._write(
            TakeDelivered(
                job=job,
                take=take,
                master=str(place),
                manifest=f"{place}.json",
                sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
            )
        )

    def finish(self, job: str, master: Path) -> None:
        """All of it is there."""
        self.move(job, JobEvent.RENDERED, JobEvent.STITCHED)
        self.deliver(job, master)
        self.move(job, JobEvent.DELIVERED)

    def fail(self, job: str, error: FarmError) -> None:
        reason = Reason.of(ReasonKind.PERMANENT, error)
        self._write(*self._moves(job, reason, JobEvent.FAILED), JobErred(job=job, error=error.as_record()))

    def _moves(self, job: str, reason: Reason, *events: JobEvent) -> list[AnyJournalEvent]:
        made: list[AnyJournalEvent] = []
        for event in events:
            before = self._jobs[job]
            self._jobs[job] = step(before, event, reason)
            made.append(_moved(job, before, event, self._jobs[job], reason))
        return made

    def _segment(self, job: str, number: int, event: SegmentEvent, reason: Reason) -> AnyJournalEvent:
        before = self._segments.get((job, number), SegmentState.BLOCKED)
        self._segments[job, number] = step(before, event, reason)
        return _moved(f"{job}/{number}", before, event, self._segments[job, number], reason)

    def _attempt(
        self, job: str, number: int, before: AttemptState, event: AttemptEvent, reason: Reason
    ) -> AnyJournalEvent:
        subject = f"{job}/{number}#{self._tries[job, number]}"
        return _moved(subject, before, event, step(before, event, reason), reason)

    def _write(self, *events: AnyJournalEvent, at: float | None = None) -> None:
        self.journal.append(self._epoch, [event.model_dump_json() for event in events], at=at)


def _moved(subject: str, before: Any, event: Any, after: Any, reason: Reason) -> StateMoved:
    return StateMoved(
        subject=subject,
        before=before.value,
        event=event.value,
        after=after.value,
        reason_kind=reason.kind,
        reason=reason.text,
        code=reason.code,
        retry=reason.retry,
    )
