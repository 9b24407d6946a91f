"""Loading SyncNet's published weights, which the user brings: plain tensors only, and every name must fit."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from stages.errors import WeightsError
from stages.sync.syncnet import SyncNet
from stages.sync.syncnet_file import syncnet_file
from stages.weights import differences

_SHOWN: Final = 5


def load_syncnet(path: Path) -> SyncNet:
    """The network with the weights of a file, or of `syncnet_v2.safetensors` or `syncnet_v2.model` in a folder.

    Raises:
        WeightsError: ``weights_not_found``; ``weights_unreadable`` for a file that holds anything but tensors;
            ``weights_mismatch`` names the first keys or shapes that differ.
    """
    file = syncnet_file(path)
    stored = _read(file)
    network = SyncNet()
    found = differences(stored, network.state_dict())
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise WeightsError(
            code="weights_mismatch",
            where=str(file),
            what="these are not SyncNet's weights: " + "; ".join(found[:_SHOWN]) + more,
            hint="use syncnet_v2.model of the published SyncNet",
        )
    network.load_state_dict(stored)
    return network.eval().requires_grad_(False)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(file, type(error).__name__) from error
    if not isinstance(loaded, dict) or not all(isinstance(tensor, Tensor) for tensor in loaded.values()):
        raise _unreadable(file, "it is not a plain dictionary of tensors")
    return loaded


def _unreadable(file: Path, reason: str) -> WeightsError:
    return WeightsError(
        code="weights_unreadable",
        where=str(file),
        what=f"cannot be read as weights: {reason}",
        hint="fetch the file again; a whole pickled model is refused, a state dictionary is needed",
    )
