"""Have a network that repairs give back more of the detail: `python -m recipes.detail_gain IN OUT --more SHARE`.

Every term of its loss prefers a little blur to detail that lies beside its place. The share is added to the gain of all
pixels; it should be chosen on frames that are neither learnt from nor held out. docs/training.md tells how
the one that ships was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from stages.render.renderer_facts import EXPECTED_WARPED
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.weights import build_network, load_weights, save_weights
from stages.weights_header import read_header


def with_more_detail(weights: Path, out: Path, *, more: float) -> None:
    """Write a copy of weights whose gain is larger everywhere.

    Raises WeightsError when they are of another network.
    """
    network = build_network(weights, RepairConfig, RepairNetwork)
    load_weights(weights, network, expected=EXPECTED_WARPED)
    with torch.no_grad():
        network.gain_bias.add_(more)
    save_weights(out, network, read_header(weights))


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="weights as they were trained")
    parser.add_argument("out", type=Path, help="where the copy goes")
    parser.add_argument("--more", type=float, required=True, help="share of the detail that is added")
    options = parser.parse_args()
    with_more_detail(options.weights, options.out, more=options.more)


if __name__ == "__main__":
    main()
