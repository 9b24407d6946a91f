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
from urllib3.exceptions import HTTPError

from infra.storage.s3_problems import Problem, S3Error
from jobs.errors import SettingsError

CLIENT_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
"""Everything that a request of the client raises; some are OSErrors too, so catch them before those."""

_BY_CODE: Final = {
    "NoSuchKey": Problem.NO_OBJECT,
    "NoSuchBucket": Problem.NO_BUCKET,
    "NoSuchUpload": Problem.NO_UPLOAD,
    "InvalidPart": Problem.NO_UPLOAD,
    "PreconditionFailed": Problem.EXISTS,
    "ConditionalRequestConflict": Problem.CONFLICT,
    "OperationAborted": Problem.CONFLICT,
    "NotImplemented": Problem.UNSUPPORTED,
    "InvalidAccessKeyId": Problem.DENIED,
    "SignatureDoesNotMatch": Problem.DENIED,
    "AccessDenied": Problem.DENIED,
    "ExpiredToken": Problem.DENIED,
    "InvalidToken": Problem.DENIED,
    # What arrived is not what was sent: sent again, it may arrive whole.
    "BadDigest": Problem.GARBLED,
    "IncompleteBody": Problem.GARBLED,
    "XAmzContentChecksumMismatch": Problem.GARBLED,
    "XAmzContentSHA256Mismatch": Problem.GARBLED,
    "RequestTimeout": Problem.BUSY,
    "RequestTimeTooSkewed": Problem.DENIED,
    "SlowDown": Problem.BUSY,
    "Throttling": Problem.BUSY,
    "ThrottlingException": Problem.BUSY,
}
_BY_STATUS: Final = {
    401: Problem.DENIED,
    403: Problem.DENIED,
    404: Problem.NO_OBJECT,
    408: Problem.BUSY,
    409: Problem.CONFLICT,
    412: Problem.EXISTS,
    429: Problem.BUSY,
    500: Problem.BUSY,
    501: Problem.UNSUPPORTED,
    502: Problem.BUSY,
    503: Problem.BUSY,
    504: Problem.BUSY,
}
_PASSING: Final = frozenset({Problem.BUSY, Problem.CONFLICT, Problem.GARBLED})


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
    return client


def understood(error: Exception) -> S3Error:
    """What an error of the client means. The text names codes and classes, never what the server wrote."""
    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(error.response.get("Error", {}).get("Code", "")) or str(status)
        problem = _BY_CODE.get(code) or _BY_STATUS.get(status, Problem.REFUSED)
        return S3Error(problem, f"S3 answered {_plain(code)}", is_passing=problem in _PASSING)
    name = type(error).__name__
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return S3Error(Problem.DENIED, f"there are no credentials for S3: {name}")
    if isinstance(error, FlexibleChecksumError):
        return S3Error(Problem.GARBLED, "the checksum of the server does not match", is_passing=True)
    if isinstance(error, SSLError):
        return S3Error(Problem.UNREACHABLE, f"S3 cannot be reached: {name}")
    if isinstance(
        error, (S3ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)
    ):
        return S3Error(Problem.UNREACHABLE, f"S3 cannot be reached: {name}", is_passing=True)
    return S3Error(Problem.REFUSED, f"the request to S3 cannot be made: {name}")


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
