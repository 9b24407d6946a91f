"""Whatever the text, the parser of evaluate jobs answers with a job or with mistakes, and with nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import SpecError
from jobs.identity import canonical_json
from jobs.parse import parse_evaluation

TEXT = (Path(__file__).parents[2] / "examples" / "evaluate.yaml").read_text()
FRAGMENTS = st.sampled_from(
    [*"{}[],'\"|>~#?:-&*!%\\\t\n\0\ufeff\ud800/.", "*a", "&a", "- ", ": ", "null", "1e999", "s3://", "[key]"]
)
PLACES = st.sampled_from(["a", "a/*", "/", "..", "[", "*", "**", "s3://bucket/a", "builtin:x", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | PLACES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | PLACES, inner, max_size=2)
    ),
    max_leaves=4,
)
SPEC_FIELDS = st.sampled_from(
    [
        "systems",
        "truth",
        "speech",
        "pairs",
        "takes",
        "measures",
        "sample_every",
        "workers",
        "output",
        "[key]",
    ]
)
PAIRS = st.lists(
    st.dictionaries(
        st.sampled_from(["system", "generated", "truth", "speech", "take"]), VALUES | PLACES, max_size=5
    ),
    max_size=2,
)


def check(text: str) -> None:
    refusal: SpecError | None = None
    try:
        loaded = parse_evaluation(text, folder=Path("/jobs"))
    except SpecError as error:
        refusal = error
    if refusal is not None:
        assert refusal.mistakes
        json.dumps(refusal.as_record())
        str(refusal).encode()
        return
    record = loaded.job.as_record()
    canonical_json(record)
    assert parse_evaluation(json.dumps(record), folder=Path("/jobs")).job.as_record() == record


@settings(max_examples=200, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 8), FRAGMENTS), min_size=1, max_size=5))
def test_a_damaged_job_gives_mistakes(edits: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for place, removed, fragment in edits:
        text = text[:place] + fragment + text[place + removed :]
    check(text)


@settings(max_examples=200, deadline=None)
@given(
    systems=st.dictionaries(st.text(max_size=3) | st.just("ours"), PLACES, max_size=2),
    pairs=PAIRS,
    spec=st.dictionaries(SPEC_FIELDS, VALUES, max_size=2),
)
def test_any_value_anywhere_gives_a_job_or_mistakes(
    systems: dict[str, str], pairs: list[dict[str, Any]], spec: dict[str, Any]
) -> None:
    record = {
        "apiVersion": "farm/v1",
        "kind": "EvaluateJob",
        "metadata": {"name": "x"},
        "spec": {"systems": systems, "truth": "a", "pairs": pairs, **spec},
    }
    check(json.dumps(record))
