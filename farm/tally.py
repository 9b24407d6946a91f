"""What the inspection of a render comes to so far, in few numbers and one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from jobs.manifest import SegmentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionTally:
    """Counts over segments.

    Attributes:
        inspected: Segments of which it is known what their pictures show.
        flagged: Those of them that did not pass every check.
        worst_mouth_error_px: The largest mouth error, px on the 512 canvas; None where no mouth was looked for.
    """

    inspected: int = 0
    flagged: int = 0
    worst_mouth_error_px: float | None = None

    @classmethod
    def of(cls, records: Iterable[SegmentRecord]) -> Self:
        """The tally of some segments; those that were never inspected are left out."""
        tally = cls()
        for record in records:
            tally = tally.with_segment(record)
        return tally

    def with_segment(self, record: SegmentRecord) -> Self:
        """The tally with one segment more."""
        found = record.inspection
        if found is None:
            return self
        errors = (self.worst_mouth_error_px, found.value("mouth_error_px"))
        return type(self)(
            inspected=self.inspected + 1,
            flagged=self.flagged + bool(found.flagged),
            worst_mouth_error_px=max((error for error in errors if error is not None), default=None),
        )

    def line(self) -> str:
        """For a person: ``11 inspected, worst mouth error 1.4 px, none flagged``."""
        worst = self.worst_mouth_error_px
        mouth = "mouths not looked for" if worst is None else f"worst mouth error {worst:.1f} px"
        return f"{self.inspected} inspected, {mouth}, {self.flagged or 'none'} flagged"

    def as_record(self) -> dict[str, Any]:
        """The tally as plain data."""
        return {
            "inspected": self.inspected,
            "flagged": self.flagged,
            "worst_mouth_error_px": self.worst_mouth_error_px,
        }
