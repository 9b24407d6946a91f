from __future__ import annotations

import pytest
import torch

from stages.render.generator import Generator, assemble_input
from stages.render.generator_config import GeneratorConfig
from stages.render.temporal import temporal_planes

LEVELS_AT_512 = [(64, 256), (128, 128), (256, 64), (512, 32), (512, 16), (512, 8), (512, 4), (512, 2)]


def on_paper(config: GeneratorConfig) -> Generator:
    """A network of shapes without numbers."""
    with torch.device("meta"):
        return Generator(config)


def level_shapes(config: GeneratorConfig) -> tuple[list[tuple[int, int]], torch.Size]:
    generator, shapes = on_paper(config), []
    for block in generator.down:
        block.register_forward_hook(lambda _, __, out: shapes.append((out.shape[1], out.shape[2])))
    picture = torch.empty(1, 3, config.size, config.size, device="meta")
    return shapes, generator(picture, picture, torch.zeros(1, device="meta")).shape


def test_the_generator_has_as_many_weights_as_the_released_one():
    assert sum(weight.numel() for weight in on_paper(GeneratorConfig()).parameters()) == 76_207_296


def test_eight_levels_take_512_px_down_to_a_bottleneck_of_2():
    shapes, picture = level_shapes(GeneratorConfig())
    assert shapes == LEVELS_AT_512
    assert picture == (1, 3, 512, 512)


def test_seven_levels_are_256_px_with_the_same_bottleneck():
    config = GeneratorConfig(levels=7)
    assert config.size == 256
    shapes, picture = level_shapes(config)
    assert [side for _, side in shapes] == [128, 64, 32, 16, 8, 4, 2]
    assert picture == (1, 3, 256, 256)


def test_only_the_outermost_and_innermost_level_have_no_norm_after_the_strided_conv():
    normed = [isinstance(block[1], torch.nn.BatchNorm2d) for block in on_paper(GeneratorConfig()).down]
    assert normed == [False] + [True] * 6 + [False]


@pytest.fixture
def tiny() -> Generator:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(levels=3, width=4)).eval()
    for weight in generator.parameters():
        torch.nn.init.normal_(weight, 0, 0.2)
    return generator


@torch.no_grad()
def test_the_picture_depends_on_condition_reference_and_time(tiny: Generator):
    condition, reference, frames = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), torch.tensor([3])
    picture = tiny(condition, reference, frames)
    assert picture.shape == (1, 3, 16, 16)
    assert picture.abs().max() <= 1
    for changed in (
        (condition + 0.5, reference, frames),
        (condition, reference + 0.5, frames),
        (condition, reference, frames + 300),
    ):
        assert not torch.equal(tiny(*changed), picture)


def test_the_inputs_are_condition_reference_and_time_in_this_order():
    condition, reference = torch.full((2, 3, 4, 4), 0.1), torch.full((2, 3, 4, 4), 0.2)
    inputs = assemble_input(condition, reference, torch.tensor([5, 6]))
    assert inputs.shape == (2, 19, 4, 4)
    assert torch.equal(inputs[:, :3], condition)
    assert torch.equal(inputs[:, 3:6], reference)
    assert torch.equal(inputs[:, 6:], temporal_planes(torch.tensor([5, 6]), height=4, width=4))


def test_without_time_the_inputs_are_condition_and_reference_alone():
    condition, reference = torch.full((2, 3, 4, 4), 0.1), torch.full((2, 3, 4, 4), 0.2)
    inputs = assemble_input(condition, reference, torch.tensor([5, 6]), temporal_encoding=False)
    assert torch.equal(inputs, torch.cat([condition, reference], dim=1))


@torch.no_grad()
def test_a_generator_without_time_reads_six_channels_and_draws_every_frame_alike():
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(levels=3, width=4, temporal_encoding=False)).eval()
    assert generator.down[0][0].in_channels == 6
    condition, reference = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    early, late = (generator(condition, reference, torch.tensor([frame])) for frame in (3, 300))
    assert torch.equal(early, late)


def test_sizes_from_before_the_switch_are_those_of_a_generator_with_time():
    old = GeneratorConfig(levels=7, width=24, input_channels=19)
    assert on_paper(old).down[0][0].in_channels == 19
