"""Whatever the text, the parser of train jobs answers with a job or with mistakes, and never with another exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import SpecError
from jobs.identity import canonical_json
from jobs.parse import parse_training

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = [path.read_text() for path in sorted(EXAMPLES.glob("train-*.yaml"))]
FRAGMENTS = st.sampled_from(
    [
        *"{}[],'\"|>~#?:-&*!%\\\t\n\0\ufeff\ud800/.",
        "*a",
        "&a",
        "- ",
        ": ",
        "null",
        "1e999",
        "**",
        "s3://",
        "base",
    ]
)
STAGES = st.sampled_from(["moda", "faco", "renderer"])
PLACES = st.sampled_from(
    ["a", "a/*", "/", ".", "..", "[", "a[b", "*", "?", "s3://bucket/a", "base", "x.safetensors"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | PLACES | STAGES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)
SPEC_FIELDS = st.sampled_from(
    [
        *("stage", "clips", "held_out", "preset", "start_from", "subject", "seed", "steps", "workers"),
        *("learning_rate", "network", "checkpoints", "validation", "output", "clip"),
    ]
)
NETWORK_FIELDS = st.sampled_from(
    ["attention", "posterior", "encoder", "temporal_encoding", "losses", "every"]
)


def check(text: str, fields: dict[tuple[str | int, ...], Any] | None = None) -> None:
    refusal: SpecError | None = None
    try:
        loaded = parse_training(text, folder=Path("/jobs"), fields=fields)
    except SpecError as error:
        refusal = error
    if refusal is not None:
        assert refusal.mistakes
        json.dumps(refusal.as_record())
        str(refusal).encode()
        return
    record = loaded.job.as_record()
    canonical_json(record)
    again = parse_training(json.dumps(record), folder=Path("/jobs"))
    assert again.job.as_record() == record
    assert all(pattern.startswith("/") for pattern in loaded.clip_patterns + loaded.held_out_patterns)


@settings(max_examples=200, deadline=None)
@given(
    text=st.sampled_from(TEXTS),
    edits=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 8), FRAGMENTS), min_size=1, max_size=5),
)
def test_a_damaged_job_gives_mistakes(text: str, edits: list[tuple[int, int, str]]) -> None:
    for place, removed, fragment in edits:
        text = text[:place] + fragment + text[place + removed :]
    check(text)


@settings(max_examples=200, deadline=None)
@given(
    stage=STAGES,
    clips=st.lists(PLACES, min_size=1, max_size=3),
    spec=st.dictionaries(SPEC_FIELDS, VALUES, max_size=2),
    network=st.dictionaries(NETWORK_FIELDS, VALUES, max_size=2),
)
def test_any_value_anywhere_gives_a_job_or_mistakes(
    stage: str, clips: list[str], spec: dict[str, Any], network: dict[str, Any]
) -> None:
    record = {
        "apiVersion": "farm/v1",
        "kind": "TrainJob",
        "metadata": {"name": "x"},
        "spec": {"stage": stage, "clips": clips, "network": network, **spec},
    }
    check(json.dumps(record))


@settings(max_examples=200, deadline=None)
@given(
    text=st.sampled_from([*TEXTS, "", "[]", "a: 1", '{"spec": 3}', '{"metadata": {}}']),
    fields=st.dictionaries(
        st.tuples(st.just("spec"), SPEC_FIELDS)
        | st.tuples(st.just("spec"), st.just("network"), NETWORK_FIELDS)
        | st.just(("metadata", "name")),
        VALUES,
        max_size=3,
    ),
)
def test_any_replaced_field_gives_a_job_or_mistakes(
    text: str, fields: dict[tuple[str | int, ...], Any]
) -> None:
    check(text, fields)
