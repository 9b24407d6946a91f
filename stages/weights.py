"""Weights on disk: safetensors with a typed header, and loading that never guesses.

A file says what it is for. Loading compares that with what is wanted and names the first differences; the
released code instead swallowed every mismatch and went on with random weights (MODA section 14, D12).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.errors import WeightsError

_HEADER: Final = "header"
_SHOWN: Final = 5

Scalar = str | int | float | bool | None
Sizes = TypeVar("Sizes")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsHeader:
    """What a weights file is for.

    Attributes:
        architecture: `moda`, `faco` or `renderer`.
        sizes: the configuration the network is built from.
        encoder: name of the speech encoder; empty where none is involved.
        fps: frames per second of the training data.
        training_data: sha256 over the prepared training data.
        facts: figures of the training run that use needs (trained range, subjects).
    """

    architecture: str
    sizes: dict[str, Scalar]
    encoder: str
    fps: int
    training_data: str
    facts: dict[str, Scalar] = field(default_factory=dict)


def save_weights(path: Path, network: nn.Module, header: WeightsHeader) -> None:
    """Write a network's state, half precision for floating point, whole or not at all."""
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={_HEADER: json.dumps(asdict(header), sort_keys=True)})
    # safetensors writes for the owner only; weights are shared.
    partial.chmod(0o644)
    partial.replace(path)


def read_header(path: Path) -> WeightsHeader:
    """The header of a weights file. Raises WeightsError when absent or not ours."""
    with _open(path) as file:
        metadata = file.metadata() or {}
    try:
        return WeightsHeader(**json.loads(metadata[_HEADER]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            code="weights.no-header",
            where=str(path),
            what="the file has no header of ours",
            hint="use weights written by this project's training commands",
        ) from error


def read_sizes(path: Path, kind: type[Sizes]) -> Sizes:
    """The configuration that a file's network is built from. Raises WeightsError when it is another network's."""
    try:
        return kind(**read_header(path).sizes)
    except TypeError as error:
        raise _mismatch(path, [str(error)]) from error


def load_weights(path: Path, network: nn.Module, *, expected: Mapping[str, Scalar]) -> None:
    """Load a file into `network`, in the network's own precision.

    Args:
        path: the weights file.
        network: built with the sizes of the file's header.
        expected: header fields (`architecture`, `encoder`, `fps`) and the values they must have.

    Raises:
        WeightsError: a header field, a tensor's name or its shape differs; names the first differences.
    """
    header = read_header(path)
    wrong = [
        f"{name} is {getattr(header, name)!r}, expected {value!r}"
        for name, value in expected.items()
        if getattr(header, name) != value
    ]
    if wrong:
        raise _mismatch(path, wrong)
    with _open(path) as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    state = network.state_dict()
    found = differences(stored, state)
    if found:
        raise _mismatch(path, found)
    network.load_state_dict({name: tensor.to(state[name].dtype) for name, tensor in stored.items()})


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


def _mismatch(path: Path, found: list[str]) -> WeightsError:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return WeightsError(
        code="weights.mismatch",
        where=str(path),
        what="these weights are of another network: " + "; ".join(found[:_SHOWN]) + more,
        hint="use the weights that belong to this version, stage and speech encoder",
    )


def _open(path: Path) -> Any:
    if not path.is_file():
        raise WeightsError(
            code="weights.not-found", where=str(path), what="no such file", hint="check the path or reinstall"
        )
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise WeightsError(
            code="weights.unreadable",
            where=str(path),
            what=f"not a safetensors file: {error}",
            hint="the file is damaged or of another kind: fetch it again",
        ) from error
