from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from stages.errors import WeightsError
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.weights import build_network, load_weights, save_weights
from stages.weights_header import WeightsHeader

SIZE = 64
CONFIG = RepairConfig(width=4, depth=1)


def inputs(batch: int = 1, size: int = SIZE, *, seed: int = 0) -> list[Tensor]:
    """Condition, two candidates, plate and mask: smooth pictures in [-1, 1]."""
    random = torch.Generator().manual_seed(seed)
    stacks = []
    for channels in (3, 3, 3, 3, 1):
        coarse = torch.rand(batch, channels, size // 8, size // 8, generator=random) * 2 - 1
        stacks.append(torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear"))
    return stacks


def lively(config: RepairConfig = CONFIG, *, seed: int = 0) -> RepairNetwork:
    torch.manual_seed(seed)
    network = RepairNetwork(config).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, 0, 0.15)
    return network


def test_untrained_it_is_nearly_the_first_candidate():
    condition, fixed, mouth, plate, mask = inputs()
    picture = RepairNetwork(CONFIG)(condition, fixed, mouth, plate, mask)
    assert (picture - fixed).abs().mean() < 0.3 * (mouth - fixed).abs().mean()
    # It blends: where all three agree there is nothing else.
    same = RepairNetwork(CONFIG)(condition, fixed, fixed, fixed, mask)
    torch.testing.assert_close(same, fixed, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_it_draws_at_any_size_that_can_be_halved(size: int):
    assert lively()(*inputs(2, size)).shape == (2, 3, size, size)


def test_every_weight_learns():
    network = lively()
    (network(*inputs()) ** 2).mean().backward()
    idle = [
        name
        for name, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.abs().sum() > 0
    ]
    assert idle == []


def test_a_new_network_learns_at_once():
    """Heads that begin at zero may not keep what is before them from learning for good."""
    torch.manual_seed(0)
    network, pictures = RepairNetwork(CONFIG), inputs()
    truth = pictures[2].roll(1, dims=-1)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = (network(*pictures) - truth).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    # It sees more than its own biases: another condition is another picture.
    assert not torch.equal(network(*pictures), network(pictures[0].flip(-1), *pictures[1:]))


@pytest.mark.parametrize("which", range(5))
def test_it_looks_at_all_that_it_is_given(which: int):
    network, one, other = lively(), inputs(), inputs(seed=7)
    changed = [*one[:which], other[which], *one[which + 1 :]]
    assert not torch.equal(network(*one), network(*changed))


@pytest.mark.parametrize("candidate", [0, 1])
def test_a_candidate_that_lies_beside_is_moved(candidate: int):
    network = RepairNetwork(CONFIG).eval()
    condition, fixed, mouth, plate, mask = inputs()
    with torch.no_grad():
        # All of the first or of the second, 6 px of a picture of 512 to the right.
        network.head.bias[12:24] = torch.tensor([0.0, 0.0, 0.0])[:, None].expand(3, 4).reshape(-1)
        network.head.bias[12 + 4 * candidate : 16 + 4 * candidate] = 40.0
        network.flow_head.bias[2 * candidate] = torch.atanh(torch.tensor(0.5))
        picture = network(condition, fixed, mouth, plate, mask)
    wanted = (fixed, mouth)[candidate]
    pixels = 6 * SIZE / 512
    x = torch.arange(SIZE) + pixels
    left = x.floor().long().clamp(max=SIZE - 1)
    right = (left + 1).clamp(max=SIZE - 1)
    share = x - x.floor()
    moved = wanted[..., left] * (1 - share) + wanted[..., right] * share
    torch.testing.assert_close(picture[..., :-2], moved[..., :-2], atol=1e-4, rtol=0)


def test_gain_sharpens_and_leaves_what_is_flat():
    network = RepairNetwork(CONFIG).eval()
    condition, _, mouth, plate, mask = inputs()
    edge = torch.zeros(1, 3, SIZE, SIZE)
    edge[..., SIZE // 2 :] = 0.5
    with torch.no_grad():
        network.head.bias[12:16] = 40.0
        plain = network(condition, edge, mouth, plate, mask)
        network.head.bias[24:28] = 1.0
        sharp = network(condition, edge, mouth, plate, mask)
    torch.testing.assert_close(plain, edge, atol=1e-5, rtol=0)
    assert float(sharp.max()) > 0.6
    torch.testing.assert_close(sharp[..., : SIZE // 2 - 3], edge[..., : SIZE // 2 - 3], atol=1e-5, rtol=0)


def test_batches_do_not_mix():
    network, pictures = lively(), inputs(3)
    whole = network(*pictures)
    alone = torch.cat([network(*(each[index : index + 1] for each in pictures)) for index in range(3)])
    torch.testing.assert_close(whole, alone, atol=1e-5, rtol=1e-5)


def test_half_precision_changes_little():
    network, pictures = lively(), inputs()
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(*pictures)
    assert rough.dtype == torch.float32
    assert (rough - network(*pictures)).abs().mean() < 0.05


@pytest.mark.parametrize("sizes", [{"width": 0}, {"width": 257}, {"depth": 0}, {"depth": 99}])
def test_sizes_that_no_network_has_are_refused(sizes: dict[str, int]):
    with pytest.raises(ValueError, match="no network"):
        RepairConfig(**sizes)


def test_weights_carry_their_sizes(tmp_path: Path):
    path, network = tmp_path / "weights.safetensors", lively()
    header = WeightsHeader(
        architecture="warped", sizes={"width": 4, "depth": 1}, encoder="", fps=25, training_data=""
    )
    save_weights(path, network, header)
    built = build_network(path, RepairConfig, RepairNetwork)
    load_weights(path, built, expected={"architecture": "warped"})
    assert built.config == CONFIG
    assert (built(*inputs()) - network(*inputs())).abs().max() < 0.02
    save_weights(path, network, WeightsHeader(**{**vars_of(header), "sizes": {"width": 8, "depth": 1}}))
    with pytest.raises(WeightsError) as caught:
        build_network(path, RepairConfig, RepairNetwork)
    assert caught.value.code == "weights_mismatch"


def vars_of(header: WeightsHeader) -> dict[str, object]:
    return {name: getattr(header, name) for name in header.__dataclass_fields__}
