from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import WeightsError
from stages.training.checkpoint import checkpoint_bytes, checkpoint_state

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
tensors = st.builds(
    lambda shape, dtype: torch.arange(12).reshape(shape).to(dtype),
    st.sampled_from([(12,), (3, 4), (2, 2, 3)]),
    st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool]),
)
states = st.dictionaries(
    st.text() | st.integers(),
    st.recursive(
        plain | tensors, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)
    ),
)


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(states)
def test_a_state_comes_back_as_it_was(state: dict):
    assert same(checkpoint_state(checkpoint_bytes(state)), state)


def test_equal_states_are_equal_bytes():
    make = lambda: {"step": 3, "weights": {"a": torch.arange(4.0), "b": torch.zeros(2)}}  # noqa: E731
    assert checkpoint_bytes(make()) == checkpoint_bytes(make())


def test_tensors_that_share_memory_are_both_kept():
    whole = torch.arange(6.0)
    again = checkpoint_state(checkpoint_bytes({"whole": whole, "part": whole[:3]}))
    assert torch.equal(again["part"], whole[:3])
    assert torch.equal(again["whole"], whole)


def test_an_optimiser_goes_on_from_its_checkpoint():
    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.AdamW([weight], 0.1)
    weight.sum().backward()
    optimiser.step()
    fresh = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))], 0.5)
    fresh.load_state_dict(checkpoint_state(checkpoint_bytes(optimiser.state_dict())))
    assert fresh.param_groups[0]["lr"] == 0.1
    assert same(fresh.state_dict()["state"], optimiser.state_dict()["state"])


@pytest.mark.parametrize("cut", [0, 7, 60, -1])
def test_a_checkpoint_that_was_cut_off_is_refused(cut: int):
    data = checkpoint_bytes({"step": 1, "weights": torch.zeros(9)})
    with pytest.raises(WeightsError) as caught:
        checkpoint_state(data[:cut], where="step-00000001")
    assert (caught.value.code, caught.value.where) == ("weights_unreadable", "step-00000001")


def test_what_a_checkpoint_cannot_hold_is_named():
    with pytest.raises(TypeError, match="/optimiser/clock is a PosixPath"):
        checkpoint_bytes({"optimiser": {"clock": Path()}})


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("sprung"),)


def test_a_checkpoint_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"step": Trap()}, tmp_path / "checkpoint.pt")
    for data in ((tmp_path / "checkpoint.pt").read_bytes(), pickle.dumps(Trap())):
        with pytest.raises(WeightsError):
            checkpoint_state(data)
    assert not (tmp_path / "sprung").exists()
