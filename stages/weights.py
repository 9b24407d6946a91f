"""Weights on disk: safetensors with a typed header, and loading that never guesses.

A file says what it is for. Loading compares that with what is wanted and names the first differences; the
released code instead swallowed every mismatch and went on with random weights (MODA section 14, D12).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.weights_header import (
    HEADER,
    Scalar,
    Sizes,
    WeightsHeader,
    check_header,
    mismatch,
    opened,
    read_sizes,
)
from stages.whole_files import written_whole

Network = TypeVar("Network", bound=nn.Module)


_SCALE: Final = "@scale"
"""Behind the name of a matrix that is stored in eight bits: the name of what one step is in each of its rows."""

_STEPS: Final = 127
"""Steps in eight bits to either side of zero."""


def save_weights(path: Path, network: nn.Module, header: WeightsHeader, *, eight_bits: bool = False) -> None:
    """Write a network's state, half precision for floating point, whole or not at all.

    Args:
        path: where to.
        network: whose state.
        header: what it is for.
        eight_bits: matrices and kernels as whole steps of a 127th of each row's largest: half as large once more.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if eight_bits and tensor.is_floating_point() and tensor.ndim > 1:
            tensors[name], tensors[name + _SCALE] = _in_steps(tensor)
        else:
            tensors[name] = (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        save_file(tensors, partial, metadata={HEADER: json.dumps(asdict(header), sort_keys=True)})
        # safetensors writes for the owner only; weights are shared.
        partial.chmod(0o644)


def build_network(path: Path, kind: type[Sizes], build: Callable[[Sizes], Network]) -> Network:
    """The network that a file's weights belong to; they are not in it yet.

    Args:
        path: the weights file, which may be anybody's.
        kind: what its sizes are.
        build: makes a network of these sizes.

    Raises:
        WeightsError: the file's tensors are not those of a network of the sizes that it names.
    """
    sizes = read_sizes(path, kind)
    try:
        # An outline first, which holds no numbers: sizes that are lies could ask for all memory there is.
        with torch.device("meta"):
            state = build(sizes).state_dict()
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        raise mismatch(path, [f"there is none of the sizes {sizes}"]) from error
    with opened(path, framework="pt") as file:
        stored = {
            name: torch.empty(file.get_slice(name).get_shape(), device="meta")
            for name in file.keys()  # noqa: SIM118 - not a mapping
            if not name.endswith(_SCALE)
        }
    found = differences(stored, state)
    if found:
        raise mismatch(path, found)
    return build(sizes)


def load_weights(path: Path, network: nn.Module, *, expected: Mapping[str, Scalar]) -> None:
    """Load a file into `network`, in the network's own precision.

    Args:
        path: the weights file.
        network: built with the sizes of the file's header.
        expected: header fields (`architecture`, `encoder`, `fps`) and the values they must have.

    Raises:
        WeightsError: a header field, a tensor's name, its shape or its kind of number differs, or a number in it is
            none; names the first differences.
    """
    check_header(path, expected=expected)
    with opened(path, framework="pt") as file:
        stored = _out_of_steps({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - not a mapping
    state = network.state_dict()
    found = differences(stored, state) or _unfit(stored, state)
    if found:
        raise mismatch(path, found)
    network.load_state_dict({name: tensor.to(state[name].dtype) for name, tensor in stored.items()})


def _in_steps(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Whole steps (int8), and what one is in each row (half precision)."""
    rows = tensor.detach().cpu().float().flatten(1)
    step = (rows.abs().amax(1, keepdim=True) / _STEPS).half()
    # A row of zeros, or of what half precision has as zero, has no step: any would do.
    divisor = torch.where(step > 0, step, torch.ones_like(step)).float()
    steps = (rows / divisor).round().clamp(-_STEPS, _STEPS).to(torch.int8)
    return steps.view(tensor.shape).contiguous(), step.flatten()


def _out_of_steps(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stored tensors with those in eight bits as numbers; what does not fit together stays as it is, and is refused."""
    tensors = dict(stored)
    for name, steps in stored.items():
        step = stored.get(name + _SCALE)
        fits = step is not None and step.is_floating_point() and step.shape == steps.shape[:1]
        if step is not None and fits and steps.dtype == torch.int8 and steps.ndim > 1:
            del tensors[name + _SCALE]
            tensors[name] = (steps.flatten(1).float() * step.float()[:, None]).view(steps.shape)
    return tensors


def differences(stored: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """What keeps stored tensors from being a network's state: names missing or unexpected, shapes that differ."""
    found = [f"missing {name}" for name in state if name not in stored]
    found += [f"unexpected {name}" for name in stored if name not in state]
    found += [
        f"{name} is {tuple(stored[name].shape)}, expected {tuple(state[name].shape)}"
        for name in state
        if name in stored and stored[name].shape != state[name].shape
    ]
    return found


def _unfit(stored: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Tensors that hold another kind of number, or what is no number."""
    found = [
        f"{name} holds {tensor.dtype}, expected {state[name].dtype}"
        for name, tensor in stored.items()
        if tensor.is_complex() or tensor.is_floating_point() != state[name].is_floating_point()
    ]
    return found or [
        f"{name} holds NaN or infinity"
        for name, tensor in stored.items()
        if not torch.isfinite(tensor.to(state[name].dtype)).all()
    ]
