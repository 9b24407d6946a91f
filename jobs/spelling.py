"""Names that look alike and are not the same: a letter with an accent is one character in some, and two in others."""

from __future__ import annotations

import json
import re
import unicodedata
from fnmatch import translate
from pathlib import Path


def hint_where_missing(location: str, *, otherwise: str, is_pattern: bool = False) -> str:
    """What to do about a path at which there is nothing.

    Args:
        location: The path.
        otherwise: What to do where nothing of the same look is there either.
        is_pattern: Whether ``*`` and ``?`` in it match anything.
    """
    if location.isascii():
        return otherwise
    path = Path(location).absolute()
    found = [Path(path.anchor)]
    for name in path.parts[1:]:
        found = [below for place in found for below in _of_the_look(name, place, is_pattern=is_pattern)]
    if not found:
        return otherwise
    shown = found[0].relative_to(_common(path, found[0])).as_posix()
    return f"it is there in another Unicode form: write {json.dumps(shown)}, with these quotes, or rename it"


def _of_the_look(name: str, place: Path, *, is_pattern: bool) -> list[Path]:
    look = unicodedata.normalize("NFC", name)
    alike = re.compile(translate(look.replace("[", "[[]")) if is_pattern else re.escape(look) + r"\Z")
    try:
        # As it is written first; a folder that may only be passed through cannot be listed.
        as_written = [place / name] if (place / name).exists() else []
        return as_written or [
            path for path in place.iterdir() if alike.match(unicodedata.normalize("NFC", path.name))
        ]
    except (OSError, ValueError):
        return []


def _common(path: Path, other: Path) -> Path:
    """The folder down to which two paths are the same."""
    return next(folder for folder in other.parents if path.is_relative_to(folder))
