from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import compare_runs
from benchmarks.compare_runs import seconds_to_reach
from stages.training.history import append_history, read_history


def a_run(path: Path, *values: float) -> Path:
    for index, value in enumerate(values):
        append_history(path, step=100 * index, seconds=60.0 * index, losses={"psnr": value})
    return path


@pytest.mark.parametrize(
    ("value", "seconds"), [(5.0, 0.0), (15.0, 30.0), (20.0, 60.0), (25.0, 90.0), (31.0, None)]
)
def test_the_time_to_a_quality_lies_between_the_validations_around_it(
    tmp_path: Path, value: float, seconds: float | None
):
    history = read_history(a_run(tmp_path / "history.jsonl", 10.0, 20.0, 30.0))
    assert seconds_to_reach(history, measure="psnr", value=value) == seconds


def test_runs_are_compared_in_a_table_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    fast, slow = a_run(tmp_path / "fast", 10.0, 30.0), a_run(tmp_path / "slow", 10.0, 12.0)
    arguments = [f"base={fast}", f"scratch={slow}", "--measure", "psnr", "--reach", "20"]
    monkeypatch.setattr(sys, "argv", ["compare_runs", *arguments, "--plot", str(tmp_path / "curves.png")])
    compare_runs.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split("|")[-2].strip() == "0.5"
    assert lines[3].split("|")[-2].strip() == "not reached"
    assert (tmp_path / "curves.png").stat().st_size > 5000
