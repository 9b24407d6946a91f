"""What was found in the pictures of a segment, as it is stored beside it and in the manifest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from jobs.errors import StoreError
from jobs.manifest_model import Count, Finite, ManifestModel


class CheckRecord(ManifestModel):
    """One figure against what was good.

    Attributes:
        check: Its name, such as ``mouth_error_px``; docs/inspection.md lists them.
        value: What was measured; null where it could not be.
        at_least: Least good value, if there is one.
        at_most: Greatest good value, if there is one.
        passed: Whether the value was good, or could not be measured.
    """

    check: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    value: Finite | None
    at_least: Finite | None
    at_most: Finite | None
    passed: bool

    def finding(self) -> str:
        """The check in a few words: ``mouth_error_px is 14.2, at most 6 is good``."""
        wanted = [
            f"{words} {limit:g}"
            for words, limit in (("at least", self.at_least), ("at most", self.at_most))
            if limit is not None
        ]
        value = "not known" if self.value is None else f"{self.value:g}"
        return f"{self.check} is {value}, {' and '.join(wanted) or 'anything'} is good"


class InspectionRecord(ManifestModel):
    """The inspection of one segment.

    Attributes:
        sampled_frames: Frames that were looked at closely; the others were compared with their neighbours.
        redetection: Whether faces were looked for. False: the figures of mouth and face are null.
        fitted_limits: Whether the limits were fitted to the subject, or hold for all.
        checks: Every figure with its limits.
    """

    sampled_frames: Count
    redetection: bool
    fitted_limits: bool
    checks: Annotated[list[CheckRecord], Field(min_length=1)]

    @property
    def flagged(self) -> tuple[CheckRecord, ...]:
        """The checks that were not passed."""
        return tuple(check for check in self.checks if not check.passed)

    def value(self, check: str) -> float | None:
        """The figure of a check; None where there is none."""
        return next((found.value for found in self.checks if found.check == check), None)

    def to_json(self) -> bytes:
        """The record as it is stored."""
        return self.model_dump_json(indent=2).encode("utf-8") + b"\n"

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> InspectionRecord:
        """Read a stored record.

        Raises:
            StoreError: The bytes are no record of this version.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise StoreError(
                f"is not an inspection this version reads: {error.errors(include_url=False)[0]['msg']}",
                where=where,
                code="bad_inspection",
                hint="delete the object: the segment itself stays",
            ) from error
