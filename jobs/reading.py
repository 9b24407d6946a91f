"""From a file to a validated job of any kind, with every mistake at once."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from jobs.documents import LARGEST_DOCUMENT, Document, DocumentRefused, check_text, refuse
from jobs.errors import SpecError, SpecMistake
from jobs.json_strict import read_json
from jobs.kinds import COMMANDS, JobKind
from jobs.mistakes import mistake_at, mistakes_of
from jobs.spec_model import SpecModel
from jobs.yaml_core import read_yaml

JobT = TypeVar("JobT", bound=SpecModel)

MOST_MISTAKES = 100  # that are told; nobody reads more, and to explain a hundred thousand takes a minute


def read_file(path: Path, kind: JobKind[JobT]) -> tuple[str, Path, bool]:
    """The text of a file, its absolute folder, and whether its name says that it is JSON.

    Args:
        path: The file.
        kind: What should be in it.

    Raises:
        SpecError: The file cannot be read, or is not text.
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
        hint = f"check the path of the {kind.noun.partition(' ')[2]}"
        raise SpecError(mistakes=[mistake], where=where, hint=hint) from error
    except (UnicodeDecodeError, ValueError) as error:
        mistake = SpecMistake(path="", code="not_text", message="is not UTF-8 text")
        raise SpecError(mistakes=[mistake], where=where, hint="save the file as UTF-8") from error
    return text, path.parent.resolve(), path.suffix.lower() == ".json"


def read_document(text: str, *, json_only: bool, where: str) -> Document:
    """A text as plain values.

    Args:
        text: One document.
        json_only: Whether YAML is out of the question, so that messages speak of JSON.
        where: What to call the text in errors.

    Raises:
        SpecError: The text is neither YAML nor JSON.
    """
    try:
        if len(text) > LARGEST_DOCUMENT:
            refuse("too_large", f"has more than {LARGEST_DOCUMENT} characters")
        check_text(text)
        return _read_json_or_yaml(text, json_only=json_only)
    except DocumentRefused as refusal:
        raise SpecError(mistakes=[refusal.mistake], where=where) from None


def _read_json_or_yaml(text: str, *, json_only: bool) -> Document:
    if json_only:
        return read_json(text)
    if text.lstrip().startswith("{"):
        try:
            return read_json(text)
        except DocumentRefused:
            pass  # YAML's flow style starts with a brace too, and YAML's messages serve both
    return read_yaml(text)


def validated(document: Document, kind: JobKind[JobT], *, where: str) -> JobT:
    """The job in a document.

    Args:
        document: What was read.
        kind: The kind of job that should be in it.
        where: What to call the text in errors.

    Raises:
        SpecError: With every mistake that was found.
    """
    _refuse_other_kind(document, kind, where=where)
    found = list(document.mistakes)
    job: JobT | None = None
    try:
        job = kind.model.model_validate(document.value)
    except ValidationError as error:
        seen = {mistake.path for mistake in found}
        explained = islice(mistakes_of(error, kind=kind, document=document), MOST_MISTAKES + 1)
        found += [mistake for mistake in explained if mistake.path not in seen]
    if job is None or found:
        found.sort(key=lambda mistake: math.inf if mistake.line is None else mistake.line)
        raise SpecError(mistakes=_told(found), where=where)
    return job


def _told(found: list[SpecMistake]) -> list[SpecMistake]:
    """As many mistakes as somebody may read, and that there are more."""
    if len(found) <= MOST_MISTAKES:
        return found
    more = SpecMistake(
        path="", code="too_many", message="has more mistakes than are told", hint="is this a job?"
    )
    return [*found[:MOST_MISTAKES], more]


def _refuse_other_kind(document: Document, kind: JobKind[JobT], *, where: str) -> None:
    """A job of another kind has one mistake, the command; its fields are right where they are."""
    named = document.value.get("kind") if isinstance(document.value, dict) else None
    if not isinstance(named, str) or named == kind.name or named not in COMMANDS:
        return
    message, hint = f"is {named}, and this command takes {kind.name}", f"use {COMMANDS[named]}"
    other = mistake_at(("kind",), document, code="other_kind", message=message, hint=hint)
    raise SpecError(mistakes=[other], where=where)
