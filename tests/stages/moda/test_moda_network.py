from __future__ import annotations

import pytest
import torch

from stages.moda.network import Moda, ModaConfig

FRAMES = 9


def tiny(**changed: object) -> Moda:
    torch.manual_seed(0)
    sizes = {"speech_width": 6, "width": 16, "latent": 8, "layers": 1, "heads": 2}
    return Moda(ModaConfig(**{**sizes, **changed})).eval()


@torch.no_grad()
def rows(network: Moda, *, noise_seed: int) -> torch.Tensor:
    inputs = torch.Generator().manual_seed(0)
    noise = torch.Generator().manual_seed(noise_seed)
    frames = FRAMES + 2 * network.noise_margin
    return network(
        torch.randn(1, FRAMES, 6, generator=inputs),
        torch.randn(1, 1434, generator=inputs),
        torch.randn(1, frames, network.config.latent, generator=noise),
    ).rows_BTC


def test_the_network_has_as_many_weights_as_the_released_one():
    with torch.device("meta"):
        network = Moda(ModaConfig(speech_width=768, width=128, latent=128, mode="paper"))
    assert sum(weight.numel() for weight in network.parameters()) == 2_346_473


@pytest.mark.parametrize("mode", ["paper", "cvae"])
def test_there_is_one_row_of_motion_a_frame(mode: str):
    assert rows(tiny(mode=mode), noise_seed=0).shape == (1, FRAMES, 361)


@pytest.mark.parametrize("mode", ["paper", "cvae"])
def test_lips_that_do_not_see_the_noise_are_the_same_in_every_take(mode: str):
    network = tiny(mode=mode, lips_see_noise=False)
    first, second = rows(network, noise_seed=1), rows(network, noise_seed=2)
    assert torch.equal(first[..., :120], second[..., :120])
    for part in (slice(120, 300), slice(300, 307), slice(307, 361)):
        assert not torch.equal(first[..., part], second[..., part])


def test_lips_that_see_the_noise_differ_between_takes():
    network = tiny(lips_see_noise=True)
    first, second = rows(network, noise_seed=1), rows(network, noise_seed=2)
    assert not torch.equal(first[..., :120], second[..., :120])


def test_the_scale_travels_with_the_weights():
    network, other = tiny(), tiny()
    assert torch.equal(network.scale_C, torch.ones(361))
    network.scale_C.copy_(torch.arange(361))
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.scale_C, torch.arange(361, dtype=torch.float32))


def test_linear_layers_start_small():
    weights = torch.cat(
        [weight.flatten() for name, weight in tiny().named_parameters() if "tail.0.w" in name]
    )
    assert weights.detach().std().item() == pytest.approx(0.02, rel=0.05)


def test_only_cvae_wants_noise_around_the_window():
    assert tiny().noise_margin == 0
    assert tiny(mode="cvae").noise_margin == 75


@pytest.mark.parametrize("lips_see_noise", [True, False])
@pytest.mark.parametrize("mode", ["paper", "cvae"])
@pytest.mark.parametrize("attention", ["dual", "specific", "probabilistic", "lstm"])
def test_every_attention_gives_a_row_of_motion_a_frame(attention: str, mode: str, lips_see_noise: bool):
    network = tiny(attention=attention, mode=mode, lips_see_noise=lips_see_noise)
    assert rows(network, noise_seed=0).shape == (1, FRAMES, 361)


@pytest.mark.parametrize("attention", ["specific", "lstm"])
def test_without_the_probabilistic_branch_every_take_is_the_same(attention: str):
    network = tiny(attention=attention, mode="cvae")
    assert network.noise_margin == 0
    assert torch.equal(rows(network, noise_seed=1), rows(network, noise_seed=2))


@pytest.mark.parametrize("lips_see_noise", [True, False])
def test_without_the_specific_branch_the_lips_read_the_probabilistic_one(lips_see_noise: bool):
    network = tiny(attention="probabilistic", lips_see_noise=lips_see_noise)
    first, second = rows(network, noise_seed=1), rows(network, noise_seed=2)
    assert not torch.equal(first[..., :120], second[..., :120])


@pytest.mark.parametrize(
    ("attention", "built"),
    [
        ("dual", {"spec", "prob"}),
        ("specific", {"spec"}),
        ("probabilistic", {"prob"}),
        ("lstm", {"recurrent"}),
    ],
)
def test_what_an_ablation_leaves_out_is_not_built(attention: str, built: set[str]):
    parts = {name.partition(".")[0] for name in tiny(attention=attention).state_dict()}
    assert parts & {"spec", "prob", "recurrent"} == built


@pytest.mark.parametrize("attention", ["dual", "specific", "probabilistic", "lstm"])
def test_every_weight_of_an_ablation_is_used(attention: str):
    network = tiny(attention=attention, mode="paper").train()
    speech, template, noise = torch.randn(2, FRAMES, 6), torch.randn(2, 1434), torch.randn(2, FRAMES, 8)
    network(speech, template, noise).rows_BTC.square().mean().backward()
    still = {name for name, weight in network.named_parameters() if weight.grad is None}
    assert still == set()


def test_the_posterior_is_there_only_where_something_is_drawn():
    inputs = torch.randn(1, FRAMES, 6), torch.randn(1, 1434), torch.randn(1, FRAMES, 8)
    assert tiny(attention="probabilistic")(*inputs).mean_BTZ is not None
    assert tiny(attention="specific")(*inputs).mean_BTZ is None
    assert tiny(attention="lstm")(*inputs).logvar_BTZ is None


def test_a_gain_travels_with_calibrated_weights_alone():
    assert "gain_C" not in tiny().state_dict()
    network, other = tiny(calibrated=True), tiny(calibrated=True)
    network.gain_C.fill_(1.5)
    other.load_state_dict(network.state_dict())
    assert other.displacements(torch.ones(361)).tolist() == [1.5] * 361
