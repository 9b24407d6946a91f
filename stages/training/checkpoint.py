"""Training checkpoints as safetensors: the tensors of a nested state by their path, all else as JSON in the header.

Nothing is ever unpickled, and equal states are equal bytes.
"""

from __future__ import annotations

import json
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from stages.errors import WeightsError

_KEY: Final = "state"
_TENSOR: Final = "tensor"
_Plain = str | int | float | bool | None


def checkpoint_bytes(state: dict[str, Any]) -> bytes:
    """Serialise nested dicts and lists of tensors, numbers, strings and None.

    Raises TypeError for anything else, and ValueError for a key that is neither text nor a whole number.
    """
    tensors: dict[str, Tensor] = {}
    outline = _outline(state, "", tensors)
    # Tensors may share memory (tied weights), which safetensors refuses: each is stored whole.
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return save(whole, metadata={_KEY: json.dumps(outline, sort_keys=True)})


def checkpoint_state(data: bytes, *, where: str = "checkpoint") -> dict[str, Any]:
    """The state that `checkpoint_bytes` serialised, on the CPU. Raises WeightsError when it is not one."""
    try:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        outline = json.loads(header["__metadata__"][_KEY])
        tensors = load(data)
        state: dict[str, Any] = _filled(outline, tensors)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            code="weights_unreadable",
            where=where,
            what=f"not a checkpoint of ours: {error}",
            hint="delete it; training goes on from the one before",
        ) from error
    return state


def _outline(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The JSON form of a state, in which every tensor is replaced by its name."""
    if isinstance(value, Tensor):
        tensors[path] = value
        return {_TENSOR: path}
    if isinstance(value, dict):
        pairs = [(_key(key), _outline(part, f"{path}/{key}", tensors)) for key, part in value.items()]
        return {"dict": [[key, part] for key, part in pairs]}
    if isinstance(value, list | tuple):
        return {"list": [_outline(part, f"{path}/{index}", tensors) for index, part in enumerate(value)]}
    if isinstance(value, _Plain):
        return {"value": value}
    raise TypeError(f"{path or 'the state'} is a {type(value).__name__}, which a checkpoint cannot hold")


def _key(key: object) -> str | int:
    if isinstance(key, str | int):
        return key
    raise ValueError(f"{key!r} cannot be a key of a checkpoint")


def _filled(outline: Any, tensors: dict[str, Tensor]) -> Any:
    (kind, content), *_ = outline.items()
    if kind == _TENSOR:
        return tensors[content]
    if kind == "dict":
        return {key: _filled(part, tensors) for key, part in content}
    if kind == "list":
        return [_filled(part, tensors) for part in content]
    return content
