"""Weights that somebody else made: what their header says is not believed before it is compared."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from average_actor import average_subject
from safetensors.torch import load_file, save_file

from stages.errors import WeightsError
from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.render.renderer_stage import RendererStage
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

CONFIG = GeneratorConfig(levels=3, width=2)
HEADER = WeightsHeader(
    architecture="renderer",
    sizes=asdict(CONFIG),
    encoder="",
    fps=25,
    training_data="",
    facts={"trained_frames:average": 100},
)


def refusal(path: Path) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        RendererStage.load(subject=average_subject(renderer_weights=path), device="cpu")
    return caught.value


def written(path: Path, **changed: object) -> Path:
    save_weights(path / "renderer.safetensors", Generator(CONFIG), replace(HEADER, **changed))
    return path / "renderer.safetensors"


def test_what_is_compared_below_is_accepted_as_it_is(tmp_path: Path):
    subject = average_subject(renderer_weights=written(tmp_path))
    assert RendererStage.load(subject=subject, device="cpu").size == 16


@pytest.mark.parametrize("name", ["levels", "width"])
@pytest.mark.parametrize("value", [0, -1, 9, 100_000, 10**30, "3", None, True, 3.0])
def test_a_network_is_not_built_because_a_header_claims_it(tmp_path: Path, name: str, value: object):
    sizes = {**HEADER.sizes, name: value}
    assert refusal(written(tmp_path, sizes=sizes)).code in {"weights_mismatch", "weights_no_header"}


@pytest.mark.parametrize(
    "changed",
    [
        {"facts": []},
        {"facts": {"trained_frames:average": [1]}},
        {"sizes": [1]},
        {"architecture": 7},
        {"fps": "25"},
        {"encoder": None},
    ],
)
def test_a_header_of_other_types_is_none_of_ours(tmp_path: Path, changed: dict[str, object]):
    assert refusal(written(tmp_path, **changed)).code == "weights_no_header"


@pytest.mark.parametrize("frames", [0, -5, True, 2**40, "100"])
def test_a_trained_range_that_is_none_is_refused(tmp_path: Path, frames: object):
    assert refusal(written(tmp_path, facts={"trained_frames:average": frames})).code == "weights_mismatch"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float):
    path = written(tmp_path)
    tensors = load_file(path)
    tensors["head.1.weight"].view(-1)[3] = value
    save_again(path, tensors)
    error = refusal(path)
    assert error.code == "weights_mismatch"
    assert "head.1.weight holds NaN or infinity" in error.what


@pytest.mark.parametrize("kind", [torch.int8, torch.bool, torch.complex64])
def test_weights_of_another_kind_of_number_are_refused(tmp_path: Path, kind: torch.dtype):
    path = written(tmp_path)
    tensors = load_file(path)
    tensors["head.1.weight"] = tensors["head.1.weight"].to(kind)
    save_again(path, tensors)
    assert refusal(path).code in {"weights_mismatch", "weights_unreadable"}


def test_a_header_nested_without_end_is_none_of_ours(tmp_path: Path):
    path = written(tmp_path)
    save_file(load_file(path), path, metadata={"header": "[" * 100_000})
    assert refusal(path).code == "weights_no_header"


def save_again(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)
