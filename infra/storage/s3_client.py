"""The one place that knows boto3: how a client is made, and what its errors mean."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as S3ConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, LocationParseError

from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_redirects import is_redirect, refuse_redirect
from jobs.errors import SettingsError

CLIENT_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
"""Everything that a request of the client raises; some are OSErrors too, so catch them before those."""

_BY_CODE: Final = {
    "NoSuchKey": S3Problem.NO_OBJECT,
    "NoSuchBucket": S3Problem.NO_BUCKET,
    "NoSuchUpload": S3Problem.NO_UPLOAD,
    "InvalidPart": S3Problem.NO_UPLOAD,
    "PreconditionFailed": S3Problem.EXISTS,
    "ConditionalRequestConflict": S3Problem.CONFLICT,
    "OperationAborted": S3Problem.CONFLICT,
    "NotImplemented": S3Problem.UNSUPPORTED,
    "InvalidAccessKeyId": S3Problem.DENIED,
    "SignatureDoesNotMatch": S3Problem.DENIED,
    "AccessDenied": S3Problem.DENIED,
    "ExpiredToken": S3Problem.DENIED,
    "InvalidToken": S3Problem.DENIED,
    # What arrived is not what was sent: sent again, it may arrive whole.
    "BadDigest": S3Problem.GARBLED,
    "IncompleteBody": S3Problem.GARBLED,
    "XAmzContentChecksumMismatch": S3Problem.GARBLED,
    "XAmzContentSHA256Mismatch": S3Problem.GARBLED,
    "RequestTimeout": S3Problem.BUSY,
    "RequestTimeTooSkewed": S3Problem.DENIED,
    "SlowDown": S3Problem.BUSY,
    "Throttling": S3Problem.BUSY,
    "ThrottlingException": S3Problem.BUSY,
}
_BY_STATUS: Final = {
    401: S3Problem.DENIED,
    403: S3Problem.DENIED,
    404: S3Problem.NO_OBJECT,
    408: S3Problem.BUSY,
    409: S3Problem.CONFLICT,
    412: S3Problem.EXISTS,
    429: S3Problem.BUSY,
    500: S3Problem.BUSY,
    501: S3Problem.UNSUPPORTED,
    502: S3Problem.BUSY,
    503: S3Problem.BUSY,
    504: S3Problem.BUSY,
}
_PASSING: Final = frozenset({S3Problem.BUSY, S3Problem.CONFLICT, S3Problem.GARBLED})


def s3_client() -> Any:
    """A client that tries once; boto3 reads credentials, region and endpoint from its standard places.

    Raises:
        SettingsError: The settings of boto3 are wrong, or the endpoint holds a password, which would show in errors.
    """
    _keep_credentials_out_of_logs()
    try:
        client = boto3.client(
            "s3",
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                # Tried again by infra.storage.s3_retry, which also covers bodies and has one budget for all.
                retries={"mode": "standard", "total_max_attempts": 1},
                # The farm sends checksums of its own. Those that boto3 would add travel in a trailer, which many
                # servers other than Amazon's refuse.
                request_checksum_calculation="when_required",
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(
            f"S3 cannot be used: {type(error).__name__}", where="AWS_*", hint="correct the AWS_* settings"
        ) from error
    if "@" in urlsplit(client.meta.endpoint_url).netloc:
        raise SettingsError(
            "holds a user or a password",
            where="AWS_ENDPOINT_URL",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead",
        )
    # Before the client's own look at redirects, which asks on and on where no region is named.
    client.meta.events.register_first("needs-retry.s3", refuse_redirect)
    return client


def understood(error: Exception) -> S3Error:
    """What an error of the client means. The text names codes and classes, never what the server wrote."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(error.response.get("Error", {}).get("Code", "")) or str(status)
        otherwise = S3Problem.REDIRECTED if is_redirect(status) else S3Problem.REFUSED
        problem = _BY_CODE.get(code) or _BY_STATUS.get(status, otherwise)
        return S3Error(problem, f"S3 answered {_plain(code)}", is_passing=problem in _PASSING)
    name = type(error).__name__
    if type(error) is HTTPClientError and isinstance(error.__context__, (TypeError, LocationParseError)):
        # The client's HTTP library trips over redirects with status 303, and over those to what is no address.
        return S3Error(S3Problem.REDIRECTED, "the endpoint sends elsewhere, in a way that cannot be followed")
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return S3Error(S3Problem.DENIED, f"there are no credentials for S3: {name}")
    if isinstance(error, FlexibleChecksumError):
        return S3Error(S3Problem.GARBLED, "the checksum of the server does not match", is_passing=True)
    if isinstance(error, SSLError):
        return S3Error(S3Problem.UNREACHABLE, f"S3 cannot be reached: {name}")
    if isinstance(
        error, (S3ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)
    ):
        return S3Error(S3Problem.UNREACHABLE, f"S3 cannot be reached: {name}", is_passing=True)
    return S3Error(S3Problem.REFUSED, f"the request to S3 cannot be made: {name}")


def pieces(body: Any, size: int = 1 << 20) -> Iterator[bytes]:
    """The body of an answer, read piece by piece.

    Raises:
        S3Error: It breaks off, or does not match a checksum that the server sent with it.
    """
    try:
        yield from body.iter_chunks(size)
    except CLIENT_ERRORS as error:
        raise understood(error) from error
    finally:
        body.close()


def _plain(code: str) -> str:
    """A code as far as it can be one: a server may write anything there."""
    return code if code.isascii() and code.isalnum() and len(code) <= 64 else "an unknown error"


def _keep_credentials_out_of_logs() -> None:
    """At DEBUG botocore logs the headers it signs, session tokens among them; at INFO where it found what."""
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
