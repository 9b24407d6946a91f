from __future__ import annotations

from pathlib import Path

from stages.training.history import append_history, read_history


def test_a_run_that_was_set_back_writes_its_steps_once(tmp_path: Path):
    path = tmp_path / "logs" / "history.jsonl"
    for index, psnr in enumerate((10.0, 20.0, 30.0)):
        append_history(path, step=100 * index, seconds=60.0 * index, losses={"psnr": psnr})
    append_history(path, step=100, seconds=61.0, losses={"psnr": 21.0})
    assert [(entry.step, entry.losses["psnr"]) for entry in read_history(path)] == [(0, 10.0), (100, 21.0)]
