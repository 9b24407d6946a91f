"""What a job says about its place in the queue, and about segments that cannot be rendered."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    """How urgent a job is. A stricter tier is served first, always; sharing happens inside a tier."""

    rank: int

    INTERACTIVE = "interactive", 0
    NORMAL = "normal", 1
    BULK = "bulk", 2
    TRAINING = "training", 3

    def __new__(cls, value: str, rank: int) -> Tier:
        """Make a member that is its word and knows its place; 0 is served first."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.rank = rank
        return member


class OnQuarantine(StrEnum):
    """What happens to a job when one of its segments is given up."""

    FAIL = "fail"  # the job fails at once
    HOLD = "hold"  # the rest is rendered, then somebody decides: retry, waive or cancel
    FILL = "fill"  # the segment is waived: the last frame stands still, and the manifest says so
