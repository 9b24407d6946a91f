from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from stages.errors import WeightsError
from stages.speech.compact import CompactConfig, CompactNetwork
from stages.weights import build_network, load_weights, save_weights
from stages.weights_header import WeightsHeader, read_header

HEADER = WeightsHeader(
    architecture="moda",
    sizes={"width": 4, "single_slope": False},
    encoder="whisper-base-layer-2",
    fps=25,
    training_data="ab" * 32,
    facts={"steps": 12, "trained_frames:actor-a": 850},
)


def a_network(*, width: int = 4, layers: int = 1) -> nn.Module:
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width)) for _ in range(layers)]
    return nn.ModuleDict({f"block{index}": block for index, block in enumerate(blocks)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_weights(tmp_path / "deep" / "moda.safetensors", a_network(), HEADER)
    return tmp_path / "deep" / "moda.safetensors"


def refusal(path: Path, network: nn.Module | None = None, **expected: object) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load_weights(path, network or a_network(), expected=expected)
    assert caught.value.where == str(path)
    return caught.value


def test_the_header_comes_back_as_it_was(path: Path):
    assert read_header(path) == HEADER


def test_a_network_gets_the_weights_that_were_saved(path: Path):
    other = a_network()
    for weight in other.parameters():
        nn.init.constant_(weight, 7)
    load_weights(path, other, expected={"architecture": "moda", "fps": 25})
    saved = a_network().state_dict()
    for name, weight in other.state_dict().items():
        torch.testing.assert_close(weight, saved[name].half().to(weight.dtype), atol=0, rtol=0)
        assert weight.dtype == saved[name].dtype


def test_numbers_are_stored_in_half_precision_and_counters_whole(path: Path):
    stored = load_file(path)
    assert stored["block0.0.weight"].dtype == torch.float16
    assert stored["block0.1.num_batches_tracked"].dtype == torch.int64


def test_nothing_is_left_beside_the_file(path: Path):
    assert [entry.name for entry in path.parent.iterdir()] == ["moda.safetensors"]


@pytest.mark.parametrize(
    ("field", "value"), [("architecture", "faco"), ("encoder", "wav2vec2:base"), ("fps", 30)]
)
def test_a_header_that_differs_is_named_by_its_field(path: Path, field: str, value: object):
    error = refusal(path, **{field: value})
    assert error.code == "weights_mismatch"
    assert f"{field} is {getattr(HEADER, field)!r}, expected {value!r}" in error.what


def test_a_tensor_of_another_shape_is_named(path: Path):
    error = refusal(path, a_network(width=5))
    assert error.code == "weights_mismatch"
    assert "block0.0.weight is (4, 3), expected (5, 3)" in error.what


def test_the_first_differing_tensors_are_named_and_the_rest_counted(path: Path):
    error = refusal(path, a_network(layers=3))
    assert error.what.count("missing") == 5
    assert "missing block1.0.weight" in error.what
    assert error.what.endswith("and 9 more")


def test_tensors_nobody_asked_for_are_named(tmp_path: Path):
    save_weights(tmp_path / "more.safetensors", a_network(layers=2), HEADER)
    assert "unexpected block1.0.bias" in refusal(tmp_path / "more.safetensors").what


def test_a_refused_file_leaves_the_network_as_it_was(path: Path):
    network = a_network(layers=2)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    refusal(path, network)
    assert all(torch.equal(before[name], weight) for name, weight in network.state_dict().items())


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path):
    assert refusal(tmp_path / "none.safetensors").code == "weights_not_found"


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_damaged_file_is_refused(path: Path, keep: int):
    path.write_bytes(path.read_bytes()[:keep])
    assert refusal(path).code == "weights_unreadable"


@pytest.mark.parametrize("metadata", [None, {"header": "{"}, {"header": "[1]"}, {"header": '{"fps": 25}'}])
def test_a_file_without_our_header_is_refused(tmp_path: Path, metadata: dict[str, str] | None):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
    assert refusal(path).code == "weights_no_header"


class InEightBits(nn.Module):
    def __init__(self, *, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear, self.convolution = nn.Linear(5, 4), nn.Conv1d(3, 4, 3)
        nn.init.zeros_(self.linear.weight[2])


@pytest.fixture
def stepped(tmp_path: Path) -> Path:
    save_weights(tmp_path / "stepped.safetensors", InEightBits(seed=1), HEADER, eight_bits=True)
    return tmp_path / "stepped.safetensors"


def test_eight_bits_lose_half_a_step_of_the_largest_in_a_row(stepped: Path):
    saved, other = InEightBits(seed=1), InEightBits(seed=2)
    load_weights(stepped, other, expected={})
    assert load_file(stepped)["convolution.weight"].dtype == torch.int8
    for name in ("linear", "convolution"):
        ours, theirs = (getattr(network, name).weight.flatten(1) for network in (other, saved))
        step = theirs.abs().amax(1, keepdim=True) / 127
        # The step itself is kept in half precision.
        assert ((ours - theirs).abs() <= 0.501 * step + 1e-3 * theirs.abs()).all()
    torch.testing.assert_close(other.linear.bias, saved.linear.bias.half().float(), atol=0, rtol=0)


def test_eight_bits_are_written_and_read_alike_every_time(tmp_path: Path, stepped: Path):
    other = InEightBits(seed=3)
    load_weights(stepped, other, expected={})
    again = tmp_path / "again.safetensors"
    save_weights(again, InEightBits(seed=1), HEADER, eight_bits=True)
    assert again.read_bytes() == stepped.read_bytes()


@pytest.mark.parametrize("change", ["no scale", "a scale of another length", "a scale of nothing", "NaN"])
def test_eight_bits_that_do_not_fit_together_are_refused(tmp_path: Path, stepped: Path, change: str):
    tensors = load_file(stepped)
    if change == "no scale":
        del tensors["linear.weight@scale"]
    elif change == "a scale of another length":
        tensors["linear.weight@scale"] = torch.ones(3).half()
    elif change == "a scale of nothing":
        tensors["nothing@scale"] = torch.ones(3).half()
    else:
        tensors["linear.weight@scale"][0] = torch.nan
    with safe_open(stepped, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, tmp_path / "other.safetensors", metadata=metadata)
    refused = refusal(tmp_path / "other.safetensors", InEightBits(seed=1))
    assert refused.code == "weights_mismatch"
    assert "linear.weight" in str(refused) or "nothing@scale" in str(refused)


def test_a_network_is_built_from_a_file_in_eight_bits(tmp_path: Path):
    config = CompactConfig(width=16, heads=2, attention_blocks=1, reach=2, features=8)
    header = replace(HEADER, sizes=asdict(config))
    save_weights(tmp_path / "network.safetensors", CompactNetwork(config), header, eight_bits=True)
    built = build_network(tmp_path / "network.safetensors", CompactConfig, CompactNetwork)
    load_weights(tmp_path / "network.safetensors", built, expected={"architecture": "moda"})
