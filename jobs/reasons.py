"""Why a job, a segment or an attempt changed its state: no transition goes without one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    STORAGE = "storage"  # the store is slow, full or away
    OUTPUT = "output"  # the stage failed, or what it made did not pass its check
    HANG = "hang"  # no progress, or past the time limit
    SUSPICION = "suspicion"  # replicas died while they worked on it
    PERMANENT = "permanent"  # trying again cannot help
    POLICY = "policy"  # what the job said shall happen with segments that were given up
    BUDGET = "budget"  # the job spent its GPU seconds
    RIVAL = "rival"  # another attempt of the same segment was first
    AGE = "age"  # nobody came back to it
    INTERNAL = "internal"  # the farm itself failed: something that nobody foresaw happened


@dataclass(frozen=True, slots=True)
class Reason:
    """A kind for programs and a sentence, without its full stop, for people."""

    kind: ReasonKind
    text: str
