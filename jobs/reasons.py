"""Why a job, a segment or an attempt changed its state: no transition goes without one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from jobs.farm_error import FarmError, Retry


class ReasonKind(StrEnum):
    """The kinds of reason; the table in `jobs.states` says which of them may explain which transition."""

    WORK = "work"  # the work went on: a segment was drawn, a master joined
    TURN = "turn"  # its turn came
    STORE = "store"  # the store holds the bytes already
    USER = "user"  # somebody asked for it
    PLAN = "plan"  # validation and planning went on
    REFUSAL = "refusal"  # consent or the farm's rules forbid it
    INFRASTRUCTURE = "infrastructure"  # a replica or its node is gone
    PREEMPTION = "preemption"  # a machine was taken back, drained or restarted on purpose
    STORAGE = "storage"  # the store, or what else it needs, does not answer for now
    OUTPUT = "output"  # the stage failed, or what it made did not pass its check
    HANG = "hang"  # no progress, or past the time limit
    SUSPICION = "suspicion"  # replicas died while they worked on it
    PERMANENT = "permanent"  # trying again cannot help
    POLICY = "policy"  # what the job said shall happen with segments that were given up
    CHOICE = "choice"  # one of its takes is rendered, and nobody has chosen it yet
    BUDGET = "budget"  # the job spent its GPU seconds
    RIVAL = "rival"  # another attempt of the same segment was first
    AGE = "age"  # nobody came back to it
    INTERNAL = "internal"  # the farm itself failed: something that nobody foresaw happened


@dataclass(frozen=True, slots=True)
class Reason:
    """A kind for programs and a sentence, without its full stop, for people.

    Attributes:
        code, retry: Of the error that was the cause; empty and None where there was none.
    """

    kind: ReasonKind
    text: str
    code: str = ""
    retry: Retry | None = None

    @classmethod
    def of(cls, kind: ReasonKind, error: FarmError, *, of_what: str = "") -> Self:
        """The reason that an error is, for something named in front of it."""
        text = f"{of_what}: {error.message}" if of_what else error.message
        return cls(kind, text, error.code, error.retry)

    def __str__(self) -> str:
        return f"[{self.code}] {self.text}" if self.code else self.text
