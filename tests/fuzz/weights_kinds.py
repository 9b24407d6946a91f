"""Renderer weights that are damaged, of another network, or that lie about themselves."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import torch
from documents import changed, odd_value, places_in, with_value
from fuzz_case import Attempt, Kinds, Room
from package_kinds import package
from safetensors.torch import load_file, save_file
from subject_use import draw


def _parts(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _joined(header: Any, body: bytes, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def _file_header(random: Random, room: Room) -> Attempt:
    """The list of tensors is wrong: types, shapes, offsets that overlap or lead out of the file."""
    folder = package(room)
    path = folder / "renderer.safetensors"
    header, body = _parts(path)
    names = [name for name in header if name != "__metadata__"]
    for name in random.sample(names, random.randint(1, 3)):
        facts = header[name]
        start, end = facts["data_offsets"]
        change: dict[str, Any] = random.choice(
            (
                {
                    "dtype": random.choice(
                        ("F32", "F64", "BF16", "I8", "U8", "BOOL", "I64", "F8_E4M3", "F4", "C64", "X9", 7)
                    )
                },
                {
                    "shape": random.choice(
                        ([], [0], [2**40, 2**40], [-1], [1.5], "x", [10**30], [*facts["shape"], 1])
                    )
                },
                {
                    "data_offsets": random.choice(
                        ([0, 2**63], [end, start], [start - 2, end], [start], [0, 0], [2**70, 1])
                    )
                },
                {"data_offsets": header[random.choice(names)]["data_offsets"]},
                {"more": 1},
            )
        )
        header[name] = {**facts, **change}
    path.write_bytes(_joined(header, body))
    return lambda: draw(folder, room)


def _length(random: Random, room: Room) -> Attempt:
    """The header is longer, shorter or other than it says."""
    folder = package(room)
    path = folder / "renderer.safetensors"
    header, body = _parts(path)
    text: Any = random.choice(
        (header, b"{" * 50_000, b"[" * 50_000, b"", b"null", b"[]", b'{"a": 1}', b'"x"', b"\xff" * 99)
    )
    length = random.choice((None, 0, 1, 7, 10**6, 10**8, 2**40, 2**63, 2**64 - 1))
    path.write_bytes(_joined(text, body, length=length))
    return lambda: draw(folder, room)


def _our_header(random: Random, room: Room) -> Attempt:
    """What the project itself writes about the weights is wrong."""
    folder = package(room)
    path = folder / "renderer.safetensors"
    header, body = _parts(path)
    ours = json.loads(header["__metadata__"]["header"])
    sizes = (-1, 0, 1, 2, 5, 9, 16, 64, 10**6, 2**62, 10**30, "4", None, True, 4.0, [4], "cpu", 1e308)
    choice = random.random()
    if choice < 0.35:
        ours["sizes"][random.choice(("levels", "width", "temporal_encoding", "input_channels", "depth"))] = (
            random.choice(sizes)
        )
    elif choice < 0.5:
        ours["facts"]["trained_frames:zoe"] = random.choice(sizes)
    elif choice < 0.7:
        ours = with_value(ours, random.choice(places_in(ours)), odd_value(random))
    else:
        ours = changed(ours, random)
    text = json.dumps(ours)
    if random.random() < 0.15:
        text = random.choice(("[" * 50_000, '{"a":' * 50_000, text[:-9], "9" * 9_000, "null", '"x"', "NaN"))
    header["__metadata__"] = {"header": text}
    if random.random() < 0.05:
        header["__metadata__"] = random.choice(({}, {"other": "x"}, {"header": 1}, []))
    path.write_bytes(_joined(header, body))
    return lambda: draw(folder, room)


def _tensors(random: Random, room: Room) -> Attempt:
    """Tensors of other types, shapes and values."""
    folder = package(room)
    path = folder / "renderer.safetensors"
    metadata = _parts(path)[0]["__metadata__"]
    tensors = load_file(path)
    for name in random.sample(sorted(tensors), random.choice((1, 1, 3, len(tensors)))):
        tensors[name] = _odd_tensor(tensors[name], random)
    if random.random() < 0.2:
        del tensors[random.choice(sorted(tensors))]
    if random.random() < 0.2:
        tensors["more"] = torch.zeros(2)
    save_file(tensors, path, metadata=metadata)
    return lambda: draw(folder, room)


def _odd_tensor(tensor: torch.Tensor, random: Random) -> torch.Tensor:
    choice = random.random()
    if choice < 0.4:
        kinds = (
            torch.float64,
            torch.bfloat16,
            torch.int8,
            torch.int64,
            torch.bool,
            torch.complex64,
            torch.float8_e4m3fn,
        )
        return tensor.to(random.choice(kinds))
    if choice < 0.8:
        value = random.choice((float("nan"), float("inf"), -float("inf"), 65_504.0, 1e-7, 0.0))
        changed_tensor = tensor.clone()
        if tensor.is_floating_point() and tensor.numel():
            where = slice(None) if random.random() < 0.3 else random.randrange(tensor.numel())
            changed_tensor.view(-1)[where] = value
        return changed_tensor
    return tensor.reshape(-1).clone() if random.random() < 0.5 else tensor[None].clone()


WEIGHTS_KINDS: Kinds = {
    "weights, list of tensors": _file_header,
    "weights, length": _length,
    "weights, our header": _our_header,
    "weights, tensors": _tensors,
}
