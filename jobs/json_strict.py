"""JSON text into a document; duplicate keys are reported instead of the last one winning in silence."""

from __future__ import annotations

import json
from typing import Any

from jobs.documents import DEEPEST_NESTING, Document, FieldPath, check_text, duplicate_key, refuse
from jobs.errors import SpecMistake


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object, before duplicates are looked for."""


def read_json(text: str) -> Document:
    """Read JSON.

    Raises:
        DocumentRefused: The text is not JSON, is nested too deep, or escapes to invalid Unicode.
    """
    try:
        raw = json.loads(text, object_pairs_hook=_Members)
    except json.JSONDecodeError as error:
        refuse("syntax", f"is not valid JSON: {error.msg}", line=error.lineno)
    except ValueError:
        refuse("syntax", "is not valid JSON: a number has too many digits")
    except RecursionError:
        refuse("too_deep", f"is nested deeper than {DEEPEST_NESTING} levels")
    mistakes: list[SpecMistake] = []
    return Document(value=_plain(raw, (), mistakes), mistakes=tuple(mistakes))


def _plain(raw: Any, path: FieldPath, mistakes: list[SpecMistake]) -> Any:
    if len(path) > DEEPEST_NESTING:
        refuse("too_deep", f"is nested deeper than {DEEPEST_NESTING} levels")
    if isinstance(raw, _Members):
        members: dict[str, Any] = {}
        for key, value in raw:
            check_text(key)
            if key in members:
                mistakes.append(duplicate_key((*path, key)))
            members[key] = _plain(value, (*path, key), mistakes)
        return members
    if isinstance(raw, list):
        return [_plain(item, (*path, index), mistakes) for index, item in enumerate(raw)]
    if isinstance(raw, str):
        check_text(raw)
    return raw
