"""An endpoint that sends the client elsewhere: told at once, and never followed but to another region of Amazon's.

The client asks the bucket for its region after any redirect, and after the redirect of that question again, and so on
without an end. A signed request must not follow to a host that nobody named either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from infra.storage.s3_problems import S3Error, S3Problem

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")
# Amazon's own words for a bucket in another region; their answers name it, or the bucket does when it is asked.
_OF_REGIONS: Final = frozenset({"PermanentRedirect", "TemporaryRedirect"})
_NOT_MODIFIED: Final = 304


def refuse_redirect(request_dict: Mapping[str, Any], response: Any, operation: Any, **_: Any) -> None:
    """Called by the client with every answer, before it decides about another try.

    Raises:
        S3Error: The answer is a redirect that leads to no other region.
    """
    if response is None:
        return
    http, parsed = response
    if not is_redirect(http.status_code):
        return
    context = request_dict.get("context", {}).get("s3_redirect", {})
    if not context.get("redirected") and _leads_to_region(parsed, operation=operation.name):
        return
    headers = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    raise _refusal(
        str(request_dict.get("url", "")),
        location=str(headers.get("location", "")),
        bucket=str(context.get("bucket") or ""),
    )


def is_redirect(status: int) -> bool:
    """Whether the status of an answer sends the client elsewhere."""
    return 300 <= status < 400 and status != _NOT_MODIFIED


def _leads_to_region(parsed: Mapping[str, Any], *, operation: str) -> bool:
    headers, error = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}), parsed.get("Error", {})
    if "x-amz-bucket-region" in headers or error.get("Region"):
        return True
    if operation == "HeadBucket":
        # The question for the region itself: it has no answer.
        return False
    # An answer to HEAD has no body that could hold a code.
    is_bare_head = operation.startswith("Head") and "location" not in headers
    return is_bare_head or error.get("Code") in _OF_REGIONS


def _refusal(asked: str, *, location: str, bucket: str) -> S3Error:
    """Names places alone: scheme, host and port, never a path, a query or a user."""
    ours, theirs = place_of(asked, bucket=bucket), place_of(location, bucket=bucket)
    endpoint = f"the endpoint {ours}" if ours else "the endpoint"
    if not theirs:
        return S3Error(
            S3Problem.REDIRECTED, f"{endpoint} sends elsewhere, and does not say where in a usable way"
        )
    if theirs == ours:
        return S3Error(
            S3Problem.REDIRECTED,
            f"{endpoint} sends to another path of its own",
            advice="set AWS_ENDPOINT_URL to the address of S3 itself, with its path where it has one",
        )
    return S3Error(
        S3Problem.REDIRECTED, f"{endpoint} sends to {theirs}", advice=f"set AWS_ENDPOINT_URL to {theirs}"
    )


def place_of(address: str, *, bucket: str) -> str:
    """Scheme, host and port of an address, without the bucket that its host may begin with; empty if it is none."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").removeprefix(f"{bucket}." if bucket else ""), parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ""
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
