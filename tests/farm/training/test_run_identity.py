"""Which jobs are the same run, and which start one of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm.training.train_plan import plan_training, run_id, run_prefix
from jobs.errors import InputNotFound
from jobs.parse import LoadedTraining

Make = Callable[..., LoadedTraining]


@pytest.fixture
def run_of(make_training: Make, tmp_path: Path) -> Callable[..., str]:
    def run(name: str = "tiny", **spec: Any) -> str:
        return run_id(plan_training(make_training(name, **spec), cache=tmp_path / "cache"))

    return run


@pytest.mark.parametrize(
    "change",
    [
        {"workers": 2},
        {"checkpoints": "{every: 1, keep: 9}"},
        {"output": "{uri: elsewhere.safetensors}"},
        {"clips": "['clips/*']"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_does_not_decide_the_weights_keeps_the_run(
    run_of: Callable[..., str], change: dict[str, Any]
) -> None:
    assert run_of(**change) == run_of()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"steps": 21},
        {"batch_size": 3},
        {"learning_rate": 0.5},
        {"preset": "paper"},
        {"network": "{temporal_encoding: false}"},
        {"validation": "{every: 3}"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_the_weights_starts_a_run_of_its_own(
    run_of: Callable[..., str], change: dict[str, Any]
) -> None:
    assert run_of(**change) != run_of()


def test_a_clip_that_changed_starts_a_run_of_its_own(run_of: Callable[..., str], tmp_path: Path) -> None:
    before = run_of()
    (tmp_path / "clips" / "jane" / "frames.mp4").write_bytes(b"one more picture")
    assert run_of() != before


def test_weights_to_start_from_are_known_by_their_bytes(run_of: Callable[..., str], tmp_path: Path) -> None:
    for name, data in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / f"{name}.safetensors").write_bytes(data)
    scratch, a, b, c = run_of(), *(run_of(start_from=f"{name}.safetensors") for name in "abc")
    assert a == b
    assert len({scratch, a, c}) == 3


def test_the_package_that_received_the_weights_goes_on_with_the_same_run(
    run_of: Callable[..., str], tmp_path: Path
) -> None:
    before = run_of()
    (tmp_path / "clips" / "jane" / "renderer.safetensors").write_bytes(b"trained")
    (tmp_path / "clips" / "jane" / "subject.yaml").write_text("renderer: renderer.safetensors")
    (tmp_path / "clips" / "jane" / "whisper-base-layer-2.npy").write_bytes(b"features kept for the next run")
    assert run_of() == before


def test_a_run_is_found_by_project_name_and_identity(make_training: Make, tmp_path: Path) -> None:
    plan = plan_training(make_training("jane"), cache=tmp_path)
    assert run_prefix(plan, run="0123456789ab") == "training/tests/jane/0123456789ab"


def test_weights_to_start_from_that_are_not_there_are_named(make_training: Make, tmp_path: Path) -> None:
    with pytest.raises(InputNotFound) as caught:
        plan_training(make_training(start_from="gone.safetensors"), cache=tmp_path)
    assert caught.value.where == "spec.start_from"
