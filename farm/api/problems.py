"""Errors as answers: one form for all of them, and the status that says whose fault it is."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from farm.api.context import context_of
from farm.api.studio_files import without_folders
from farm.crashes import name_file
from farm.translation import translate
from jobs.errors import ExitCode, FarmError, InternalError, JournalError, Retry, SpecError, StoreError


class BadRequest(FarmError):
    """The request cannot be understood, whatever the farm does."""

    exit_code = ExitCode.USAGE
    default_code = "bad_request"


class MistakeAnswer(BaseModel):
    """One mistake in a job; `path` is the field."""

    path: str
    code: str
    message: str
    hint: str = ""
    line: int | None = None


class ErrorAnswer(BaseModel):
    """What went wrong, with what, and what to do.

    Attributes:
        code: For programs; it keeps its meaning.
        where: The field or object concerned.
        retry: Whether the same request can succeed: ``never``, ``later``, or ``elsewhere``, which is at once.
        exit_code: With which a command of the farm ends for the same reason.
        doc_url: Where the code is explained, on this server.
        request_id: Also in the header X-Request-ID; tell it to whoever runs the farm.
        mistakes: Of a job, everything that is wrong with it.
    """

    code: str
    message: str
    where: str = ""
    hint: str = ""
    retry: Retry = Retry.NEVER
    exit_code: int
    doc_url: str
    request_id: str
    mistakes: list[MistakeAnswer] = []


_BY_CODE: Final = {
    "no_key": 401,
    "key_unknown": 401,
    "key_expired": 401,
    "key_revoked": 401,
    "scope_missing": 403,
    "foreign_form": 403,
    "unknown_job": 404,
    "unknown_key": 404,
    "unknown_upload": 404,
    "unknown_batch": 404,
    "unknown_webhook": 404,
    "unknown_delivery": 404,
    "unknown_master": 404,
    "unknown_take": 404,
    "unknown_fragment": 404,
    "nothing_to_watch": 404,
    "unknown_segment": 404,
    "unknown_code": 404,
    "unknown_address": 404,
    "method_not_allowed": 405,
    "event_ahead": 409,
    "master_changed": 410,
    "segment_gone": 410,
    "webhooks_full": 409,
    "webhook_ended": 409,
    "receiver_unknown": 422,
    "token_taken": 409,
    "job_exists": 409,
    "queue_full": 429,
    "rate_limited": 429,
    "body_too_slow": 408,
    "unknown_body": 415,
    "body_too_large": 413,
    "no_such_frames": 422,
    "disk_full": 507,
}
_REFUSED: Final = frozenset(
    {
        *("wrong_state", "not_waivable", "budget_too_small", "in_quarantine", "nothing_to_retry"),
        *("nothing_to_requeue", "not_open", "not_over", "refused"),
        *("already_chosen", "nothing_to_choose", "choice_wanted"),
    }
)
_BY_EXIT_CODE: Final = {
    ExitCode.USAGE: 422,
    ExitCode.INPUT: 422,
    ExitCode.CASTING: 422,
    ExitCode.OUTPUT: 409,
    ExitCode.RENDER: 409,
    ExitCode.INFRASTRUCTURE: 503,
    ExitCode.ACCESS: 401,
    ExitCode.INTERNAL: 500,
}
_SECONDS_UNTIL_LATER: Final = 5


def status_of(error: FarmError) -> int:
    """The HTTP status of an error. Those that the farm tells have their code and exit code alone, no class."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if error.code in _REFUSED:
        return 409
    if error.retry is not Retry.NEVER:
        return 503
    if isinstance(error, StoreError):
        return 500
    return _BY_EXIT_CODE.get(error.exit_code, 500)


def handle_errors(app: FastAPI) -> None:
    """Whatever is raised becomes an answer of one form."""

    @app.exception_handler(FarmError)
    async def _told(request: Request, error: FarmError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        mistakes = [
            MistakeAnswer(
                path=".".join(str(part) for part in found["loc"]), code="bad_value", message=found["msg"]
            )
            for found in error.errors()
        ]
        refused = BadRequest("the request cannot be understood", where=mistakes[0].path if mistakes else "")
        return answer(request, refused, mistakes=mistakes)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, FarmError):
            return answer(request, error.__cause__)  # raised while a body was read
        if error.status_code == 400:
            return answer(request, BadRequest("is no JSON", where="body", code="bad_json", hint="send JSON"))
        codes = {404: "unknown_address", 405: "method_not_allowed"}
        refused = BadRequest(
            str(error.detail).lower(),
            where=request.url.path,
            code=codes.get(error.status_code, "bad_request"),
            hint="/openapi.json lists every address",
        )
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(request))
        return answer(request, refused, status=error.status_code, headers=headers)

    @app.exception_handler(ClientDisconnect)
    async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # which nobody reads

    @app.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
        internal = translate(error, where=request.url.path, otherwise=InternalError)
        name_file(internal, cache=context_of(request).cache, what="api")
        # The server cuts the connection after it: whoever keeps connections must not send the next request there.
        return answer(request, internal, headers={"Connection": "close"})


def _methods(request: Request) -> list[str]:
    """What an address takes; each method has a route of its own, and the first to match knows only of its own."""
    routes: list[APIRoute] = request.app.state.routes
    found = (route.methods or set() for route in routes if route.path_regex.match(request.url.path))
    return sorted(set[str]().union(*found))


def told_of(
    request: Request, error: FarmError, *, mistakes: list[MistakeAnswer] | None = None
) -> ErrorAnswer:
    """An error as whoever made the request may hear of it."""
    if isinstance(error, SpecError):
        mistakes = [MistakeAnswer(**mistake.as_record()) for mistake in error.mistakes]
    message, where, hint = error.message, error.where, error.hint
    if isinstance(error, InternalError):
        hint = "tell whoever runs the farm, with the request_id"  # its own names a file on this machine
    if isinstance(error, JournalError):
        where = "the journal"
    elif not isinstance(error, BadRequest):
        message, where = without_folders(message), without_folders(where)
    return ErrorAnswer(
        code=error.code,
        message=message,
        where=where,
        hint=hint,
        retry=error.retry,
        exit_code=error.exit_code,
        doc_url=f"{str(request.base_url).rstrip('/')}/v1/errors/{error.code}",
        request_id=request.scope["state"]["request_id"],
        mistakes=mistakes or [],
    )


def answer(
    request: Request,
    error: FarmError,
    *,
    status: int | None = None,
    headers: dict[str, str] | None = None,
    mistakes: list[MistakeAnswer] | None = None,
) -> JSONResponse:
    """An error as an answer."""
    status = status or status_of(error)
    told = told_of(request, error, mistakes=mistakes)
    headers = dict(headers or {})
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers["Retry-After"] = str(request.scope["state"].get("retry_after_s", _SECONDS_UNTIL_LATER))
    return JSONResponse(jsonable_encoder(told), status_code=status, headers=headers)


def documented(*statuses: int, needs_key: bool = True) -> dict[int | str, dict[str, Any]]:
    """The errors of an address for OpenAPI, with those that every address has."""
    every = sorted({*statuses, 422, 500, *((401, 403, 408, 413, 429, 503) if needs_key else ())})
    return {status: {"content": _FORM, "description": _MEANING[status]} for status in every}


# Not as a model: of an address that answers with a video, its errors would be told as videos too.
_FORM: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}


_MEANING: Final = {
    401: "No key, or one that is unknown, expired or revoked",
    403: "The key may not do this",
    404: "Unknown to this studio",
    408: "The body came too slowly",
    409: "Not as things stand, or the Idempotency-Key belongs to another request",
    410: "The file is no longer what the farm delivered, or was removed",
    413: "The body is too large",
    415: "A body of another kind than this address takes",
    416: "No such range",
    422: "The request or the job has mistakes",
    429: "Too many requests, or too much is queued; `where` names the limit, Retry-After the seconds to wait",
    500: "The farm itself failed",
    503: "The journal cannot be reached for now",
    507: "No space is left where the farm writes",
}
