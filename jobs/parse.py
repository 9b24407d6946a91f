"""A render job from text or a file; every mistake at once, with its path, line and nearest known field."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jobs.documents import (
    LARGEST_DOCUMENT,
    Document,
    DocumentRefused,
    FieldPath,
    check_text,
    dotted,
    refuse,
)
from jobs.errors import SpecError, SpecMistake
from jobs.json_strict import read_json
from jobs.locations import resolve_location, take_location
from jobs.spec import RenderJob
from jobs.yaml_core import read_yaml

_WHAT_IS_MISSING = {
    "apiVersion": "write apiVersion: farm/v1",
    "kind": "write kind: RenderJob",
    "metadata": "write metadata: {name: NAME}",
    "metadata.name": "give the job a name",
    "spec": "write spec: with at least speech and subject",
    "spec.speech": "give the path or s3:// URI of the recorded speech",
    "spec.subject": "write builtin:NAME, or the folder or s3:// URI of a subject package",
}

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "model_type": "a mapping of fields",
    "model_attributes_type": "a mapping of fields",
    "dict_type": "a mapping of fields",
}

_BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedJob:
    """A render job together with the folder its relative paths start from.

    Attributes:
        job: The job exactly as written.
        folder: Absolute folder of the job's file.
    """

    job: RenderJob
    folder: Path

    @property
    def speech(self) -> str:
        """Absolute path or ``s3://`` URI of the speech."""
        return resolve_location(self.job.spec.speech, folder=self.folder)

    @property
    def subject(self) -> str:
        """``builtin:NAME``, or the absolute path or ``s3://`` URI of the subject package."""
        return resolve_location(self.job.spec.subject, folder=self.folder)

    def master(self, *, take: int) -> str:
        """Absolute path or ``s3://`` URI of a take's master; takes count from 1."""
        return take_location(resolve_location(self.job.master_uri, folder=self.folder), take=take)


def load_job(path: Path) -> LoadedJob:
    """Read a render job from a YAML or JSON file.

    Raises:
        SpecError: The file cannot be read, or the job in it has mistakes.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            # UTF-8 needs at most four bytes for a character, so what is longer is refused in any case.
            data = file.read(4 * LARGEST_DOCUMENT + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        mistake = SpecMistake(path="", code="unreadable", message=f"the file cannot be read: {reason}")
        raise SpecError(mistakes=[mistake], where=where, hint="check the path of the render job") from error
    except (UnicodeDecodeError, ValueError) as error:
        mistake = SpecMistake(path="", code="not_text", message="is not UTF-8 text")
        raise SpecError(mistakes=[mistake], where=where, hint="save the file as UTF-8") from error
    return parse_job(
        text, folder=path.parent.resolve(), where=where, json_only=path.suffix.lower() == ".json"
    )


def parse_job(text: str, *, folder: Path, where: str = "", json_only: bool = False) -> LoadedJob:
    """Read a render job from YAML or JSON text.

    Args:
        text: One document.
        folder: Absolute folder that relative paths in the job start from.
        where: What to call the text in errors.
        json_only: Whether YAML is out of the question, so that messages speak of JSON.

    Raises:
        SpecError: With every mistake that was found.
    """
    try:
        document = _read_document(text, json_only=json_only)
    except DocumentRefused as refusal:
        raise SpecError(mistakes=[refusal.mistake], where=where) from None
    found = list(document.mistakes)
    job: RenderJob | None = None
    try:
        job = RenderJob.model_validate(document.value)
    except ValidationError as error:
        seen = {mistake.path for mistake in found}
        mistakes = [_mistake(detail, document) for detail in error.errors(include_url=False)]
        found += [mistake for mistake in mistakes if mistake.path not in seen]
    if job is None or found:
        found.sort(key=lambda mistake: math.inf if mistake.line is None else mistake.line)
        raise SpecError(mistakes=found, where=where)
    return LoadedJob(job=job, folder=folder)


def _read_document(text: str, *, json_only: bool) -> Document:
    if len(text) > LARGEST_DOCUMENT:
        refuse("too_large", f"has more than {LARGEST_DOCUMENT} characters")
    check_text(text)
    if json_only:
        return read_json(text)
    if text.lstrip().startswith("{"):
        try:
            return read_json(text)
        except DocumentRefused:
            pass  # YAML's flow style starts with a brace too, and YAML's messages serve both
    return read_yaml(text)


def _mistake(detail: ErrorDetails, document: Document) -> SpecMistake:
    path: FieldPath = detail["loc"]
    code, message, hint = _explain(detail)
    known = path
    while known and known not in document.lines:  # a missing field is reported where its parent stands
        known = known[:-1]
    return SpecMistake(
        path=dotted(path), code=code, message=message, hint=hint, line=document.lines.get(known)
    )


def _explain(detail: ErrorDetails) -> tuple[str, str, str]:
    """The code, message and hint for one finding of pydantic."""
    kind, value, path = detail["type"], detail["input"], detail["loc"]
    context = detail.get("ctx", {})
    if kind == "missing":
        return "missing_field", "is missing", _WHAT_IS_MISSING.get(dotted(path), "")
    if kind == "extra_forbidden":
        parent = dotted(path[:-1])
        return "unknown_field", f"is not a field of {parent or 'a render job'}", _nearest_field(path)
    if kind in _EXPECTED:
        if not path and value is None:
            return "empty", "is empty", "see examples/hello.yaml"
        return "wrong_type", f"must be {_EXPECTED[kind]}, not {_shown(value)}", _rewrite(kind, value)
    if kind in ("literal_error", "enum"):
        options = _quoted_options(str(context.get("expected", "")))
        hint = _nearest(str(value), options)
        return "bad_value", f"must be {' or '.join(options)}, not {_shown(value)}", hint
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return "out_of_range", f"must be {words} {context[bound]:g}, not {_shown(value)}", ""
    if kind == "finite_number":
        return "out_of_range", f"must be a finite number, not {_shown(value)}", ""
    if kind == "value_error":
        return "bad_value", f"{context['error']}, but it is {_shown(value)}", ""
    return "bad_value", detail["msg"], ""


def _nearest_field(path: FieldPath) -> str:
    """The field the writer may have meant: the nearest sibling, or where a field of that name belongs."""
    name = str(path[-1])
    siblings = _fields_at(path[:-1])
    hint = _nearest(name, siblings)
    if hint:
        return hint
    homes = [dotted((*place, name)) for place in _places() if name in _fields_at(place)]
    if homes:
        return f"it belongs at {homes[0]}"
    return f"known fields: {', '.join(siblings)}"


def _nearest(name: str, options: list[str]) -> str:
    # The cut is difflib's own 0.6: near enough for two swapped or missing letters, too far for another word.
    lowered = {option.lower(): option for option in options}
    matches = difflib.get_close_matches(name[:64].lower(), list(lowered), n=1)
    return f"did you mean '{lowered[matches[0]]}'?" if matches else ""


def _model_at(path: FieldPath) -> type[BaseModel] | None:
    model: type[BaseModel] = RenderJob
    for part in path:
        by_name = {field.alias or name: field for name, field in model.model_fields.items()}
        field = by_name.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None
        model = inner
    return model


def _fields_at(path: FieldPath) -> list[str]:
    model = _model_at(path)
    return [field.alias or name for name, field in model.model_fields.items()] if model is not None else []


def _places(path: FieldPath = ()) -> list[FieldPath]:
    """Every place in a render job that holds fields, from the outside in."""
    inner = [(*path, name) for name in _fields_at(path) if _model_at((*path, name)) is not None]
    return [path, *(place for child in inner for place in _places(child))]


def _quoted_options(expected: str) -> list[str]:
    # pydantic writes the options as 'preview' or 'studio'
    return [part.strip("' ") for part in expected.replace(" or ", ",").split(",") if part.strip("' ")]


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text '{value if len(value) <= 40 else value[:37] + '...'}'"
    text = str(value)
    return f"the number {text if len(text) <= 24 else text[:21] + '...'}"


def _rewrite(kind: str, value: Any) -> str:
    """How to write the value so that it has the right type, where that is plain."""
    if kind == "string_type" and isinstance(value, int | float):
        return f'in quotes it is text: "{_shown(value).removeprefix("the number ")}"'
    if kind in ("int_type", "float_type") and isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return ""
        return "write the number without quotes"
    return ""
