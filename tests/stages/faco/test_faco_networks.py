from __future__ import annotations

import torch

from stages.faco.discriminator import FaceDiscriminator
from stages.faco.network import FacoConfig, FaCoNet


def weight_count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_the_composer_has_as_many_weights_as_the_released_one():
    with torch.device("meta"):
        assert weight_count(FaCoNet(FacoConfig())) == 1_900_442


def test_the_discriminator_has_as_many_weights_as_the_released_one():
    with torch.device("meta"):
        assert weight_count(FaceDiscriminator()) == 792_705


def test_a_mesh_is_composed_from_lips_eyes_and_subject():
    torch.manual_seed(0)
    network = FaCoNet(FacoConfig(encoder_width=8, subject_width=8, decoder_width=8))
    mouth, eyes, template = torch.randn(4, 120), torch.randn(4, 180), torch.randn(4, 1434)
    mesh = network(mouth, eyes, template)
    assert mesh.shape == (4, 1434)
    for changed in ((mouth + 1, eyes, template), (mouth, eyes + 1, template), (mouth, eyes, template + 1)):
        assert not torch.equal(network(*changed), mesh)


def test_the_discriminator_scores_every_frame_by_all_it_sees():
    torch.manual_seed(0)
    network = FaceDiscriminator()
    seen = [torch.randn(3, channels) for channels in (120, 180, 1434, 1434)]
    scores = network(*seen)
    assert scores.shape == (3, 1)
    for index in range(4):
        changed = [part + 1 if k == index else part for k, part in enumerate(seen)]
        assert not torch.equal(network(*changed), scores)
