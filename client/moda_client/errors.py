"""What can go wrong between a client and a farm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a job; `path` is the field."""

    path: str
    code: str
    message: str
    hint: str = ""
    line: int | None = None


class FarmRefused(Exception):
    """The farm refuses.

    Attributes:
        status: Of HTTP.
        code: For programs; it keeps its meaning.
        where: The field or object concerned.
        hint: What to do; may be empty.
        exit_code: With which the farm's own commands end, see its list of exit codes; 0 where the farm tells none.
        retry: Whether the same request can succeed: ``never``, ``later``, or ``elsewhere``, which is at once.
        request_id: For whoever runs the farm.
        mistakes: Of a job, everything that is wrong with it.
    """

    def __init__(self, told: Mapping[str, Any], *, status: int) -> None:
        self.status = status
        self.exit_code = int(told.get("exit_code", 0))
        texts = ("code", "message", "where", "hint", "retry", "doc_url", "request_id")
        self.code, self.message, self.where, self.hint, self.retry, self.doc_url, self.request_id = (
            str(told.get(name, "")) for name in texts
        )
        fields = ("path", "code", "message", "hint", "line")
        self.mistakes = tuple(
            Mistake(**{name: each[name] for name in fields if name in each})
            for each in told.get("mistakes", ())
        )
        place = f"{self.where}: " if self.where else ""
        lines = [f"[{self.code}] {place}{self.message}"]
        lines += [
            f"  {each.path}: {each.message}" + (f"; {each.hint}" if each.hint else "")
            for each in self.mistakes
        ]
        super().__init__("\n".join(lines))

    @property
    def is_final_answer(self) -> bool:
        """The farm itself answered a job or a change: with the same Idempotency-Key it answers the same for ever."""
        return self.status in (409, 429) and self.code not in ("token_taken", "rate_limited")


class FarmUnreachable(Exception):
    """Nothing answers at the farm's address, or not as a farm does, for longer than the client's patience."""


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a good one.

    Raises:
        FarmRefused: It is an error.
        FarmUnreachable: It is none of a farm, but of something between.
    """
    if answer.is_success:
        return answer
    answer.read()
    try:
        told = answer.json()
        if "code" in told:
            raise FarmRefused(told, status=answer.status_code)
    except (ValueError, TypeError):
        pass
    raise FarmUnreachable(f"{answer.url.host} answers {answer.status_code}, and not as a farm does")
