from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.training import checkpoint
from stages.training.checkpoint import load_checkpoint, save_checkpoint


def test_a_state_comes_back_as_it_was(tmp_path: Path):
    state = {"step": 3, "weights": {"a": torch.arange(4.0)}, "random": '{"state": 12345678901234567890}'}
    save_checkpoint(tmp_path / "deep" / "checkpoint.pt", state)
    again = load_checkpoint(tmp_path / "deep" / "checkpoint.pt")
    assert (again["step"], again["random"]) == (3, state["random"])
    assert torch.equal(again["weights"]["a"], torch.arange(4.0))


def test_without_a_checkpoint_training_starts_anew(tmp_path: Path):
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


@pytest.mark.parametrize("written", [0, 100])
def test_a_kill_while_writing_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})

    def killed(state, file):
        file.write(b"x" * written)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
    save_checkpoint(path, {"step": 3})
    assert load_checkpoint(path) == {"step": 3}


def test_a_first_checkpoint_that_was_cut_off_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(tmp_path / "checkpoint.pt", {"step": 1})
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("sprung"),)


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"step": Trap()}, tmp_path / "checkpoint.pt")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        load_checkpoint(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "sprung").exists()
