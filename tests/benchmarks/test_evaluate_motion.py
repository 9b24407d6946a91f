from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from motion_clips import moving_clip

from benchmarks.evaluate_motion import Table
from stages.training.motion_judging import ContestantRow, reference_rows
from stages.training.motion_scores import Diversity


@pytest.fixture(scope="module")
def rows() -> list[ContestantRow]:
    still, truth = reference_rows([moving_clip(frames=60, seed=seed) for seed in range(2)])
    drawn = ContestantRow(
        name="ours", scores=still.scores, diversity=Diversity(face=1.0, lips=0.5, eyes=0.25, head=0.0)
    )
    return [drawn, still, truth]


def test_a_table_names_its_speakers_and_has_a_cell_for_every_figure(rows: list[ContestantRow]):
    table = Table(title="Seen", speakers=("a", "b"), rows=tuple(rows))
    title, _, header, _, *lines = table.markdown().splitlines()
    assert title == "Seen: a, b"
    assert len(lines) == len(rows)
    assert {line.count("|") for line in lines} == {header.count("|")}


def test_a_table_is_json(rows: list[ContestantRow]):
    read = json.loads(json.dumps(asdict(Table(title="Seen", speakers=("a",), rows=tuple(rows)))))
    assert read["rows"][0]["scores"]["lmd"] == rows[0].scores.lmd
