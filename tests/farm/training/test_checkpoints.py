"""What is kept of a run, and what a damaged store does to it."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.scheduling import failure_policy
from farm.training.checkpoints import Checkpoint, CheckpointStore, Scores, best_of
from infra.storage.folder import FolderStore
from infra.storage.memory import MemoryStore
from jobs.errors import FarmError, Retry, StoreError, StoreUnavailable

PREFIX = "training/tests/tiny/0123456789ab"


def checkpoint(step: int, *, best_step: int = 0) -> Checkpoint:
    state = {"step": step, "weights": torch.full((4,), float(step))}
    return Checkpoint(step=step, trainer=state, scores=Scores(first=3.0, best=1.0, best_step=best_step))


def weights(folder: Path, step: int) -> Path:
    path = folder / "weights.safetensors"
    path.write_bytes(f"weights of step {step}".encode())
    return path


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    run = CheckpointStore(MemoryStore(), prefix=PREFIX, keep=2)
    run.export(0, weights(tmp_path, 0))
    run.save(checkpoint(200))
    found = run.newest()
    assert found is not None
    assert found.step == 200
    assert found.scores == Scores(first=3.0, best=1.0, best_step=0)
    assert torch.equal(found.trainer["weights"], torch.full((4,), 200.0))


def test_a_run_that_has_saved_nothing_starts_afresh() -> None:
    assert CheckpointStore(MemoryStore(), prefix=PREFIX, keep=2).newest() is None


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.floats(0, 10), min_size=1, max_size=12),
    validate=st.integers(1, 4),
    every=st.integers(1, 4),
    keep=st.integers(1, 3),
)
def test_every_kept_checkpoint_keeps_the_weights_that_were_best_when_it_was_made(
    scores: list[float], validate: int, every: int, keep: int
) -> None:
    store = MemoryStore()
    run = CheckpointStore(store, prefix=PREFIX, keep=keep)
    seen = Scores()
    best_at: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for step in range(len(scores)):
            if step % validate == 0:
                before, seen = seen, best_of(seen, step=step, score=scores[step])
                if seen != before and seen.best_step == step:
                    run.export(step, weights(Path(folder), step))
            if step and step % every == 0:
                run.save(Checkpoint(step=step, trainer={"step": step}, scores=seen))
                best_at[step] = seen.best_step
    kept = sorted(best_at)[-keep:]
    keys = set(store.list(PREFIX))
    assert {key for key in keys if "/checkpoints/" in key} == {
        f"{PREFIX}/checkpoints/step-{step:08d}.safetensors" for step in kept
    }
    for step in kept:
        assert run.weights_key(best_at[step]) in keys, f"the best weights of checkpoint {step} are gone"
    assert run.weights_key(seen.best_step) in keys, "the best weights of all are gone"
    if kept:
        saved = run.newest()
        assert saved is not None
        assert saved.step == kept[-1]


@pytest.mark.parametrize("damage", ["bytes flipped", "cut short", "emptied", "not a checkpoint"])
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_serves(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FolderStore(tmp_path / "store")
    run = CheckpointStore(store, prefix=PREFIX, keep=3)
    run.export(0, weights(tmp_path, 0))
    run.save(checkpoint(200))
    run.save(checkpoint(400))
    run.export(300, weights(tmp_path, 300))
    key = f"{PREFIX}/checkpoints/step-00000400.safetensors"
    path = tmp_path / "store" / key
    data = path.read_bytes()
    match damage:
        case "bytes flipped":
            path.write_bytes(data[:-3] + bytes(byte ^ 255 for byte in data[-3:]))
        case "cut short":
            path.write_bytes(data[: len(data) // 2])
        case "emptied":
            path.write_bytes(b"")
        case _:
            store.delete(key)
            store.put_if_absent(key, b"{}")
    with caplog.at_level(logging.WARNING):
        found = run.newest()
    assert found is not None
    assert found.step == 200
    assert "step 400" in caplog.text
    assert list(store.list(PREFIX)) == [
        f"{PREFIX}/checkpoints/step-00000200.safetensors",
        f"{PREFIX}/weights/step-00000000.safetensors",
    ], "what came after the intact one is forgotten, so that its steps are taken again"


def test_a_checkpoint_without_its_best_weights_is_none(tmp_path: Path) -> None:
    store = MemoryStore()
    run = CheckpointStore(store, prefix=PREFIX, keep=3)
    run.export(0, weights(tmp_path, 0))
    run.save(checkpoint(200))
    run.export(300, weights(tmp_path, 300))
    run.save(checkpoint(400, best_step=300))
    store.delete(run.weights_key(300))
    found = run.newest()
    assert found is not None
    assert found.step == 200


@pytest.mark.parametrize(
    "error", [StoreError("S3 answered AccessDenied", code="store_denied"), StoreUnavailable("no route")]
)
def test_a_store_that_refuses_or_does_not_answer_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: StoreError
) -> None:
    store, waits = MemoryStore(), list[FarmError]()
    monkeypatch.setattr(failure_policy, "FIRST_WAIT_S", 0.01)
    run = CheckpointStore(store, prefix=PREFIX, keep=3, limit_s=0.1, told=waits.append)
    run.export(0, weights(tmp_path, 0))
    run.save(checkpoint(200))

    def refuse(key: str) -> bytes:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store, "get", refuse)
        with pytest.raises(StoreError) as caught:
            run.newest()
    assert caught.value is error
    assert waits == ([error] if error.retry is Retry.LATER else []), "it is told once why it waits"
    found = run.newest()
    assert found is not None
    assert found.step == 200


def test_a_checkpoint_is_written_once_the_store_answers_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure_policy, "FIRST_WAIT_S", 0.01)
    store = MemoryStore()
    run = CheckpointStore(store, prefix=PREFIX, keep=3)
    put, failures = store.put_if_absent, iter(range(5))

    def away(key: str, data: bytes | Path) -> object:
        if next(failures, None) is not None:
            raise StoreUnavailable("S3 answered SlowDown")
        return put(key, data)

    monkeypatch.setattr(store, "put_if_absent", away)
    run.export(0, weights(tmp_path, 0))
    run.save(checkpoint(200))
    found = run.newest()
    assert found is not None
    assert found.step == 200


def test_another_copy_of_a_saved_step_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = CheckpointStore(MemoryStore(), prefix=PREFIX, keep=3)
    run.export(0, weights(tmp_path, 0))
    run.save(checkpoint(200))
    with caplog.at_level(logging.WARNING):
        run.save(
            Checkpoint(step=200, trainer={"step": 200, "other": True}, scores=Scores(first=3.0, best=1.0))
        )
    assert "step-00000200" in caplog.text
    found = run.newest()
    assert found is not None
    assert "other" not in found.trainer
