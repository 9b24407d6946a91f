from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.speech.resample import resample

RATES = [8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]


def resampled(samples: np.ndarray, rate: int, target: int = 16_000, cuts: tuple[int, ...] = ()) -> np.ndarray:
    blocks = np.split(samples.astype(np.float32), sorted(cuts))
    return np.concatenate([*resample(blocks, source_rate=rate, target_rate=target), np.zeros(0, np.float32)])


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_comes_out_as_the_same_tone_without_delay(rate: int):
    tone = np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate)
    out = resampled(tone, rate)
    expected = np.sin(2 * np.pi * 1_000 * np.arange(len(out)) / 16_000)
    inside = slice(400, -400)
    assert np.abs(out[inside] - expected[inside]).max() < 1e-4


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_what_16_khz_cannot_hold_is_gone_instead_of_folded_back(rate: int):
    hiss = np.sin(2 * np.pi * 9_000 * np.arange(rate) / rate)
    assert np.abs(resampled(hiss, rate)[400:-400]).max() < 1e-4


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([*RATES, 16_000, 12_345]),
    count=st.integers(1, 6_000),
    cuts=st.lists(st.integers(0, 6_000), max_size=5),
)
def test_block_borders_change_no_bit_and_the_length_is_exact(rate: int, count: int, cuts: list[int]):
    samples = np.random.default_rng(count).uniform(-1, 1, count)
    whole = resampled(samples, rate)
    assert len(whole) == -(-count * 16_000 // rate)
    np.testing.assert_array_equal(
        whole, resampled(samples, rate, cuts=tuple(min(cut, count) for cut in cuts))
    )


def test_an_hour_drifts_by_nothing():
    # A click at the last second of a long stream of silence, fed in blocks as a decoder would.
    rate, seconds = 44_100, 600
    click = np.zeros(rate, np.float32)
    click[0] = 1.0
    silence = np.zeros(rate, np.float32)
    blocks = [*[silence] * (seconds - 1), click]
    out = np.concatenate(list(resample(blocks, source_rate=rate, target_rate=16_000)))
    assert int(np.argmax(np.abs(out))) == (seconds - 1) * 16_000
