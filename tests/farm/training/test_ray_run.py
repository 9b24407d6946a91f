"""Runs on real Ray Train workers: curves, errors and their owners. One cluster for the module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tiny_trainer
from one_worker import SilentTraining
from tiny_trainer import TinyTrainers

from farm.training.progress import TrainingReport
from farm.training.train_job import train
from infra.cluster import connected_cluster
from infra.hardware import Hardware
from infra.settings import FarmSettings
from jobs.errors import DataUnusable, ReplicaLost, TrainingFailed
from jobs.identity import sha256_of_file
from jobs.parse import LoadedTraining

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.timeout(180)]

TWO_CORES = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())


class Curve(SilentTraining):
    def __init__(self) -> None:
        self.scores: dict[int, float] = {}
        self.resumed_at: list[int] = []
        self.restarts: list[tuple[str, int]] = []

    def resumed(self, *, step: int) -> None:
        self.resumed_at.append(step)

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        self.scores[step] = score

    def restarted(self, *, reason: str, attempt: int) -> None:
        self.restarts.append((reason, attempt))


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected_cluster(logical_cpus=2, logical_gpus=0):
        # Imported here: Ray reads its environment, which the connection prepares, when it is imported.
        from ray import cloudpickle

        # The tiny trainer is part of no installed package, so it travels to the workers with its code.
        cloudpickle.register_pickle_by_value(tiny_trainer)
        yield
        cloudpickle.unregister_pickle_by_value(tiny_trainer)


@pytest.fixture
def run(settings: FarmSettings) -> Callable[..., TrainingReport]:
    def start(job: LoadedTraining, listener: Any = None, *, store: str = "", **faults: Any) -> TrainingReport:
        from dataclasses import replace

        return train(
            job,
            settings=replace(settings, store=store or settings.store),
            hardware=TWO_CORES,
            listener=listener or SilentTraining(),
            trainers=TinyTrainers(**faults),
        )

    return start


def test_two_workers_draw_the_curve_of_one_and_survive_the_loss_of_either(
    run: Callable[..., TrainingReport], make_training: Callable[..., LoadedTraining], tmp_path: Path
) -> None:
    one, two = Curve(), Curve()
    alone = run(make_training(), one)
    assert sha256_of_file(Path(alone.weights)) == alone.weights_sha256
    assert alone.resumed_from is None
    both = run(
        make_training(workers=2),
        two,
        store=str(tmp_path / "other"),
        kill_at=12,
        kill_rank=1,
        scratch=tmp_path,
    )
    assert two.restarts
    assert two.restarts[0][1] == 1
    assert two.resumed_at == [10]
    assert both.resumed_from is None, "the first start of the run began afresh"
    assert set(one.scores) == set(two.scores) == {0, 10, 20}
    for step, score in one.scores.items():
        assert two.scores[step] == pytest.approx(score, rel=1e-4)
    assert both.best_score == pytest.approx(alone.best_score, rel=1e-4)
    assert list((tmp_path / "cache" / "training" / ".ray").iterdir()) == [], "Ray's own notes are gone"


def test_a_killed_worker_changes_no_bit_of_the_weights(
    run: Callable[..., TrainingReport], make_training: Callable[..., LoadedTraining], tmp_path: Path
) -> None:
    unbroken = run(make_training(), store=str(tmp_path / "unbroken"))
    curve = Curve()
    broken = run(make_training(), curve, kill_at=13, scratch=tmp_path)
    assert len(curve.restarts) == 1
    assert curve.resumed_at == [10]
    assert broken.weights_sha256 == unbroken.weights_sha256
    assert broken.best_score == unbroken.best_score


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        pytest.param({"raise_at": 3}, TrainingFailed, "a picture of the wrong size", id="the code fails"),
        pytest.param({"nan_at": 3}, TrainingFailed, "step 3", id="the loss is no number"),
        pytest.param({"bad_clips": True}, DataUnusable, "too short", id="the clips are unusable"),
    ],
)
def test_what_would_fail_again_is_tried_once_and_told_with_its_cause(
    run: Callable[..., TrainingReport],
    make_training: Callable[..., LoadedTraining],
    tmp_path: Path,
    fault: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    curve = Curve()
    with pytest.raises(error, match=says):
        run(make_training(), curve, scratch=tmp_path, **fault)
    assert len((tmp_path / "built").read_text().splitlines()) == 1
    assert curve.restarts == []
    assert not (tmp_path / "tiny.safetensors").exists()


@pytest.mark.chaos
def test_workers_that_die_at_the_same_step_again_and_again_end_the_run(
    run: Callable[..., TrainingReport], make_training: Callable[..., LoadedTraining], tmp_path: Path
) -> None:
    curve = Curve()
    with pytest.raises(ReplicaLost, match="in a row"):
        run(make_training(), curve, kill_at=7, kill_always=True, scratch=tmp_path)
    assert [attempt for _, attempt in curve.restarts] == [1, 2, 3, 4]
    assert len((tmp_path / "built").read_text().splitlines()) == 4
