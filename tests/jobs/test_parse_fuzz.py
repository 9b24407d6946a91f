"""Whatever the text, the parser answers with a job or with mistakes, and never with another exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs.errors import SpecError
from jobs.identity import canonical_json
from jobs.parse import parse_job

EXAMPLE = (Path(__file__).parents[2] / "examples" / "hello.yaml").read_text()
LETTERS = "{}[],'\"|>=~#?:-&*!%\\\t\n\0\ufeff\ud800"
WORDS = [
    "&a",
    "*a",
    "!!int",
    "!x ",
    "? ",
    "- ",
    ": ",
    "<<: ",
    ".nan",
    "1e999",
    "\\U00110000",
    "%YAML 9.9\n",
    "---\n",
]
FRAGMENTS = st.sampled_from([*LETTERS, *WORDS])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "name",
    "project",
    "speech",
    "subject",
    "seed",
    "takes",
    "motion",
]


def check(text: str, *, json_only: bool = False) -> None:
    refusal: SpecError | None = None
    try:
        loaded = parse_job(text, folder=Path("/jobs"), json_only=json_only)
    except SpecError as error:
        refusal = error
    if refusal is not None:
        assert refusal.mistakes
        json.dumps(refusal.as_record())
        str(refusal).encode()
        return
    canonical_json(loaded.job.as_record())
    loaded.master(take=2).encode()


@settings(max_examples=300, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 8), FRAGMENTS), min_size=1, max_size=6
    )
)
def test_a_damaged_job_gives_mistakes(edits: list[tuple[int, int, str]]) -> None:
    text = EXAMPLE
    for place, removed, fragment in edits:
        text = text[:place] + fragment + text[place + removed :]
    check(text)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60) | st.lists(FRAGMENTS, max_size=12).map("".join))
@example(text="%YAML 99999999999999999999.1\n--- a")
@example(text="a: !!timestamp 2024-99-99")
@example(text="a: !!binary x")
@example(text="a: !<tag:yaml.org,2002:int> x")
@example(text="!!map [a]")
@example(text="!!seq {a: b}")
@example(text="!!int {a: b}")
@example(text='"' + "\\" * 7)
def test_any_text_gives_mistakes(text: str) -> None:
    check(text)
    check(text, json_only=True)


@settings(max_examples=200, deadline=None)
@given(place=st.lists(st.sampled_from(FIELDS), max_size=3), value=VALUES)
def test_any_value_anywhere_gives_a_job_or_mistakes(place: list[str], value: Any) -> None:
    record: Any = value
    for field in reversed(place):
        record = {field: record}
    if isinstance(record, dict):
        record = {"apiVersion": "farm/v1", "kind": "RenderJob", **record}
    check(json.dumps(record))
