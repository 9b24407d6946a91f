"""What is wrong with a document, in words: the findings of pydantic with path, line and nearest known field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jobs.documents import Document, FieldPath, dotted
from jobs.errors import SpecMistake
from jobs.kinds import JobKind
from jobs.spec_model import SpecModel

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a mapping of fields",
    "model_attributes_type": "a mapping of fields",
    "dict_type": "a mapping of fields",
}

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def mistakes_of(
    error: ValidationError, *, kind: JobKind[SpecModel], document: Document
) -> Iterable[SpecMistake]:
    """Everything that pydantic found in a document that should hold a job of the kind."""
    for detail in error.errors(include_url=False):
        code, message, hint = _explain(detail, kind)
        path = detail["loc"]
        if code == "bad_value" and path[-1:] == ("[key]",):  # pydantic's word for the name of an entry
            path, message = path[:-1], f"as a name {message}"
        yield mistake_at(path, document, code=code, message=message, hint=hint)


def mistake_at(
    path: FieldPath, document: Document, *, code: str, message: str, hint: str = ""
) -> SpecMistake:
    """A mistake with the line of its field."""
    known = path
    while known and known not in document.lines:  # a missing field is reported where its parent stands
        known = known[:-1]
    return SpecMistake(
        path=dotted(path), code=code, message=message, hint=hint, line=document.lines.get(known)
    )


def _explain(detail: ErrorDetails, kind: JobKind[SpecModel]) -> tuple[str, str, str]:
    """The code, message and hint for one finding of pydantic."""
    found, value, path = detail["type"], detail["input"], detail["loc"]
    context = detail.get("ctx", {})
    if "hint" in context:  # the validator has said it all, see `finding`
        return found, context["message"], context["hint"]
    if found == "missing":
        return "missing_field", "is missing", kind.missing.get(_without_numbers(path), "")
    if found == "extra_forbidden":
        if name := kind.renamed.get(_without_numbers(path)):
            return "renamed", f"is called {name} by now", f"write {name}: instead"
        parent = dotted(path[:-1])
        return "unknown_field", f"is not a field of {parent or kind.noun}", _nearest_field(path, kind.model)
    if found in _EXPECTED:
        if not path and value is None:
            return "empty", "is empty", f"see {kind.example}"
        return "wrong_type", f"must be {_EXPECTED[found]}, not {_shown(value)}", _rewrite(found, value)
    if found in ("literal_error", "enum"):
        options = _quoted_options(str(context.get("expected", "")))
        hint = _nearest(str(value), options)
        return "bad_value", f"must be {' or '.join(options)}, not {_shown(value)}", hint
    if found in _BOUNDS:
        bound, words = _BOUNDS[found]
        return "out_of_range", f"must be {words} {context[bound]:g}, not {_shown(value)}", ""
    if found == "too_short":
        return "empty", "must hold at least one entry", kind.missing.get(dotted(path), "")
    if found == "finite_number":
        return "out_of_range", f"must be a finite number, not {_shown(value)}", ""
    if found == "value_error":
        return "bad_value", f"{context['error']}, but it is {_shown(value)}", ""
    return "bad_value", detail["msg"], ""


def _nearest_field(path: FieldPath, model: type[BaseModel]) -> str:
    """The field the writer may have meant: the nearest sibling, or where a field of that name belongs."""
    name = str(path[-1])
    siblings = _fields_at(path[:-1], model)
    hint = _nearest(name, siblings)
    if hint:
        return hint
    homes = [dotted((*place, name)) for place in _places((), model) if name in _fields_at(place, model)]
    if homes:
        # What must be given stands first in a job and is there already: the last is what was left out.
        return f"it belongs at {homes[-1]}"
    return f"known fields: {', '.join(siblings)}"


def _nearest(name: str, options: list[str]) -> str:
    # The cut is difflib's own 0.6: near enough for two swapped or missing letters, too far for another word.
    lowered = {option.lower(): option for option in options}
    matches = difflib.get_close_matches(name[:64].lower(), list(lowered), n=1)
    return f"did you mean '{lowered[matches[0]]}'?" if matches else ""


def _without_numbers(path: FieldPath) -> str:
    """A field's path as every entry of a list has it."""
    return dotted(tuple(part for part in path if isinstance(part, str)))


def _model_at(path: FieldPath, model: type[BaseModel]) -> type[BaseModel] | None:
    for part in path:
        if isinstance(part, int):  # an entry of a list, whose model the list's own field gave
            continue
        by_name = {field.alias or name: field for name, field in model.model_fields.items()}
        field = by_name.get(str(part))
        inner = _entry(field.annotation) if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None
        model = inner
    return model


def _entry(annotation: Any) -> Any:
    """What a list holds; anything else as it is."""
    return get_args(annotation)[0] if get_origin(annotation) is tuple else annotation


def _fields_at(path: FieldPath, root: type[BaseModel]) -> list[str]:
    model = _model_at(path, root)
    return [field.alias or name for name, field in model.model_fields.items()] if model is not None else []


def _places(path: FieldPath, root: type[BaseModel]) -> list[FieldPath]:
    """Every place in a job that holds fields, from the outside in."""
    inner = [(*path, name) for name in _fields_at(path, root) if _model_at((*path, name), root) is not None]
    return [path, *(place for child in inner for place in _places(child, root))]


def _quoted_options(expected: str) -> list[str]:
    # pydantic writes the options as 'preview' or 'full'
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


def _rewrite(found: str, value: Any) -> str:
    """How to write the value so that it has the right type, where that is plain."""
    if found == "string_type" and isinstance(value, int | float):
        return f'in quotes it is text: "{_shown(value).removeprefix("the number ")}"'
    if found in ("int_type", "float_type") and isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return ""
        return "write the number without quotes"
    return ""
