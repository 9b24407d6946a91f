"""The loop without Ray: what it measures, saves and hands over, and that a broken run ends as an unbroken one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_worker import OneWorker, SilentTraining
from tiny_trainer import TinyTrainer, TinyTrainers

from farm.training.loop import Cadence, Outcome
from farm.training.progress import TrainingAdvanced, TrainingEvent
from farm.training.worker import WorkerSetup, run_worker
from infra.storage import open_store
from jobs.errors import Cancelled, TrainingFailed
from jobs.identity import sha256_of_bytes
from stages.training.build import TrainingRequest
from stages.training.trainer import Validation, Workers


class Recorder(SilentTraining):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.resumed_at: list[int] = []
        self.steps_seen: list[int] = []
        self.validations: list[tuple[int, float, bool]] = []

    def resumed(self, *, step: int) -> None:
        self.resumed_at.append(step)

    def advanced(self, *, step: int, steps: int, losses: Mapping[str, float]) -> None:
        self.steps_seen.append(step)

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        self.validations.append((step, score, is_best))


def setup_in(
    folder: Path, *, steps: int = 20, validate: int = 5, checkpoint: int = 4, **faults: Any
) -> WorkerSetup:
    return WorkerSetup(
        request=TrainingRequest(stage="renderer", clips=(), steps=steps),
        trainers=TinyTrainers(**faults),
        cadence=Cadence(checkpoint=checkpoint, keep=2, validate=validate),
        store=str(folder / "store"),
        prefix="training/tests/tiny/0123456789ab",
        logs=folder / "logs",
        threads=1,
    )


def trained(setup: WorkerSetup, listener: SilentTraining | None = None) -> Outcome:
    outcome = run_worker(setup, group=OneWorker(listener or SilentTraining()), device="cpu")
    assert outcome is not None
    return outcome


def weights_of(setup: WorkerSetup, outcome: Outcome) -> str:
    return sha256_of_bytes(open_store(setup.store).get(outcome.weights_key))


def test_it_validates_before_the_first_step_on_the_way_and_after_the_last(tmp_path: Path) -> None:
    recorder = Recorder()
    outcome = trained(setup_in(tmp_path, steps=13), recorder)
    assert [step for step, _, _ in recorder.validations] == [0, 5, 10, 13]
    assert outcome.steps == 13
    assert outcome.first_score == recorder.validations[0][1]
    assert outcome.best_score == min(score for _, score, _ in recorder.validations)
    assert recorder.steps_seen[-1] == 13


@settings(max_examples=12, deadline=None)
@given(
    breaks=st.lists(st.integers(1, 19), min_size=1, max_size=3),
    validate=st.integers(1, 9),
    checkpoint=st.integers(1, 9),
)
def test_a_run_that_dies_anywhere_ends_with_the_weights_of_an_unbroken_one(
    breaks: list[int], validate: int, checkpoint: int
) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        whole = setup_in(Path(one), validate=validate, checkpoint=checkpoint)
        unbroken = trained(whole)
        for step in breaks:
            broken = setup_in(Path(other), validate=validate, checkpoint=checkpoint, raise_at=step)
            # A step that an earlier start has saved already is not taken again, so it kills no more.
            with suppress(ValueError):
                trained(broken)
        resumed = trained(setup_in(Path(other), validate=validate, checkpoint=checkpoint))
        assert resumed == unbroken
        assert weights_of(broken, resumed) == weights_of(whole, unbroken)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = trained(setup_in(tmp_path))
    recorder = Recorder()
    again = trained(setup_in(tmp_path, raise_at=0), recorder)
    assert again == first
    assert recorder.resumed_at == [20]
    assert recorder.validations == []


def test_the_weights_handed_over_are_the_best_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([5.0, 3.0, 1.0, 4.0, 2.0])
    exported: dict[int, bytes] = {}
    export = TinyTrainer.export

    def validate(self: TinyTrainer) -> Validation:
        return Validation(losses={}, score=next(scores))

    def remember(self: TinyTrainer, path: Path) -> None:
        export(self, path)
        exported[self.step] = path.read_bytes()

    monkeypatch.setattr(TinyTrainer, "validate", validate)
    monkeypatch.setattr(TinyTrainer, "export", remember)
    setup = setup_in(tmp_path)
    outcome = trained(setup)
    assert (outcome.first_score, outcome.best_score, outcome.best_step) == (5.0, 1.0, 10)
    assert open_store(setup.store).get(outcome.weights_key) == exported[10]


def test_a_loss_that_is_no_number_stops_the_run_and_is_not_saved(tmp_path: Path) -> None:
    setup = setup_in(tmp_path, nan_at=8)
    with pytest.raises(TrainingFailed, match="step 8") as caught:
        trained(setup)
    assert caught.value.code == "training_diverged"
    assert "error" in caught.value.message
    assert "learning rate" in caught.value.hint
    saved = [key for key in open_store(setup.store).list("training") if "/checkpoints/" in key]
    assert [key[-20:] for key in saved] == ["00000004.safetensors"]


def test_a_score_that_is_no_number_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyTrainer, "validate", lambda self: Validation(losses={}, score=math.nan))
    with pytest.raises(TrainingFailed, match="score"):
        trained(setup_in(tmp_path))


def test_a_run_that_is_asked_to_stop_saves_the_step_it_has_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.training.loop._REPORT_SECONDS", 0.0)

    class Stopping(OneWorker):
        def tell(self, event: TrainingEvent) -> None:
            if isinstance(event, TrainingAdvanced) and event.step == 7:
                raise Cancelled("stopped")

    setup = setup_in(tmp_path, checkpoint=100)
    with pytest.raises(Cancelled):
        run_worker(setup, group=Stopping(SilentTraining()), device="cpu")
    recorder = Recorder()
    resumed = trained(setup, recorder)
    assert recorder.resumed_at == [7]
    whole = setup_in(tmp_path / "whole")
    assert weights_of(setup, resumed) == weights_of(whole, trained(whole))


def test_only_the_first_worker_measures_and_writes_and_all_meet_after_each_validation(tmp_path: Path) -> None:
    class Second(OneWorker):
        rank = 1
        count = 2
        meetings = 0

        def wait(self) -> None:
            self.meetings += 1

        def from_first(self, value: int | None) -> int | None:
            return None

    class Alone(TinyTrainers):
        def __call__(self, request: TrainingRequest, *, workers: Workers, device: str) -> TinyTrainer:
            # No process group here: the second worker's share is what matters, not its gradients.
            return TinyTrainer(request, workers=Workers(), faults=self)

    recorder = Recorder()
    group = Second(recorder)
    setup = replace(setup_in(tmp_path), trainers=Alone())
    assert run_worker(setup, group=group, device="cpu") is None
    assert group.meetings == 5
    assert recorder.validations == []
    assert list(open_store(setup.store).list("training")) == []
    assert not setup.logs.exists()


def test_curves_and_sheets_are_there_for_whoever_looks(tmp_path: Path) -> None:
    setup = setup_in(tmp_path)
    trained(setup)
    names = sorted(path.name for path in setup.logs.iterdir())
    assert [name for name in names if name.startswith("sheet")] == [
        f"sheet-{step:08d}.png" for step in (0, 5, 10, 15, 20)
    ]
    (events,) = (path for path in setup.logs.iterdir() if "tfevents" in path.name)
    content = events.read_bytes()
    for tag in (b"training/error", b"validation/error", b"validation/score", b"validation/sheet"):
        assert tag in content
