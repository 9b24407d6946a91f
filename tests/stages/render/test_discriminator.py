from __future__ import annotations

import torch

from stages.render.discriminator import Discriminator, DiscriminatorConfig


def features_at_512(config: DiscriminatorConfig) -> list[list[torch.Tensor]]:
    with torch.device("meta"):
        return Discriminator(config)(torch.empty(1, 19, 512, 512), torch.empty(1, 3, 512, 512))


def test_the_discriminator_has_as_many_weights_as_the_released_one():
    with torch.device("meta"):
        discriminator = Discriminator(DiscriminatorConfig())
    assert sum(weight.numel() for weight in discriminator.parameters()) == 20_945_475


def test_the_maps_at_512_px_are_35_19_and_11_patches_wide():
    features = features_at_512(DiscriminatorConfig())
    assert [scale[-1].shape for scale in features] == [(1, 1, 35, 35), (1, 1, 19, 19), (1, 1, 11, 11)]


def test_every_layer_is_given_for_feature_matching():
    (scale, *_) = features_at_512(DiscriminatorConfig())
    assert [layer.shape[1] for layer in scale] == [64, 128, 256, 512, 512, 1]


@torch.no_grad()
def test_the_scales_have_weights_of_their_own_and_see_condition_and_picture():
    torch.manual_seed(0)
    discriminator = Discriminator(DiscriminatorConfig(scales=2, layers=2, width=4)).eval()
    inputs, picture = torch.rand(1, 19, 32, 32), torch.rand(1, 3, 32, 32)
    scores = discriminator(inputs, picture)
    assert not torch.equal(
        discriminator.scales[0].blocks[0][0].weight, discriminator.scales[1].blocks[0][0].weight
    )
    for changed in ((inputs + 1, picture), (inputs, picture + 1)):
        for before, after in zip(scores, discriminator(*changed), strict=True):
            assert not torch.equal(before[-1], after[-1])


@torch.no_grad()
def test_without_time_the_discriminator_sees_nine_channels():
    torch.manual_seed(0)
    config = DiscriminatorConfig(scales=1, layers=2, width=4, temporal_encoding=False)
    (scale,) = Discriminator(config)(torch.rand(1, 6, 32, 32), torch.rand(1, 3, 32, 32))
    assert config.inputs == 9
    assert scale[-1].shape[1] == 1
