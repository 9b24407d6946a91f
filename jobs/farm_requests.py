"""What users ask of a shared farm. Requests wait in the journal until the farm's coordinator answers them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from jobs.scheduling_spec import GpuSeconds


class Request(BaseModel):
    """How every request behaves: strict, frozen, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SubmitRequest(Request):
    """Take this job in.

    Attributes:
        document: The job as plain data, as its file holds it.
        folder: Where its relative paths start.
        studio: Who pays.
        on_hold: It shall wait for a resume.
        overwrite: Its masters may replace files that the farm did not write.
    """

    kind: Literal["submit"] = "submit"
    document: dict[str, Any]
    folder: str
    studio: str
    on_hold: bool = False
    overwrite: bool = False


class PauseRequest(Request):
    """Segments that run finish; no other starts."""

    kind: Literal["pause"] = "pause"
    job: str


class ResumeRequest(Request):
    """A held or paused job goes on, with a larger budget where its old one is spent."""

    kind: Literal["resume"] = "resume"
    job: str
    max_gpu_seconds: GpuSeconds | None = None


class CancelRequest(Request):
    """End the job."""

    kind: Literal["cancel"] = "cancel"
    job: str


class RetryRequest(Request):
    """A failed job, or one with segments in quarantine, tries those again."""

    kind: Literal["retry"] = "retry"
    job: str


class FramesRequest(Request):
    """Something about the segments that have frames in [first, stop)."""

    job: str
    first_frame: Annotated[int, Field(ge=0)]
    stop_frame: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _holds_a_frame(self) -> Self:
        if self.stop_frame <= self.first_frame:
            raise ValueError("the range holds no frame")
        return self


class RequeueRequest(FramesRequest):
    """Segments with frames in [first, stop) that were given up or waived go back in line."""

    kind: Literal["requeue"] = "requeue"


class WaiveRequest(FramesRequest):
    """The master does without the segments that have frames in [first, stop)."""

    kind: Literal["waive"] = "waive"


class ChooseRequest(Request):
    """Render this take of a job, and none of the others."""

    kind: Literal["choose"] = "choose"
    job: str
    take: Annotated[int, Field(ge=1)]


class WhyRequest(Request):
    """Why does nothing, or nothing more, of the job run?"""

    kind: Literal["why"] = "why"
    job: str


AnyRequest = Annotated[
    SubmitRequest
    | PauseRequest
    | ResumeRequest
    | CancelRequest
    | RetryRequest
    | RequeueRequest
    | WaiveRequest
    | ChooseRequest
    | WhyRequest,
    Field(discriminator="kind"),
]


class RequestAnswer(Request):
    """What came of a request: the job it is about and a sentence, or the error that refused it."""

    job: str = ""
    text: str = ""
    error: dict[str, Any] | None = None


_ADAPTER: TypeAdapter[AnyRequest] = TypeAdapter(AnyRequest)


def request_from_json(body: str) -> AnyRequest:
    """The request that a journal holds.

    Raises:
        ValidationError: It is no request of this version.
    """
    return _ADAPTER.validate_json(body)
