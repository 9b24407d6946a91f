"""Captions of a render job: a file of cues that goes with the master, as it is written in the job.

output: {captions: hello.srt}
output: {captions: {uri: hello.vtt, language: en}}
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_serializer, model_validator
from pydantic_core import PydanticKnownError

from jobs.locations import check_location
from jobs.spec_model import Location, SpecModel, finding

UPLOADED: Final = "upload:"
"""What a job of the network calls a file that was uploaded; its name tells no form."""

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", re.ASCII)


class CaptionsForm(StrEnum):
    """How cues are written down."""

    SRT = "srt"
    VTT = "vtt"


def _checked_language(language: str) -> str:
    if not _LANGUAGE.fullmatch(language) or len(language) > 35:
        raise ValueError("must be a language tag, such as en or pt-BR")
    return language


class CaptionsInput(SpecModel):
    """The captions; where nothing but their place is given, that alone is written: ``captions: hello.srt``.

    Attributes:
        uri: Path or ``s3://`` URI of the file.
        language: Tag of the language that they are in, such as ``en`` or ``pt-BR``; players show it.
        form: ``srt`` or ``vtt``. When not given, the ending of the file's name says it.
    """

    uri: Location
    language: Annotated[str, AfterValidator(_checked_language)] | None = None
    form: Annotated[CaptionsForm | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _has_form(self) -> CaptionsInput:
        if self.form is None and self._form_of_name is None and not self.uri.startswith(UPLOADED):
            raise finding(
                "unknown_captions",
                "is named like neither .srt nor .vtt",
                hint="give spec.output.captions.form",
            )
        return self

    @property
    def known_form(self) -> CaptionsForm:
        """Given, or as the name has it; WebVTT where neither says so, which is of uploads alone."""
        return self.form or self._form_of_name or CaptionsForm.VTT

    @property
    def _form_of_name(self) -> CaptionsForm | None:
        ending = self.uri.rpartition(".")[2].lower()
        return CaptionsForm(ending) if ending in set(CaptionsForm) else None

    @model_serializer
    def _as_written(self) -> str | dict[str, Any]:
        given = {
            name: value
            for name, value in (
                ("language", self.language),
                ("form", None if self.form is None else self.form.value),
            )
            if value is not None
        }
        return {"uri": self.uri, **given} if given else self.uri


def checked_captions(captions: Any) -> Any:
    """A plain path is the short form of a mapping with nothing but ``uri``."""
    if isinstance(captions, str):
        check_location(captions)
        return {"uri": captions}
    if captions is None or isinstance(captions, dict | CaptionsInput):
        return captions
    raise PydanticKnownError("string_type")


def captions_location(master: str, form: CaptionsForm) -> str:
    """Where the captions of a master go: ``hello.captions.srt`` beside ``hello.mp4``."""
    folder, slash, name = master.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}.captions.{form.value}"
