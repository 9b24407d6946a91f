"""How commands end, in numbers that scripts may rely on; `jobs.errors` hands them on."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """How a command of the farm ends. Scripts may rely on these numbers."""

    meaning: str

    OK = 0, "done"
    USAGE = 2, "the command line or the job is wrong"
    INPUT = 3, "the speech or the replay bundle is missing or cannot be used"
    CASTING = 4, "the subject or the weights cannot be used"
    OUTPUT = 5, "the output or the store cannot be written"
    RENDER = 6, "rendering failed"
    INFRASTRUCTURE = 7, "the cluster or the journal failed"
    TRAINING = 8, "training failed"
    EVALUATION = 9, "some videos could not be judged"
    NOT_ENDED = 10, "the jobs had not ended when the time was up"
    ACCESS = 11, "the key is missing, is no longer valid or may not do this"
    INTERNAL = 70, "the farm itself failed; the named file says where"
    INTERRUPTED = 130, "cancelled, or interrupted from the keyboard"
    OUTPUT_CLOSED = 141, "whoever read the output closed it, as head does"

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make a member that is its number and carries its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
