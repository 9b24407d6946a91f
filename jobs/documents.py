"""A parsed text before anyone asks what it means, and how a text is refused."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NoReturn

from jobs.errors import SpecMistake

LARGEST_DOCUMENT = 250_000  # characters, which take three seconds to read; a render job has a few hundred
DEEPEST_NESTING = 16  # levels; a render job has three

FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed text.

    Attributes:
        value: Dicts, lists, text, numbers, booleans and None.
        lines: Line of each field, counted from 1; empty where the format does not tell.
        mistakes: What can be reported while the rest is still worth checking, such as duplicate keys.
    """

    value: Any
    lines: Mapping[FieldPath, int] = field(default_factory=dict)
    mistakes: tuple[SpecMistake, ...] = ()


class DocumentRefused(Exception):
    """The text cannot be read at all; ``mistake`` says where and why."""

    def __init__(self, mistake: SpecMistake) -> None:
        super().__init__(mistake)
        self.mistake = mistake


def refuse(code: str, message: str, *, hint: str = "", line: int | None = None) -> NoReturn:
    """Give up on a text.

    Raises:
        DocumentRefused: Always.
    """
    raise DocumentRefused(SpecMistake(path="", code=code, message=message, hint=hint, line=line))


def dotted(path: FieldPath) -> str:
    """A field's path as it is written in messages: ``spec.motion.head``, ``spec.items[2]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def check_text(text: str) -> None:
    """Refuse what no file, path or key can carry: Python keeps lone surrogates, UTF-8 cannot.

    Raises:
        DocumentRefused: The text is not valid Unicode.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        refuse("not_text", "holds characters that are not valid Unicode", hint="save the file as UTF-8")


def duplicate_key(path: FieldPath, *, line: int | None = None) -> SpecMistake:
    """The mistake of a field that is given twice."""
    return SpecMistake(
        path=dotted(path), code="duplicate_key", message="is given twice", hint="keep one of them", line=line
    )


def with_fields(document: Document, fields: Mapping[FieldPath, Any]) -> Document:
    """The document with other values in some fields; what does not hold fields yet becomes a mapping.

    Args:
        document: What was read; a document that is no mapping stays as it is.
        fields: New values by path.
    """
    if not fields or not isinstance(document.value, dict):
        return document
    value = deepcopy(document.value)
    for path, new in fields.items():
        inner = value
        for part in path[:-1]:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[path[-1]] = new
    # A new value stands on no line; a mistake in it must not point to the old one.
    replaced = tuple(fields)
    lines = {
        path: line
        for path, line in document.lines.items()
        if not any(path[: len(new)] == new for new in replaced)
    }
    return Document(value=value, lines=lines, mistakes=document.mistakes)
