"""What judges heads finds what was put there."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.head_motion import emphasis_of, stressed_frames, syllables

RATE = 16_000
RANDOM = np.random.default_rng(0)


def spoken(loud: set[int], *, count: int = 12, pitch_hz: float = 120.0) -> np.ndarray:
    """A vowel every third of a second, some of them twice as loud and a quarter higher."""
    speech_S = np.zeros(RATE * (count + 2) // 3)
    for number in range(count):
        start = RATE * (number + 1) // 3
        time_S = np.arange(RATE // 5) / RATE
        hertz = pitch_hz * (1.25 if number in loud else 1.0)
        voice_S = sum(np.sin(2 * np.pi * hertz * harmonic * time_S) / harmonic for harmonic in range(1, 20))
        speech_S[start : start + len(time_S)] = (
            voice_S * np.hanning(len(time_S)) * (2 if number in loud else 1)
        )
    return speech_S + 1e-3 * RANDOM.normal(size=len(speech_S))


def test_syllables_are_found_where_they_are():
    frames_P, _ = syllables(spoken(set()))
    np.testing.assert_allclose(frames_P, 25 * (np.arange(1, 13) / 3 + 0.1), atol=1.0)


def test_louder_and_higher_syllables_are_the_stressed_ones():
    loud = {2, 5, 6, 9, 11}
    found = stressed_frames(spoken(loud))
    assert {round((frame / 25 - 0.1) * 3) - 1 for frame in found} == loud


def test_silence_has_no_stress():
    assert len(stressed_frames(np.zeros(RATE * 3))) == 0


@pytest.mark.parametrize("livelier", [1.0, 2.0])
def test_a_head_that_is_livelier_at_stress_is_told_from_one_that_is_not(livelier: float):
    stressed = np.arange(30, 970, 60)
    near = np.zeros(1000, dtype=bool)
    near[stressed[:, None] + np.arange(-4, 5)] = True
    steps_TC = RANDOM.normal(size=(1000, 3)) * np.where(near, livelier, 1.0)[:, None]
    found = emphasis_of(np.cumsum(steps_TC, axis=0), stressed)
    assert (found > 0.3) == (livelier > 1.0)
    assert abs(found) < 0.15 or livelier > 1.0
