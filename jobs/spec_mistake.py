"""One mistake in a job; `jobs.errors` hands it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecMistake:
    """One mistake in a job.

    Attributes:
        path: Dotted path of the field, such as ``spec.motion.head``; empty for the whole document.
        code: Stable short name, such as ``unknown_field``.
        message: What is wrong with the value.
        hint: The nearest field that exists, or how to write the value; may be empty.
        line: Line in the file, counted from 1, where it is known.
    """

    path: str
    code: str
    message: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.path or "the job"
        at_line = f" (line {self.line})" if self.line is not None else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{at_line}: {self.message}{hint}"

    def as_record(self) -> dict[str, Any]:
        """The mistake as plain data."""
        return {
            "path": self.path,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "line": self.line,
        }
