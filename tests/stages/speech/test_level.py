"""How loud the motion hears a recording. Legend: S samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_voices import RATE, MadeTrack, voice, write_tracks
from numpy.typing import NDArray

from stages.builtin import builtin_subject, builtin_weights
from stages.geometry.landmarks import LIPS
from stages.metrics.landmarks import mouth_opening
from stages.moda.network import Moda, ModaConfig
from stages.speech.decode import Speech, read_levelled, read_speech
from stages.speech.encoder import encode_speech
from stages.speech.level import TRAINING_LEVEL_DB, LevelAccount, speech_level_db
from stages.speech.loading import load_encoder
from stages.subject.package import SubjectPackage
from stages.training.motion_prediction import predict_take
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

VOICE_S = voice(4.0)
QUIET_HISS_S = np.random.default_rng(3).normal(0, 3e-4, len(VOICE_S)).astype(np.float32)


def written(
    tmp_path: Path, samples_S: NDArray[np.float32], codec: str = "pcm_f32le", name: str = "a.wav"
) -> Path:
    return write_tracks(tmp_path / name, MadeTrack(samples_SC=samples_S[:, None], codec=codec))


def level_of(speech: Speech) -> LevelAccount:
    assert speech.media.sound is not None
    return speech.media.sound.level


@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_s24le"])
@pytest.mark.parametrize("gain_db", [-40, -33, -12, 6])
def test_whatever_the_level_of_a_recording_the_motion_hears_the_same(
    tmp_path: Path, gain_db: int, codec: str
):
    loud = read_levelled(written(tmp_path, VOICE_S))
    scaled_S = (VOICE_S * 10 ** (gain_db / 20)).astype(np.float32)
    other = read_levelled(written(tmp_path, scaled_S, codec))
    assert level_of(other).gain_db == level_of(loud).gain_db - gain_db
    np.testing.assert_allclose(other.samples_S, loud.samples_S, atol=1e-4)


def with_noise(start: float, seconds: float, *, repeated: int = 1) -> NDArray[np.float32]:
    """The voice 40 dB quieter, with noise near full scale for a moment."""
    noise_S = np.random.default_rng(4).normal(0, 0.3, int(seconds * RATE)).astype(np.float32)
    samples_S = VOICE_S * np.float32(0.01)
    for number in range(repeated):
        place = int((start + number / 2) * RATE)
        samples_S[place : place + len(noise_S)] += noise_S
    return samples_S * np.float32(100)


@pytest.mark.parametrize(
    "samples_S",
    [
        np.concatenate([VOICE_S, np.zeros(20 * RATE, np.float32)]),
        np.concatenate([np.zeros(7 * RATE, np.float32), VOICE_S, VOICE_S]),
        np.concatenate([np.zeros(RATE, np.float32), VOICE_S[:RATE], np.zeros(30 * RATE, np.float32)])
        + np.resize(QUIET_HISS_S, 32 * RATE),
        VOICE_S + QUIET_HISS_S,
        VOICE_S + np.float32(0.2),
        with_noise(1.6, 0.25),
        with_noise(0.3, 0.01, repeated=7),
    ],
    ids=[
        "a long pause after",
        "a long pause before",
        "a word alone",
        "hiss",
        "a constant",
        "a door",
        "clicks",
    ],
)
def test_pauses_hiss_a_constant_and_short_noises_do_not_count(samples_S: NDArray[np.float32], tmp_path: Path):
    expected = level_of(read_speech(written(tmp_path, VOICE_S))).measured_db
    found = level_of(read_speech(written(tmp_path, samples_S))).measured_db
    assert found == pytest.approx(expected, abs=2.0)


def test_the_gain_is_whole_and_brings_speech_to_the_training_level(tmp_path: Path):
    speech = read_levelled(written(tmp_path, VOICE_S))
    found = speech_level_db(speech.samples_S)
    assert found is not None
    assert abs(found - TRAINING_LEVEL_DB) <= 0.5


def test_a_gain_that_is_named_is_kept_whatever_the_recording(tmp_path: Path):
    edited_S = np.concatenate([VOICE_S[: 2 * RATE], 0.2 * VOICE_S])
    first = read_levelled(written(tmp_path, VOICE_S * np.float32(0.1)))
    again = read_levelled(written(tmp_path, edited_S * np.float32(0.1)), gain_db=level_of(first).gain_db)
    same = slice(0, 30_000)
    np.testing.assert_array_equal(again.samples_S[same], first.samples_S[same])
    assert level_of(again).is_named


def test_reading_a_recording_as_it_is_leaves_its_level_alone(tmp_path: Path):
    speech = read_speech(written(tmp_path, VOICE_S * np.float32(0.01)))
    assert level_of(speech).gain_db == 0
    assert np.abs(speech.samples_S).max() < 0.02


@pytest.mark.parametrize("peak", [0.0, 0.0009])
def test_silence_is_told_and_not_made_louder(tmp_path: Path, peak: float):
    hum_S = (peak * np.sin(np.arange(3 * RATE) * 0.01)).astype(np.float32)
    speech = read_levelled(written(tmp_path, hum_S))
    assert level_of(speech).is_silent
    assert level_of(speech).gain_db == 0
    assert ["there is no sound" in told for told in speech.media.sentences()] == [True]


@pytest.mark.parametrize("length", [1, 700, RATE // 10, RATE // 3])
def test_a_moment_of_sound_is_levelled_too(tmp_path: Path, length: int):
    tone_S = (0.01 * np.sin(np.arange(length) * 0.05 + 1.0)).astype(np.float32)
    assert level_of(read_levelled(written(tmp_path, tone_S))).gain_db >= 0


def test_floating_point_beyond_full_scale_is_lowered_before_it_is_cut_off(tmp_path: Path):
    loud = read_levelled(written(tmp_path, VOICE_S * np.float32(30.0)))
    assert level_of(loud).gain_db < -20
    assert np.corrcoef(loud.samples_S, read_levelled(written(tmp_path, VOICE_S)).samples_S)[0, 1] > 0.9999


@pytest.mark.parametrize("gain", [10.0, 31.6])
@pytest.mark.parametrize("limit", [1.0, 0.5])
@pytest.mark.parametrize("codec", ["pcm_s16le", "flac", "pcm_f32le"])
def test_clipping_is_told(tmp_path: Path, gain: float, limit: float, codec: str):
    clipped_S = np.clip(VOICE_S * np.float32(gain), -1, 1) * np.float32(limit)
    speech = read_levelled(written(tmp_path, clipped_S, codec, "a.mka"))
    assert level_of(speech).clipped_share > 0.02
    assert any("clipped" in told for told in speech.media.sentences())


@pytest.mark.parametrize("name", ["a.m4a", "a.mp3"])
def test_clipping_before_a_lossy_codec_is_told(tmp_path: Path, name: str):
    codec = {"a.m4a": "aac", "a.mp3": "libmp3lame"}[name]
    clipped_S = np.clip(VOICE_S * np.float32(20.0), -1, 1)
    assert level_of(read_levelled(written(tmp_path, clipped_S, codec, name))).clipped_share > 0.01


def test_neither_a_voice_nor_a_tone_at_full_scale_is_called_clipped(tmp_path: Path):
    tone_S = np.sin(np.arange(2 * RATE) * 0.02).astype(np.float32)
    peak = np.float32(np.abs(VOICE_S).max())
    for samples_S in (tone_S, VOICE_S / peak, VOICE_S):
        told = read_levelled(written(tmp_path, samples_S, "pcm_s16le")).media.sentences()
        assert not any("clipped" in sentence for sentence in told)


def opening_px(path: Path) -> float:
    weights = builtin_weights("moda")
    encoder = load_encoder(read_header(weights).encoder, device=torch.device("cpu"))
    network = Moda(read_sizes(weights, ModaConfig)).eval().requires_grad_(False)
    load_weights(weights, network, expected={"architecture": "moda", "encoder": encoder.name})
    template = SubjectPackage.load(builtin_subject("actor-a")).template
    samples_S = read_levelled(path).samples_S
    features_TD = encode_speech(encoder, samples_S[: len(samples_S) // 640 * 640])
    moved_TC = predict_take(network, features_TD, template).as_rows()
    mesh_TN3 = np.zeros((len(moved_TC), 478, 3), np.float32)
    mesh_TN3[:, LIPS] = moved_TC[:, : 3 * len(LIPS)].reshape(-1, len(LIPS), 3) + template.mesh_N3[LIPS]
    return float(mouth_opening(mesh_TN3).mean())


def test_a_quiet_recording_opens_the_mouth_as_wide_as_a_loud_one(tmp_path: Path):
    wide = opening_px(written(tmp_path, VOICE_S))
    for gain_db in (-40, -25.5, 9):
        scaled_S = (VOICE_S * 10 ** (gain_db / 20)).astype(np.float32)
        assert opening_px(written(tmp_path, scaled_S)) == pytest.approx(wide, rel=0.02)


@pytest.mark.parametrize("value", [1e12, -1e38, 3e38])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_samples_far_beyond_full_scale_are_heard_as_what_they_may_be(
    tmp_path: Path, value: float, channels: int
):
    samples_SC = np.stack([VOICE_S] * channels, axis=1)
    samples_SC[8_000:8_003] = value
    layout = {6: "5.1"}.get(channels, "")
    track = MadeTrack(samples_SC=samples_SC, codec="pcm_f32le", layout=layout)
    samples_S = read_levelled(write_tracks(tmp_path / "a.wav", track)).samples_S
    assert np.isfinite(samples_S).all()
    assert np.abs(samples_S).max() <= 1.0
