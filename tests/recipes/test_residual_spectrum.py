"""A filter on noise gives back the movement that it was learnt from: its size, its pace, and who follows whom."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from recipes.residual_spectrum import (
    component_map,
    components_of,
    cross_spectrum,
    left_out,
    residual_filter,
)
from stages.moda.residual_motion import RESIDUAL_CHANNELS, RESIDUAL_COMPONENTS, residual_track

FRAMES = 20_000
EYE_CQ = np.eye(RESIDUAL_CHANNELS, RESIDUAL_COMPONENTS)


@pytest.fixture(scope="module")
def movement() -> np.ndarray:
    """(T, Q): slow waves of several sizes; the second follows the first by six frames."""
    random = np.random.default_rng(0)
    waves_TQ = gaussian_filter1d(random.normal(size=(FRAMES, RESIDUAL_COMPONENTS)), 4, axis=0)
    waves_TQ *= np.linspace(2, 6, RESIDUAL_COMPONENTS)
    waves_TQ[:, 1] = np.roll(waves_TQ[:, 0], 6) + 0.3 * waves_TQ[:, 1]
    return waves_TQ


def drawn(filter_KQQ: np.ndarray) -> np.ndarray:
    track_TC = residual_track(
        filter_KQQ.astype(np.float32),
        EYE_CQ.astype(np.float32),
        seed=1,
        take=1,
        first_frame=0,
        frame_count=FRAMES,
    )
    return track_TC[:, :RESIDUAL_COMPONENTS]


def correlation(track_TQ: np.ndarray, lag: int) -> float:
    return float(np.corrcoef(track_TQ[: len(track_TQ) - lag, 0], track_TQ[lag:, 1])[0, 1])


def test_a_spectrum_adds_up_to_the_spread(movement: np.ndarray):
    spectrum = cross_spectrum(movement)
    covariance = (spectrum[0] + spectrum[-1]).real + 2 * spectrum[1:-1].real.sum(0)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), movement.std(0), rtol=0.05)


def test_what_is_drawn_moves_as_what_was_learnt_from(movement: np.ndarray):
    spectrum = cross_spectrum(movement)
    track_TQ = drawn(residual_filter(left_out(spectrum, np.zeros_like(spectrum))))
    # Smoothing will take a part, which is given beforehand.
    np.testing.assert_allclose(gaussian_filter1d(track_TQ, 1.2, axis=0).std(0), movement.std(0), rtol=0.1)
    for lag in (0, 6, 12):
        assert correlation(track_TQ, lag) == pytest.approx(correlation(movement, lag), abs=0.08)


def test_what_is_there_already_is_not_drawn_again(movement: np.ndarray):
    spectrum = cross_spectrum(movement)
    assert not left_out(spectrum, spectrum).any()
    half = drawn(residual_filter(left_out(spectrum, 0.75 * spectrum)))
    whole = drawn(residual_filter(left_out(spectrum, np.zeros_like(spectrum))))
    np.testing.assert_allclose(half, 0.5 * whole, atol=1e-3)


def test_the_trackers_trembling_is_left_out():
    noise_TQ = np.random.default_rng(0).normal(size=(4000, RESIDUAL_COMPONENTS))
    spectrum = cross_spectrum(noise_TQ)
    lines = (
        np.abs(np.fft.rfft(drawn(residual_filter(left_out(spectrum, np.zeros_like(spectrum))))[:, 0])) ** 2
    )
    hertz = np.fft.rfftfreq(FRAMES, 1 / 25)
    assert lines[hertz > 8].sum() < 0.001 * lines.sum()


def test_shoulders_are_taken_apart_and_put_together():
    random = np.random.default_rng(0)
    torso_TC = random.normal(size=(200, 3)) @ random.normal(size=(3, RESIDUAL_CHANNELS - 7))
    channels_CQ = component_map([torso_TC.astype(np.float32)])
    rows_TC = np.concatenate([random.normal(size=(200, 7)), torso_TC - torso_TC.mean(0)], axis=1)
    parts_TQ = components_of(rows_TC.astype(np.float32), channels_CQ)
    np.testing.assert_allclose(parts_TQ @ channels_CQ.T, rows_TC, atol=1e-3)
    np.testing.assert_allclose(parts_TQ[:, 7:].std(0), 1.0, rtol=0.05)


def test_a_short_clip_has_a_spectrum_too():
    assert np.isfinite(cross_spectrum(np.random.default_rng(0).normal(size=(40, RESIDUAL_COMPONENTS)))).all()
