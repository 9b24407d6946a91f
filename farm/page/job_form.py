"""The form of a new job: its fields with limits and defaults come from the job's schema, their words stand here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from farm.page.sessions import Form
from jobs.spec import RenderJob
from jobs.spec_mistake import SpecMistake

SPEECH: Final = "spec.speech"
SUBJECT: Final = "spec.subject"
CAPTIONS: Final = "spec.output.captions"

_TRUTHS: Final = ("false", "true")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldWords:
    """What people read at a field.

    Attributes:
        path: Of the field in a job.
        choices: What each value means, where there are few.
        if_empty: What holds where nothing is chosen.
    """

    path: str
    label: str
    help: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    if_empty: str = ""


MAIN: Final = (
    FieldWords(path="metadata.name", label="Name", help="Letters, digits, '.', '_' and '-'."),
    FieldWords(path="metadata.project", label="Project", help="The production that it belongs to."),
    FieldWords(
        path="spec.output.profile",
        label="Size of the picture",
        choices={"preview": "Preview, 256 px", "full": "Full, 512 px"},
        if_empty="The subject's own",
    ),
    FieldWords(
        path="spec.output.form",
        label="How the renderer computes",
        help="The quicker ones need processors that have them.",
        choices={
            "exact": "In single precision, as it was trained",
            "bf16": "In 16 bits: quicker",
            "int8": "In 8 bits: quickest",
        },
    ),
    FieldWords(
        path="spec.output.draft",
        label="Draft",
        choices={"false": "No", "true": "Yes: every picture carries the word DRAFT"},
    ),
    FieldWords(
        path="spec.takes", label="Takes", help="Variants of the same words; each moves in its own way."
    ),
    FieldWords(
        path="spec.choose",
        label="Which of several takes is rendered",
        choices={"ask": "The one I choose, once I have seen each in lines"},
        if_empty="All of them",
    ),
    FieldWords(path="spec.seed", label="Seed", help="The same seed gives the same video."),
    FieldWords(
        path="spec.scheduling.tier",
        label="Urgency",
        choices={
            "interactive": "Interactive: before all others",
            "normal": "Normal",
            "bulk": "Bulk: when nothing else waits",
        },
    ),
)
MOTION: Final = (
    FieldWords(path="spec.motion.head", label="Head", help="How much the head turns and moves."),
    FieldWords(path="spec.motion.blink", label="Eyes", help="Eyelids and brows."),
    FieldWords(path="spec.motion.torso", label="Shoulders", help="How much they move."),
)
MORE: Final = (
    FieldWords(
        path="spec.speech.track",
        label="Audio track",
        help="Its number, from 1, or its language, such as eng, where the file has several.",
    ),
    FieldWords(
        path="spec.speech.gain_db", label="Gain, in dB", help="Empty: the level that motion was learned from."
    ),
    FieldWords(
        path="spec.output.captions.language",
        label="Language of the captions",
        help="A tag such as en or pt-BR; players show it.",
    ),
    FieldWords(
        path="spec.output.background",
        label="Background",
        help="A colour such as #00b140, or upload:… of a picture. Empty: the subject's own.",
    ),
    FieldWords(
        path="spec.inspection.policy",
        label="A segment whose pictures are not good",
        choices={
            "warn": "is used, with a note",
            "retry": "is rendered once more, then the job fails",
            "fail": "fails the job at once",
        },
    ),
    FieldWords(
        path="spec.scheduling.on_quarantine",
        label="When a segment is given up",
        choices={
            "fail": "the job fails",
            "hold": "the rest is rendered, and the job waits for you",
            "fill": "a picture stands still there",
        },
    ),
    FieldWords(
        path="spec.scheduling.max_failed_segments",
        label="Segments that may be given up",
        help="With more the job fails. Empty: any number.",
    ),
    FieldWords(
        path="spec.scheduling.max_gpu_seconds",
        label="Budget, in seconds of replicas",
        help="Once it is spent, the job waits for you. Empty: no limit.",
    ),
    FieldWords(
        path="spec.scheduling.preview_first",
        label="Segments to see first",
        help="So many, spread over the whole job, come before the others.",
    ),
    FieldWords(path="spec.scheduling.max_replicas", label="Replicas at once", help="Empty: no limit."),
    FieldWords(
        path="spec.scheduling.weight", label="Weight", help="Its share among your jobs of the same urgency."
    ),
)
LEFT_OUT: Final = frozenset(
    {
        "apiVersion",
        "kind",
        "spec.output.uri",
        "spec.output.captions.uri",
        "spec.output.captions.form",
        "spec.speech.uri",
    }
)
"""Fields of the schema that nobody chooses: they are given, or the farm's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLimits:
    """What the schema says of a field.

    Attributes:
        kind: ``text``, ``integer``, ``number``, ``choice`` or ``truth``, which is a choice of two.
        default: As people write it; empty where there is none.
    """

    kind: str
    least: float | None = None
    most: float | None = None
    default: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field as the page shows it.

    Attributes:
        mistakes: What is wrong with its value.
    """

    words: FieldWords
    limits: FieldLimits
    value: str
    mistakes: tuple[str, ...] = ()

    @property
    def element(self) -> str:
        """Its id in the page."""
        return element_of(self.words.path)


def element_of(path: str) -> str:
    """The id of a field's element."""
    return "field-" + path.replace(".", "-")


def _limits_of_schema() -> dict[str, FieldLimits]:
    schema = RenderJob.model_json_schema()
    kinds: Mapping[str, Any] = schema["$defs"]
    found: dict[str, FieldLimits] = {}

    def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
        """A field without the ways to leave it out or to write it short."""
        while True:
            if "$ref" in node:
                node = {**kinds[node["$ref"].rpartition("/")[2]], "default": node.get("default")}
            elif "anyOf" in node:
                ways = [each for each in node["anyOf"] if each.get("type") != "null"]
                nested = [each for each in ways if "$ref" in each]
                plain = next((each for each in ways if each.get("type") == "string"), ways[0])
                node = {**(nested[0] if nested else plain), "default": node.get("default")}
            else:
                return node

    def walk(node: Mapping[str, Any], path: str) -> None:
        required = set(node.get("required", ()))
        for name, below in node["properties"].items():
            here, known = f"{path}.{name}".lstrip("."), resolved(below)
            if "properties" in known:
                walk(known, here)
            else:
                found[here] = _limits(known, is_required=name in required)

    walk(schema, "")
    return found


def _written(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _limits(node: Mapping[str, Any], *, is_required: bool) -> FieldLimits:
    kind = {"integer": "integer", "number": "number", "boolean": "truth"}.get(node.get("type", ""), "text")
    default = node.get("default")
    if kind == "truth":
        return FieldLimits(kind=kind, default=_written(default), choices=_TRUTHS, is_required=is_required)
    choices = (node["const"],) if "const" in node else tuple(node.get("enum", ()))
    return FieldLimits(
        kind="choice" if choices else kind,
        least=node.get("minimum", node.get("exclusiveMinimum")),
        most=node.get("maximum"),
        default="" if default is None else _written(default),
        choices=choices,
        is_required=is_required,
    )


LIMITS: Final = _limits_of_schema()
"""Of each field of a render job, by its path."""


def fields_of(
    words: Iterable[FieldWords], values: Mapping[str, str], mistakes: Iterable[SpecMistake] = ()
) -> list[FormField]:
    """Fields with what stands in them, or their defaults, and what is wrong with that."""
    told = list(mistakes)
    return [
        FormField(
            words=each,
            limits=LIMITS[each.path],
            value=values.get(each.path, LIMITS[each.path].default),
            mistakes=mistakes_of(each.path, told),
        )
        for each in words
    ]


def mistakes_of(path: str, mistakes: Iterable[SpecMistake]) -> tuple[str, ...]:
    """What is wrong with one field, in words."""
    return tuple(
        f"{each.message}{f'; {each.hint}' if each.hint else ''}"
        for each in mistakes
        if each.path == path or (path in {SPEECH, CAPTIONS} and each.path == f"{path}.uri")
    )


def document_in(form: Form) -> dict[str, Any]:
    """The job that a form describes. What is no number stays a text, and the reader of jobs says so."""
    document: dict[str, Any] = {"apiVersion": "farm/v1", "kind": "RenderJob", "metadata": {}, "spec": {}}
    paths = [SPEECH, SUBJECT, CAPTIONS, *(each.path for each in (*MAIN, *MOTION, *MORE))]
    for path in paths:
        text = form.text(path)
        limits = LIMITS.get(path, FieldLimits(kind="text"))
        if text and text != limits.default:
            _put(document, path, _value(text, limits.kind, path))
    return document


def values_in(document: Mapping[str, Any]) -> dict[str, str]:
    """What a job's form would hold, so that another can be made from it."""
    found: dict[str, str] = {}

    def walk(node: Mapping[str, Any], path: str) -> None:
        for name, value in node.items():
            here = f"{path}.{name}".lstrip(".")
            if isinstance(value, Mapping):
                walk(value, here)
            elif value is not None:
                found[here] = _written(value)

    walk(document, "")
    for path in (SPEECH, CAPTIONS):
        if f"{path}.uri" in found:
            found[path] = found.pop(f"{path}.uri")
    return found


def _value(text: str, kind: str, path: str) -> Any:
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "truth" and text in _TRUTHS:
        return text == "true"
    if kind == "number" and _NUMBER.fullmatch(text):
        return float(text)
    if path == f"{SPEECH}.track" and text.isascii() and text.isdecimal() and len(text) < 5:
        return int(text)
    return text


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    place = document
    for name in above:
        below = place.setdefault(name, {})
        if not isinstance(below, dict):  # a short form, of which more is said now
            below = place[name] = {"uri": below}
        place = below
    place[last] = value
