"""Whatever a studio hands in, the farm answers with a coded error: no crash, no hang, no file where none belongs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from all_kinds import KINDS, make_cases
from report_table import outcome_table, problems
from worker_processes import run_cases

SEED = 2026


def check(count: int, folder: Path) -> None:
    outcomes = run_cases(make_cases(count, seed=SEED), folder=folder, workers=min(2, os.cpu_count() or 1))
    print(outcome_table(outcomes))
    assert len(outcomes) == count
    assert problems(outcomes) == ""
    # Bad input of different kinds is told apart: one code for everything would pass the rest.
    assert {outcome.case.kind for outcome in outcomes} == set(KINDS)
    assert len({outcome.code for outcome in outcomes}) > 20


@pytest.mark.timeout(600)
def test_bad_input_of_every_kind_ends_in_a_coded_error(tmp_path: Path):
    check(300, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_bad_inputs_end_in_coded_errors(tmp_path: Path):
    check(10_000, tmp_path)
