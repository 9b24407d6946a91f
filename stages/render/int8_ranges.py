"""The ranges in which the form `int8` computes, found by looking at what the network reads.

What it looks at is the subject's own: the poses of its references, each drawn from other references. So the ranges
follow from the package alone, and there is nothing beside it that could belong to other weights.
Legend: T poses, N mesh points (478), P control points, S side of the picture, 2/3 = (x, y[, z]), 7 = head vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.errors import WeightsError
from stages.geometry.canonical import pose
from stages.geometry.landmarks import MESH_SIZE, TORSO_SIZE
from stages.payloads import PosedFace
from stages.render.repair_network import RepairNetwork
from stages.render.repairing import Picture
from stages.subject.template import Template
from stages.warp.control_mesh import ControlMesh
from stages.warp.library import ReferenceLibrary

POSES: Final = 8
"""How many poses are looked at."""

_ROOM: Final = 1.1
"""How far a range reaches beyond what was seen."""

_DIGITS: Final = 3
"""Of an edge: what differs in its last bit is the same range."""


def picked_references(library: ReferenceLibrary) -> NDArray[np.int64]:
    """The references (T,) whose poses are looked at, evenly picked."""
    evenly = np.linspace(0, library.size - 1, min(POSES, library.size))
    return np.unique(evenly.round().astype(np.int64))


def reference_poses(
    library: ReferenceLibrary, picked: NDArray[np.int64], *, control: ControlMesh, template: Template
) -> PosedFace:
    """The poses of some references; depth, of which a reference holds none, is the template's."""
    head_T7 = np.repeat(template.head_7[None], len(picked), axis=0)
    head_T7[:, :3] = library.heads_RK[picked]
    mesh_TN3 = pose(np.repeat(template.mesh_N3[None], len(picked), axis=0), head_T7)
    mesh_TN3[..., :2] = library.points_RP2[picked, :MESH_SIZE]
    # Shoulders come after the skull, between two points beyond the picture.
    first = MESH_SIZE + len(control.skull_S3) + 1
    torso_TN3 = np.zeros((len(picked), TORSO_SIZE, 3), dtype=np.float32)
    torso_TN3[..., :2] = library.points_RP2[picked, first : first + TORSO_SIZE]
    return PosedFace(mesh_TN3=mesh_TN3, torso_TN3=torso_TN3)


def found_ranges(network: RepairNetwork, pictures: Iterable[Picture]) -> dict[str, tuple[float, float]]:
    """The least and most that each convolution may read, by its name, from some (S, S, 13) uint8 inputs.

    Raises:
        WeightsError: the network computes what is no number (``form_unavailable``).
    """
    names = {each: name for name, each in network.named_modules() if isinstance(each, nn.Conv2d)}
    most, broken = dict.fromkeys(names.values(), 0.0), set[str]()

    def note(module: nn.Module, read: tuple[Tensor]) -> None:
        assert isinstance(module, nn.Conv2d)
        name, (x_BCHW,) = names[module], read
        if not torch.isfinite(x_BCHW).all():
            broken.add(name)
        most[name] = max(most[name], float(x_BCHW.max()))

    with ExitStack() as hooks, torch.inference_mode():
        for module in names:
            hooks.callback(module.register_forward_pre_hook(note).remove)
        for pictures_SSC in pictures:
            network.tell(_in_unit(pictures_SSC))
    if broken:
        raise WeightsError(
            code="form_unavailable",
            where=min(broken),
            what="the network computes numbers that are none, and has no range in 8 bits",
            hint="render in the form exact, where the inspection counts such pictures",
        )
    # The first one reads pictures, all others what a ReLU let through.
    return _edges(most, first=names[network.stem])


def _edges(most: Mapping[str, float], *, first: str) -> dict[str, tuple[float, float]]:
    return {
        name: (-1.0, 1.0) if name == first else (0.0, float(f"{max(edge * _ROOM, 1e-3):.{_DIGITS}g}"))
        for name, edge in most.items()
    }


def _in_unit(pictures_SSC: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pictures_SSC)[None].permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1.0
