"""Weights on disk: safetensors with a typed header, and loading that never guesses.

A file says what it is for. Loading compares that with what is wanted and names the first differences; the
released code instead swallowed every mismatch and went on with random weights (MODA section 14, D12).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.errors import WeightsError
from stages.files import is_plain_file

_HEADER: Final = "header"
_SHOWN: Final = 5
_LARGEST_SIZE: Final = 1 << 16

Scalar = str | int | float | bool | None
Sizes = TypeVar("Sizes")
Network = TypeVar("Network", bound=nn.Module)


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
        raw = json.loads(metadata[_HEADER])
        header = WeightsHeader(**raw)
        _check_types(raw)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(
            code="weights.no-header",
            where=str(path),
            what="the file has no header of ours",
            hint="use weights written by this project's training commands",
        ) from error
    return header


def read_sizes(path: Path, kind: type[Sizes]) -> Sizes:
    """The configuration that a file's network is built from. Raises WeightsError when it is another network's."""
    sizes = read_header(path).sizes
    types = get_type_hints(kind)
    wrong = [name for name, value in sizes.items() if name in types and not _is_size(value, types[name])]
    if wrong:
        raise _mismatch(path, [f"{name} cannot be {str(sizes[name])[:40]}" for name in wrong])
    try:
        return kind(**sizes)
    except (TypeError, ValueError) as error:
        raise _mismatch(path, [str(error)]) from error


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
        raise _mismatch(path, [f"there is none of the sizes {sizes}"]) from error
    with _open(path) as file:
        stored = {
            name: torch.empty(file.get_slice(name).get_shape(), device="meta")
            for name in file.keys()  # noqa: SIM118 - not a mapping
        }
    found = differences(stored, state)
    if found:
        raise _mismatch(path, found)
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
    found = differences(stored, state) or _unfit(stored, state)
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


def _check_types(raw: Mapping[str, Any]) -> None:
    """Raises TypeError where a field of a header, as it was read, holds what it cannot hold."""
    texts = (raw["architecture"], raw["encoder"], raw["training_data"])
    if not all(isinstance(text, str) for text in texts) or type(raw["fps"]) is not int:
        raise TypeError("a field is of another type")
    for scalars in (raw["sizes"], raw.get("facts", {})):
        if not isinstance(scalars, dict) or not all(isinstance(each, Scalar) for each in scalars.values()):
            raise TypeError("a field is no mapping to single values")


def _is_size(value: Scalar, wanted: Any) -> bool:
    """Whether a size is of its type and within reason, or one of the words of a `Literal`."""
    if get_origin(wanted) is Literal:
        return value in get_args(wanted)
    if isinstance(value, bool):
        return wanted is bool
    if isinstance(value, int) and not 0 <= value <= _LARGEST_SIZE:
        return False
    return isinstance(value, wanted)


def _mismatch(path: Path, found: list[str]) -> WeightsError:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return WeightsError(
        code="weights.mismatch",
        where=str(path),
        what="these weights are of another network: " + "; ".join(found[:_SHOWN]) + more,
        hint="use the weights that belong to this version, stage and speech encoder",
    )


def _open(path: Path) -> Any:
    if not is_plain_file(path):
        raise WeightsError(
            code="weights.not-found", where=str(path), what="no such file", hint="check the path or reinstall"
        )
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            code="weights.unreadable",
            where=str(path),
            what=f"not a safetensors file: {error}",
            hint="the file is damaged or of another kind: fetch it again",
        ) from error
