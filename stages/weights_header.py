"""The header of a weights file: what the file is for, read without the library that its tensors belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from safetensors import SafetensorError, safe_open

from stages.errors import WeightsError
from stages.files import is_plain_file

HEADER: Final = "header"
"""Name of the header in the metadata of safetensors."""

_SHOWN: Final = 5
_LARGEST_SIZE: Final = 1 << 16

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


def read_header(path: Path) -> WeightsHeader:
    """The header of a weights file. Raises WeightsError when absent or not ours."""
    with opened(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    try:
        raw = json.loads(metadata[HEADER])
        header = WeightsHeader(**raw)
        _check_types(raw)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(
            code="weights_no_header",
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
        raise mismatch(path, [f"{name} cannot be {str(sizes[name])[:40]}" for name in wrong])
    try:
        return kind(**sizes)
    except (TypeError, ValueError) as error:
        raise mismatch(path, [str(error)]) from error


def check_header(path: Path, *, expected: Mapping[str, Scalar]) -> None:
    """See that a file's header says what it should.

    Args:
        path: the weights file.
        expected: header fields (`architecture`, `encoder`, `fps`) and the values they must have.

    Raises:
        WeightsError: there is no header, or a field differs.
    """
    header = read_header(path)
    wrong = [
        f"{name} is {getattr(header, name)!r}, expected {value!r}"
        for name, value in expected.items()
        if getattr(header, name) != value
    ]
    if wrong:
        raise mismatch(path, wrong)


def mismatch(path: Path, found: list[str]) -> WeightsError:
    """The error for weights of another network, with the first differences."""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return WeightsError(
        code="weights_mismatch",
        where=str(path),
        what="these weights are of another network: " + "; ".join(found[:_SHOWN]) + more,
        hint="use the weights that belong to this version, stage and speech encoder",
    )


def opened(path: Path, *, framework: str) -> Any:
    """The file, for a `with` block. Raises WeightsError when there is none or it is no safetensors file.

    Args:
        path: the file.
        framework: whose tensors it gives, as `safetensors.safe_open` names it.
    """
    if not is_plain_file(path):
        raise WeightsError(
            code="weights_not_found", where=str(path), what="no such file", hint="check the path or reinstall"
        )
    try:
        return safe_open(path, framework=framework)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            code="weights_unreadable",
            where=str(path),
            what=f"not a safetensors file: {error}",
            hint="the file is damaged or of another kind: fetch it again",
        ) from error


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
