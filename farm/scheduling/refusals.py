"""What the farm answers to a request that cannot be granted."""

from __future__ import annotations

from jobs.errors import ExitCode, FarmError


class RequestRefused(FarmError):
    """The request cannot be granted as things stand; nothing has changed."""

    exit_code = ExitCode.USAGE
    default_code = "refused"


def unknown_job(job: str) -> RequestRefused:
    """No such job."""
    return RequestRefused(
        "there is no such job", where=job, code="unknown_job", hint="list the jobs and check the name"
    )
