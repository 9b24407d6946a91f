"""Work in one piece of a few lines, with the real interface: steps are counted on the disk, for a later try."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from farm.execution.calls import WholeCall, WholeDone, WholeStep
from farm.execution.whole_work import Tell
from jobs.errors import SubjectRefused
from jobs.queued import outputs_of, parse_queued


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeWhole:
    """See the module.

    Attributes:
        folder: where the steps of each job are counted.
        steps: of every job.
        step_s: length of a step.
        kill_at: the process dies in this step, once for each job whose name begins so.
        killed: how names of jobs begin that die.
        kills: how often each of them dies.
        refused: how names of jobs begin that are refused.
    """

    folder: Path
    steps: int = 4
    step_s: float = 0.0
    kill_at: int = 2
    killed: str = "no job"
    kills: int = 1
    refused: str = "no job"

    def perform(self, call: WholeCall, *, device: str, tell: Tell) -> WholeDone:
        loaded = parse_queued(call.document, folder=call.folder)
        if call.name.startswith(self.refused):
            raise SubjectRefused("the person does not agree", where="spec.consent", code="subject_no_consent")
        self.note(call.name, f"begun in {os.getpid()}")
        for step in range(self.done(call.name), self.steps):
            tell(WholeStep(step="count", done=step, total=self.steps))
            time.sleep(self.step_s)
            if (
                call.name.startswith(self.killed)
                and step == self.kill_at
                and self.count(call.name, "killed") < self.kills
            ):
                self.note(call.name, "killed")
                os.kill(os.getpid(), signal.SIGKILL)
            self.note(call.name, "step")
        outputs = [place.location for place in outputs_of(loaded)]
        for output in outputs:
            path = Path(output)
            path = path / "subject.yaml" if not path.suffix else path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(call.name)
        self.note(call.name, "done")
        return WholeDone(outputs=tuple(outputs[:1]), told=(f"{call.name} was counted on {device}",))

    def note(self, job: str, what: str) -> None:
        """One line for what happened, from whichever process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / job).open("a") as file:
            file.write(f"{what}\n")

    def notes(self, job: str) -> list[str]:
        path = self.folder / job
        return path.read_text().splitlines() if path.exists() else []

    def count(self, job: str, what: str) -> int:
        return sum(line.startswith(what) for line in self.notes(job))

    def done(self, job: str) -> int:
        """Steps that are behind it."""
        return self.count(job, "step")
