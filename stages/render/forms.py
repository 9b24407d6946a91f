"""The forms in which a network that repairs can be computed: which of them this machine can do, and each made ready.

Legend: S side of the picture, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec

import torch

from stages.errors import WeightsError
from stages.render.bf16_trunk import Bf16Trunk
from stages.render.exact_repair import ExactRepair
from stages.render.int8_ranges import found_ranges
from stages.render.repair_network import RepairNetwork
from stages.render.repairing import Picture, Repairer, RepairForm, RepairInput
from stages.render.trunk_repair import TrunkRepair, joined


def repairer_of(
    network: RepairNetwork,
    *,
    form: RepairForm,
    device: torch.device,
    plate_SS3: Picture,
    own: Callable[[], Iterable[RepairInput]],
) -> Repairer:
    """The network in a form.

    Args:
        network: its weights loaded, in single precision.
        form: how it is computed.
        device: where.
        plate_SS3: the subject's background (S, S, 3).
        own: gives what the network reads of some of the subject's own poses.

    Raises:
        WeightsError: that form is not to be had here (``form_unavailable``).
    """
    if form is RepairForm.EXACT:
        return ExactRepair(network, plate_SS3=plate_SS3, device=device)
    if device.type != "cpu":
        raise unavailable(form, "it is computed on processors alone, and this replica has a GPU")
    network = network.eval().requires_grad_(False)
    if form is RepairForm.BF16:
        return TrunkRepair(Bf16Trunk(network), plate_SS3=plate_SS3)
    if find_spec("openvino") is None:
        raise unavailable(form, "OpenVINO is not installed", hint="install moda-farm[cpu-int8]")
    # Imported here: OpenVINO is an extra.
    from stages.render.int8_trunk import Int8Trunk

    ranges = found_ranges(network, (joined(each, plate_SS3=plate_SS3) for each in own()))
    return TrunkRepair(Int8Trunk(network, ranges=ranges, size=len(plate_SS3)), plate_SS3=plate_SS3)


def unavailable(form: RepairForm, what: str, *, hint: str = "render in the form exact") -> WeightsError:
    """The error of a form that is not to be had."""
    return WeightsError(code="form_unavailable", where=f"form {form}", what=what, hint=hint)
