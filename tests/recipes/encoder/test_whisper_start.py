"""A front that begins as Whisper's layers hears as they do, but for their places."""

from __future__ import annotations

import pytest
import torch

from recipes.encoder.whisper_start import start_from_whisper
from stages.speech.compact import CompactConfig, CompactNetwork
from stages.speech.whisper import WhisperEncoder

ROWS = 40


def a_network(*, reach: int) -> CompactNetwork:
    return CompactNetwork(CompactConfig(front_blocks=2, front_reach=reach, attention_blocks=1, features=8))


@pytest.fixture
def whisper() -> WhisperEncoder:
    return WhisperEncoder(layers=2)


def a_spectrum(seed: int) -> torch.Tensor:
    return torch.randn(1, 80, 2 * ROWS, generator=torch.Generator().manual_seed(seed))


def test_without_places_the_front_is_the_layers(whisper: WhisperEncoder):
    whisper.positions_KD.zero_()
    network = a_network(reach=ROWS)
    start_from_whisper(network, whisper, [a_spectrum(0)])
    with torch.no_grad():
        torch.testing.assert_close(
            network.front_rows(a_spectrum(1)), whisper.hidden(a_spectrum(1)), rtol=1e-4, atol=1e-4
        )


def test_what_places_do_to_attention_becomes_a_bias_by_distance(whisper: WhisperEncoder):
    network = a_network(reach=6)
    start_from_whisper(network, whisper, [a_spectrum(seed) for seed in range(3)])
    wanted = whisper.hidden(a_spectrum(7))
    biased = network.front_rows(a_spectrum(7)) - wanted
    for block in network.front:
        torch.nn.init.zeros_(block.bias_NR)
    unbiased = network.front_rows(a_spectrum(7)) - wanted
    assert biased.std() < unbiased.std()


def test_a_front_of_more_blocks_than_layers_is_refused(whisper: WhisperEncoder):
    network = CompactNetwork(CompactConfig(front_blocks=3, attention_blocks=1))
    with pytest.raises(ValueError, match="shorter"):
        start_from_whisper(network, whisper, [a_spectrum(0)])
