"""What an error of the client, or the answer behind it, means to the farm."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    SSLError,
)
from botocore.exceptions import ConnectionError as S3ConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, LocationParseError, NameResolutionError

from infra.storage.s3_problems import S3Error, S3Problem
from infra.storage.s3_redirects import is_redirect, place_of

CLIENT_ERRORS: Final = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
"""Everything that a request of the client raises; some are OSErrors too, so catch them before those."""

_RENEW: Final = "the session has ended: renew its credentials (AWS_SESSION_TOKEN, or log in again)"
_KEYS: Final = (
    "check the credentials AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: the server does not take this pair"
)
_ACCOUNT: Final = "ask whoever keeps the account or the bucket: access to it as a whole is switched off"
_CLOCK: Final = "set the clock of this machine, such as by NTP; or the server's, if that one is wrong"

_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
_DENIED: Final = {
    **dict.fromkeys(("AccessDenied", "AccessForbidden", "UnauthorizedAccess", "Unauthorized"), ""),
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidToken"),
        _RENEW,
    ),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "AuthFailure"), _KEYS),
    **dict.fromkeys(("InvalidClientTokenId", "UnrecognizedClientException"), _KEYS),
    **dict.fromkeys(("AllAccessDisabled", "AccountProblem", "NotSignedUp", "InvalidPayer"), _ACCOUNT),
    **dict.fromkeys(("UserProjectAccountProblem", "UserSuspended", "UserDisabled"), _ACCOUNT),
    **dict.fromkeys(_SKEWED, _CLOCK),
}
"""Codes of refusals that no waiting cures, with what to do where it is more than to look at the rights."""

_BY_CODE: Final = {
    "NoSuchKey": S3Problem.NO_OBJECT,
    "NoSuchBucket": S3Problem.NO_BUCKET,
    "InvalidBucketName": S3Problem.NO_BUCKET,
    "NoSuchUpload": S3Problem.NO_UPLOAD,
    "InvalidPart": S3Problem.NO_UPLOAD,
    "PreconditionFailed": S3Problem.EXISTS,
    "ConditionalRequestConflict": S3Problem.CONFLICT,
    "OperationAborted": S3Problem.CONFLICT,
    "NotImplemented": S3Problem.UNSUPPORTED,
    "InvalidObjectState": S3Problem.ARCHIVED,
    "ObjectNotInActiveTierError": S3Problem.ARCHIVED,
    "RestoreAlreadyInProgress": S3Problem.ARCHIVED,
    # Signed for another region than the bucket's.
    "AuthorizationHeaderMalformed": S3Problem.REDIRECTED,
    **dict.fromkeys(_DENIED, S3Problem.DENIED),
    # What arrived is not what was sent: sent again, it may arrive whole.
    **dict.fromkeys(
        ("BadDigest", "IncompleteBody", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
        S3Problem.GARBLED,
    ),
    # Some servers throttle with 400 or 403, which say the contrary.
    **dict.fromkeys(
        (
            *("RequestTimeout", "RequestTimeoutException", "SlowDown", "PriorRequestNotComplete"),
            *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
            *("RequestThrottledException", "TooManyRequests", "TooManyRequestsException"),
            *("RequestLimitExceeded", "LimitExceededException", "BandwidthLimitExceeded"),
        ),
        S3Problem.BUSY,
    ),
}
# Each server has its own name for it: QuotaExceeded, XMinioStorageFull, XMinioAdminBucketQuotaExceeded, ...
_FULL: Final = re.compile(
    r"Quota|StorageFull|StorageCap|InsufficientStorage|InsufficientSpace|DiskFull|NoSpace"
)
_BY_STATUS: Final = {
    401: S3Problem.DENIED,
    403: S3Problem.DENIED,
    404: S3Problem.NO_OBJECT,
    408: S3Problem.BUSY,
    409: S3Problem.CONFLICT,
    412: S3Problem.EXISTS,
    429: S3Problem.BUSY,
    501: S3Problem.UNSUPPORTED,
    507: S3Problem.FULL,
}
_PASSING: Final = frozenset({S3Problem.BUSY, S3Problem.CONFLICT, S3Problem.GARBLED})

# Classes of errors about credentials that are asked for elsewhere; not every release of the client has all of them.
_NO_CREDENTIALS: Final = frozenset(
    {
        *("CredentialRetrievalError", "TokenRetrievalError", "SSOError", "LoginError", "NoAuthTokenError"),
        *("ProfileNotFound", "UnknownCredentialError", "UnknownTokenProviderError"),
    }
)
_LARGEST_SKEW_S: Final = 300  # Amazon takes 900; a clock that is five minutes off is worth a word


def understood(error: Exception) -> S3Error:
    """What an error of the client means. The text names codes and classes, never what the server wrote."""
    if isinstance(error, ClientError):
        return _answered(error.response)
    name = type(error).__name__
    if type(error) is HTTPClientError and isinstance(error.__context__, (TypeError, LocationParseError)):
        # The client's HTTP library trips over redirects with status 303, and over those to what is no address.
        return S3Error(S3Problem.REDIRECTED, "the endpoint sends elsewhere, in a way that cannot be followed")
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return S3Error(S3Problem.DENIED, f"there are no credentials for S3: {name}")
    if _NO_CREDENTIALS & {kind.__name__ for kind in type(error).__mro__}:
        return S3Error(S3Problem.DENIED, f"the credentials for S3 cannot be had: {name}", advice=_RENEW)
    if isinstance(error, FlexibleChecksumError):
        return S3Error(S3Problem.GARBLED, "the checksum of the server does not match", is_passing=True)
    if isinstance(error, SSLError):
        return S3Error(
            S3Problem.UNREACHABLE,
            f"S3 cannot be reached safely: {name}",
            advice="check the certificate of the endpoint; AWS_CA_BUNDLE names the file of an authority of one's own",
        )
    if isinstance(
        error,
        (
            *(S3ConnectionError, HTTPClientError, IncompleteReadError, MetadataRetrievalError),
            *(ResponseParserError, HTTPError),
        ),
    ):
        return _unreachable(error)
    return S3Error(S3Problem.REFUSED, f"the request to S3 cannot be made: {name}")


def _answered(response: Mapping[str, Any]) -> S3Error:
    about = response.get("ResponseMetadata", {})
    status = int(about.get("HTTPStatusCode", 0))
    code = str(response.get("Error", {}).get("Code", "")) or str(status)
    problem = _BY_CODE.get(code) or _by_status(status, code)
    text, advice = f"S3 answered {_plain(code)}", _DENIED.get(code, "")
    if problem is S3Problem.ARCHIVED:
        text += ", as it does of an archived object"
    if problem in (S3Problem.DENIED, S3Problem.REFUSED):
        behind_s = _behind_s(about.get("HTTPHeaders", {}))
        if abs(behind_s) > _LARGEST_SKEW_S:
            minutes, way = round(abs(behind_s) / 60), "behind" if behind_s > 0 else "ahead of"
            text, advice = f"{text}; this machine's clock is {minutes} minutes {way} the server's", _CLOCK
    is_unexplained = code == str(status) and problem in (S3Problem.DENIED, S3Problem.REFUSED)
    return S3Error(
        problem, text, is_passing=problem in _PASSING, is_unexplained=is_unexplained, advice=advice
    )


def _by_status(status: int, code: str) -> S3Problem:
    if _FULL.search(code):
        return S3Problem.FULL
    if status >= 500:
        return _BY_STATUS.get(status, S3Problem.BUSY)
    return _BY_STATUS.get(status, S3Problem.REDIRECTED if is_redirect(status) else S3Problem.REFUSED)


def _behind_s(headers: Mapping[str, str]) -> float:
    """Seconds that the clock of this machine is behind the server's; 0 where the server does not tell its time."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp() - time.time()
    except (KeyError, ValueError, OverflowError):
        return 0.0


def _unreachable(error: Exception) -> S3Error:
    advice, text = "", type(error).__name__
    if isinstance(error, ProxyConnectionError):
        advice = "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the proxy"
    elif isinstance(error, EndpointConnectionError):
        place = place_of(str(error.kwargs.get("endpoint_url", "")), bucket="")
        text += f" at {place}" if place else ""
        if isinstance(error.kwargs.get("error"), NameResolutionError):
            text = f"no address is known for {place or 'the endpoint'}"
            advice = (
                "check AWS_ENDPOINT_URL for a typing mistake; if it is right, the name server is away for now"
            )
    return S3Error(S3Problem.UNREACHABLE, f"S3 cannot be reached: {text}", is_passing=True, advice=advice)


def _plain(code: str) -> str:
    """A code as far as it can be one: a server may write anything there."""
    return code if code.isascii() and code.isalnum() and len(code) <= 64 else "an unknown error"
