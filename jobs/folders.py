"""Folders by pattern: which prepared clips a train job means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path, PurePath

from jobs.errors import InputNotFound
from jobs.spelling import hint_where_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundClips:
    """Folders of clips, each once, in the order of their patterns and sorted within one.

    Attributes:
        training: To learn from.
        held_out: For validation alone; none of them is in `training`.
    """

    training: tuple[Path, ...]
    held_out: tuple[Path, ...]


def matches(folder: Path, pattern: str) -> bool:
    """Whether a pattern means a folder.

    Args:
        folder: Absolute and normalised.
        pattern: Absolute and normalised; ``*`` and ``?`` match within one name, and nothing else has a meaning.
    """
    return PurePath(folder).match(literal_brackets(pattern))


def find_clips(clips: Sequence[str], *, held_out: Sequence[str]) -> FoundClips:
    """The folders that patterns match.

    Args:
        clips: Absolute patterns of clips to learn from.
        held_out: Absolute patterns of clips for validation alone; `clips` leave them out.

    Raises:
        InputNotFound: A pattern matches no folder, or `clips` match nothing that is not held out.
    """
    validation = _folders(held_out, field="spec.held_out")
    training = tuple(folder for folder in _folders(clips, field="spec.clips") if folder not in validation)
    if not training:
        raise InputNotFound(
            "every clip is held out, and none is left to learn from",
            where="spec.held_out",
            hint="hold out fewer clips",
        )
    return FoundClips(training=training, held_out=validation)


def _folders(patterns: Sequence[str], *, field: str) -> tuple[Path, ...]:
    found: dict[Path, None] = {}
    for index, pattern in enumerate(patterns):
        # Not Path.glob, whose * matches hidden names too, such as folders that are still being written.
        paths = glob(literal_brackets(pattern))  # noqa: PTH207
        folders = sorted(folder for path in paths if (folder := Path(path)).is_dir())
        if not folders:
            raise InputNotFound(
                f"no folder is called '{pattern}'",
                where=f"{field}[{index}]",
                hint=hint_where_missing(
                    pattern,
                    otherwise="name the folder of a prepared clip or subject, see farm subject prepare",
                    is_pattern=True,
                ),
            )
        found.update(dict.fromkeys(folders))
    return tuple(found)


def literal_brackets(pattern: str) -> str:
    """A pattern in which ``[`` means itself, as `glob` takes it."""
    # Names of downloaded clips hold brackets; a set of letters in them is never what their writer meant.
    return pattern.replace("[", "[[]")
