from __future__ import annotations

import re

import pytest

from benchmarks import snapshot_cost


def test_what_a_snapshot_costs_can_be_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["snapshot_cost", "--jobs", "2", "--segments", "50"])
    snapshot_cost.main()
    assert re.fullmatch(r"0\.00 MB, written in \d+\.\d\d s, read in \d+\.\d\d s\n", capsys.readouterr().out)
