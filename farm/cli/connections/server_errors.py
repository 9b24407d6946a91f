"""What the client of a server raises, as the farm's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jobs.errors import ExitCode, FarmError, InfrastructureError, Retry, SpecError, SpecMistake
from moda_client import FarmRefused, FarmUnreachable


@contextmanager
def told(address: str) -> Iterator[None]:
    """What the client of the server at an address raises, as the farm's own errors.

    Raises:
        FarmError: The farm refuses, or cannot be reached (``server_unreachable``).
    """
    try:
        yield
    except FarmRefused as refusal:
        raise error_of(refusal) from refusal
    except FarmUnreachable as error:
        raise InfrastructureError(
            str(error),
            where=address,
            code="server_unreachable",
            hint="see whether farm serve runs there; farm login URL names another server",
            retry=Retry.LATER,
        ) from error


def error_of(refusal: FarmRefused) -> FarmError:
    """What a server refuses, as the farm itself would have raised it."""
    if refusal.mistakes:
        mistakes = [
            SpecMistake(path=each.path, code=each.code, message=each.message, hint=each.hint, line=each.line)
            for each in refusal.mistakes
        ]
        return SpecError(
            refusal.message, mistakes=mistakes, where=refusal.where, hint=refusal.hint, code=refusal.code
        )
    error = FarmError(
        refusal.message,
        where=refusal.where,
        hint=refusal.hint,
        code=refusal.code,
        retry=Retry(refusal.retry) if refusal.retry in tuple(Retry) else Retry.NEVER,
    )
    known = {int(code): code for code in ExitCode}
    error.exit_code = known.get(refusal.exit_code, ExitCode.INFRASTRUCTURE)
    return error
