from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from stages.builtin import builtin_weights
from stages.speech.decode import read_levelled
from stages.subject.audio_offset import (
    LONGEST_LAG,
    AudioOffset,
    audio_offset,
    compare,
    lip_measures,
    rows_at,
    spectral_times,
)
from stages.video.decoding import read_frames


def moving_lips(seed: int, frames: int = 250) -> np.ndarray:
    """Three measures at 100 Hz that move as fast as lips do, and do not drift."""
    noise = np.random.default_rng(seed).normal(size=(4 * frames, 3))
    return gaussian_filter1d(noise, 6.0, axis=0) - gaussian_filter1d(noise, 30.0, axis=0)


def seen_at(heard: np.ndarray, frames: int, *, lag: float, first: int = 20) -> np.ndarray:
    """What is seen of lips whose sound lags by some frames, from a frame on."""
    return rows_at(heard, spectral_times(np.arange(frames) + first, lag))


def sound_from(heard: np.ndarray, first: int = 20) -> np.ndarray:
    return heard[4 * first :]


@settings(deadline=None, max_examples=40)
@given(
    lag=st.floats(-LONGEST_LAG, LONGEST_LAG),
    seed=st.integers(0, 1000),
    frames=st.sampled_from([75, 250, 600]),
)
def test_any_lag_is_found_in_parts_of_a_frame(lag: float, seed: int, frames: int):
    heard = moving_lips(seed, frames + 60)
    found = compare(sound_from(heard)[: 4 * frames], seen_at(heard, frames, lag=lag))
    # Of three seconds, the ends make up a good part.
    assert found.lag == pytest.approx(lag, abs=0.05 if frames > 75 else 0.15)
    assert found.is_clear == (abs(found.lag) <= LONGEST_LAG)


@pytest.mark.parametrize("lag", [-3.3, -0.7, 0.4, 2.6])
def test_a_lag_is_found_through_noise(lag: float):
    heard = moving_lips(3, 310)
    seen = seen_at(heard, 250, lag=lag)
    noise = gaussian_filter1d(np.random.default_rng(4).normal(size=seen.shape), 1.0, axis=0)
    found = compare(sound_from(heard)[:1000], seen + 0.3 * seen.std() * noise / noise.std())
    assert found.lag == pytest.approx(lag, abs=0.1)


def test_the_agreement_of_every_whole_lag_is_told():
    heard = moving_lips(5, 310)
    found = compare(sound_from(heard)[:1000], seen_at(heard, 250, lag=4))
    assert len(found.by_lag) == 2 * LONGEST_LAG + 1
    assert int(np.argmax(found.by_lag)) - LONGEST_LAG == 4
    assert found.by_lag[LONGEST_LAG + 4] == pytest.approx(found.correlation, abs=0.01)


def test_a_lag_is_counted_from_zero_of_the_judge():
    heard = moving_lips(6, 310)
    seen = seen_at(heard, 250, lag=1.5)
    assert compare(sound_from(heard)[:1000], seen, zero=0.5).lag == pytest.approx(1.0, abs=0.05)


def test_a_lag_beyond_what_is_searched_is_not_clear():
    heard = moving_lips(7, 310)
    assert not compare(sound_from(heard)[:1000], seen_at(heard, 250, lag=LONGEST_LAG + 1)).is_clear


def test_strangers_are_not_clear():
    seen = moving_lips(0)[::4]
    assert not any(compare(moving_lips(seed), seen).is_clear for seed in range(1, 40))


def test_a_still_face_is_never_clear():
    offset = compare(moving_lips(0), np.zeros((250, 3)))
    assert not offset.is_clear
    assert offset.correlation == 0


@pytest.mark.parametrize("frames", [0, 1, 20])
def test_a_clip_too_short_to_be_shifted_is_not_clear(frames: int):
    lips = moving_lips(0, frames)
    assert not compare(lips, lips[::4]).is_clear


def test_posture_that_drifts_does_not_count():
    mesh_TN3 = np.zeros((200, 478, 3), np.float32)
    mesh_TN3[:, 14, 1] = np.linspace(0, 30, 200) + np.random.default_rng(0).normal(0, 1, 200)
    assert abs(np.corrcoef(lip_measures(mesh_TN3)[:, 0], np.arange(200))[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("lag", "correlation", "taken_out"), [(2.634, 0.8, 2.63), (-0.7, 0.8, -0.7), (0.1, 0.8, 0), (4, 0.1, 0)]
)
def test_what_is_clear_and_more_than_the_error_is_corrected(lag: float, correlation: float, taken_out: float):
    offset = AudioOffset(lag=lag, correlation=correlation, margin=correlation, by_lag=())
    assert offset.correction == taken_out


@pytest.mark.parametrize("samples", [0, 1, 319, 320, 5000])
def test_sound_too_short_to_be_compared_is_unclear(samples: int):
    mesh_TN3 = np.random.default_rng(0).normal(size=(samples // 640, 478, 3)).astype(np.float32)
    offset = audio_offset(mesh_TN3, np.zeros(samples, np.float32), weights=builtin_weights("lip_predictor"))
    assert not offset.is_clear


def test_silence_and_noise_are_unclear():
    generator = np.random.default_rng(1)
    mesh_TN3 = generator.normal(size=(250, 478, 3)).astype(np.float32)
    for speech_S in (np.zeros(160_000), generator.normal(0, 0.1, 160_000)):
        offset = audio_offset(mesh_TN3, speech_S.astype(np.float32), weights=builtin_weights("lip_predictor"))
        assert not offset.is_clear


@pytest.fixture(scope="module")
def actor(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Canonical meshes of eight seconds of an actor and the speech with them."""
    try:
        from stages.subject.face_tracker import FaceTracker
        from stages.subject.prepare import canonicalised
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")
    clip = data / "actors" / "actor_a.mp4"
    with FaceTracker(video=False) as tracker:
        tracks = [tracker.track(frame_HW3) for frame_HW3 in islice(read_frames(clip), 200)]
    meshes = [track.mesh_N3 for track in tracks if track is not None]
    assert len(meshes) == 200
    return canonicalised(np.stack(meshes))[0], read_levelled(clip).samples_S


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-3.3, -0.7, 0.4, 2.6])
def test_sound_shifted_by_samples_is_found_shifted_by_as_much(actor, shift: float):
    canonical_TN3, speech_S = actor
    weights = builtin_weights("lip_predictor")
    samples = round(abs(shift) * 640)
    moved_S = np.pad(speech_S, (samples, 0)) if shift > 0 else speech_S[samples:]
    unshifted = audio_offset(canonical_TN3, speech_S[:128_000], weights=weights)
    shifted = audio_offset(canonical_TN3, moved_S[:128_000], weights=weights)
    assert unshifted.is_clear
    assert abs(unshifted.lag) < 1
    assert shifted.lag - unshifted.lag == pytest.approx(shift, abs=0.25)
