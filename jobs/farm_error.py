"""What all errors of the farm have in common; `jobs.errors` has the tree, and hands this on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

from jobs.exit_codes import ExitCode

TRACEBACK_CHARACTERS: Final = 16_000
"""Of a traceback that travels with an error: its head and its tail are kept."""


class Retry(StrEnum):
    """Whether doing the same again can help; each error says it of itself, and nobody else decides it."""

    NEVER = "never"  # it is about what was given: the same would happen again, wherever and whenever
    LATER = (
        "later"  # something that is needed does not answer for now: waiting can help, another machine cannot
    )
    ELSEWHERE = "elsewhere"  # this process or machine failed: another one, or a new one, can help at once


class FarmError(Exception):
    """What happened, to which object, and what to do about it.

    Attributes:
        code: Stable, short name of the failure for scripts, such as ``input_not_found``.
        where: The field (``spec.speech``) or object (a key, a path, a replica) it happened to.
        message: What happened, in one sentence without a full stop.
        hint: What the reader can do; may be empty.
        retry: Whether doing the same again can help.
        traceback: Where it was raised, for an error that nobody foresaw; travels with it between processes, until the
            machine that tells of the error keeps it as a file.
        traceback_file: That file; empty until it is written.
    """

    exit_code: ExitCode = ExitCode.RENDER
    default_code: ClassVar[str] = "farm_error"
    default_retry: ClassVar[Retry] = Retry.NEVER

    # Instance attributes only: Ray raises a class derived from both its own error and ours, which
    # finds our fields through the original instance and would find class attributes first.
    code: str
    where: str
    message: str
    hint: str
    retry: Retry
    traceback: str
    traceback_file: str

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        hint: str = "",
        code: str = "",
        retry: Retry | None = None,
        traceback: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.code = code or self.default_code
        self.retry = self.default_retry if retry is None else retry
        self.traceback = head_and_tail(traceback, TRACEBACK_CHARACTERS)
        self.traceback_file = ""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> FarmError:
        """The error that `as_record` told, perhaps in another process, with all that it says."""
        texts = {name: str(record.get(name, "")) for name in ("where", "hint", "code")}
        retry = Retry(record.get("retry", Retry.NEVER))
        error = FarmError(str(record.get("message", "it failed")), **texts, retry=retry)
        known = {int(code): code for code in ExitCode}
        error.exit_code = known.get(record.get("exit_code", ExitCode.RENDER), ExitCode.RENDER)
        error.traceback_file = str(record.get("traceback_file", ""))
        return error

    def line(self) -> str:
        """The failure in one line: ``[code] where: message``."""
        place = f"{self.where}: " if self.where else ""
        return f"[{self.code}] {place}{self.message}"

    def as_record(self) -> dict[str, Any]:
        """The failure as plain data for ``--json`` and logs; the traceback itself is no part of it, its file is."""
        record: dict[str, Any] = {
            "code": self.code,
            "where": self.where,
            "message": self.message,
            "hint": self.hint,
            "exit_code": int(self.exit_code),
            "retry": self.retry.value,
        }
        return record | ({"traceback_file": self.traceback_file} if self.traceback_file else {})

    def __str__(self) -> str:
        return self.line()

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments are lost by the default pickling of exceptions, and ours cross actors.
        told: dict[str, Any] = {"traceback": self.traceback, "traceback_file": self.traceback_file}
        told |= {"exit_code": self.exit_code} if self.exit_code is not type(self).exit_code else {}
        return _revive, (type(self), self.message, self._fields(), {k: v for k, v in told.items() if v})

    def _fields(self) -> dict[str, Any]:
        always = {"where": self.where, "hint": self.hint, "code": self.code}
        return always | ({} if self.retry is self.default_retry else {"retry": self.retry})


def _revive(
    kind: type[FarmError], message: str, fields: Mapping[str, Any], told: Mapping[str, Any]
) -> FarmError:
    error = kind(message, **fields)
    for name, value in told.items():
        setattr(error, name, value)
    return error


def head_and_tail(text: str, most: int) -> str:
    """A text of at most so many characters; of a longer one the middle is left out, and that is said."""
    if len(text) <= most:
        return text
    note = f"\n... {len(text) - most} characters or more are left out ...\n"
    kept = most - len(note)
    return text[: kept // 2] + note + text[len(text) - (kept - kept // 2) :]
