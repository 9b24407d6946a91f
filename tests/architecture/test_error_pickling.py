"""Errors cross process borders: every class must come out of a pickle as it went in."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

import jobs.errors
import stages.errors

SAMPLES: dict[str, Any] = {"str": "text", "int": 3, "bool": True}


def tree(root: type[Exception]) -> list[type[Exception]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


STAGE_ERRORS = tree(stages.errors.StageError)
JOB_ERRORS = [
    kind
    for _, kind in inspect.getmembers(jobs.errors, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ in {"jobs.errors", "jobs.farm_error"}
]


def example(kind: type[Exception]) -> Exception:
    """An error made with text for each argument the class insists on."""
    needed: dict[str, Any] = {}
    positional: list[Any] = []
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        annotation = str(parameter.annotation)
        if parameter.default is not parameter.empty:
            continue
        value = SAMPLES.get(annotation, () if "tuple" in annotation or "Sequence" in annotation else "text")
        if "list" in annotation:
            value = []
        if parameter.kind is parameter.KEYWORD_ONLY:
            needed[parameter.name] = value
        else:
            positional.append(value)
    return kind(*positional, **needed)


@pytest.mark.parametrize("kind", [*STAGE_ERRORS, *JOB_ERRORS], ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[Exception]):
    error = example(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    for field in ("code", "what", "where", "hint", "message", "subject", "mistakes"):
        if hasattr(error, field):
            assert getattr(again, field) == getattr(error, field), field


def test_stage_errors_carry_four_plain_strings():
    error = stages.errors.SpeechError(code="speech_x", what="it is broken", hint="mend it", where="a.wav")
    assert (error.code, error.what, error.hint, error.where) == (
        "speech_x",
        "it is broken",
        "mend it",
        "a.wav",
    )
    assert str(error) == "[speech_x] a.wav: it is broken (mend it)"
    assert str(stages.errors.StageError(code="x", what="bare")) == "[x] bare"


def test_every_error_of_the_stages_is_defined_in_one_place():
    assert {kind.__module__ for kind in STAGE_ERRORS} == {"stages.errors"}
