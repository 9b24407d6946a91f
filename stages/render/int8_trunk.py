"""Trunk and heads of the network that repairs in 8 bits, by OpenVINO: the form `int8`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from openvino import Core
from torch import Tensor

from stages.render.int8_graph import int8_graph
from stages.render.repair_network import CELL, RepairNetwork
from stages.render.repairing import Picture, Told


class Int8Trunk:
    """See the module; on the CPU."""

    def __init__(
        self, network: RepairNetwork, *, ranges: Mapping[str, tuple[float, float]], size: int
    ) -> None:
        """`ranges` are those of `found_ranges`, `size` is the side of the pictures in px."""
        compiled = Core().compile_model(
            int8_graph(network, ranges, size=size),
            "CPU",
            # One thread and one stream, like torch in a replica. The rest of the graph keeps single precision: what
            # OpenVINO would choose for it depends on the processor.
            {
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "f32",
                "EXECUTION_MODE_HINT": "ACCURACY",
            },
        )
        self._request = compiled.create_infer_request()

    def tell(self, pictures_SSC: Picture) -> Told:
        """See `Trunk`."""
        # Views of the request's memory: what is told of a frame is used before the next one comes.
        told = self._request.infer([pictures_SSC[None]], share_inputs=True, share_outputs=True)
        told_HW28, flow_HW4 = torch.from_numpy(told[0][0]), np.asarray(told[1][0])
        return Told(residual_logits_gain_7SS=_pixels(told_HW28), flow_HW4=flow_HW4)


def _pixels(told_HW28: Tensor) -> Tensor:
    """(7, S, S) of all pixels from those of the cells, as `pixel_shuffle` does; faster from this layout."""
    height, width, channels = told_HW28.shape
    cells_HWC22 = told_HW28.view(height, width, channels // CELL**2, CELL, CELL)
    return cells_HWC22.permute(2, 0, 3, 1, 4).reshape(-1, height * CELL, width * CELL)
