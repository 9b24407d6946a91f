"""The judge of the offset is fitted on made-up clips: noise whose loudness is the opening of lips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from recipes.corpus import CorpusClip
from recipes.offset.data import HeardClip, load_heard, performer_folds
from recipes.offset.fit import beside_zero, publish_predictor, set_zero, teaching_lags
from recipes.offset.training import OffsetTraining, find_offset, train_predictor
from stages.subject.audio_offset import AudioOffset
from stages.subject.lip_predictor import LipPredictorConfig, load_lip_predictor, sound_bands
from stages.weights_header import read_header

FRAMES = 150
TRAINING = OffsetTraining(steps=60, batch=6, network=LipPredictorConfig(width=8, layers=3))


def made_clip(seed: int, *, lag: float = 0.0, speaker: str = "", path: str = "") -> HeardClip:
    generator = np.random.default_rng(seed)
    moving_S = gaussian_filter1d(generator.normal(size=(FRAMES + 40) * 16), 24)
    moving_S /= moving_S.std()
    samples = np.arange(FRAMES * 640)
    loudness_S = np.interp(samples / 40 + (20 - lag) * 16, np.arange(len(moving_S)), moving_S)
    speech_S = (0.1 * np.exp(loudness_S) * generator.normal(size=len(samples))).astype(np.float32)
    opening_T = np.interp((np.arange(FRAMES) + 20.5) * 16, np.arange(len(moving_S)), moving_S)
    return HeardClip(
        entry=CorpusClip(path=path or f"made/{seed}.mp4", speaker=speaker or str(seed), lag=lag),
        seen_T3=np.stack([opening_T, -opening_T, opening_T], axis=1),
        speech_S=speech_S,
        bands_KF=sound_bands(speech_S),
    )


def offset(lag: float, *, correlation: float = 0.9) -> AudioOffset:
    return AudioOffset(lag=lag, correlation=correlation, margin=correlation, by_lag=())


def test_a_judge_fitted_on_clips_of_known_lag_finds_that_of_another(tmp_path: Path):
    clips = [made_clip(seed, lag=seed - 2.5) for seed in range(6)]
    lags = {clip.entry.path: clip.entry.lag for clip in clips}
    network = train_predictor(clips, lags, TRAINING)
    set_zero(network, clips, lags)
    publish_predictor(tmp_path / "weights.safetensors", network, clips, lags, TRAINING)
    assert read_header(tmp_path / "weights.safetensors").facts["clips"] == " ".join(lags)
    loaded = load_lip_predictor(tmp_path / "weights.safetensors")
    for lag in (-3.3, 0.4):
        found = find_offset(loaded, made_clip(11, lag=lag))
        assert found.is_clear
        assert found.lag == pytest.approx(lag, abs=0.25)
    stranger = replace(made_clip(12), speech_S=made_clip(13).speech_S)
    assert not find_offset(loaded, stranger).is_clear


def test_no_performer_is_on_both_sides_of_a_fold():
    clips = [made_clip(0, speaker=name, path=f"{name}.mp4") for name in ("actor-a", "s01", "s02", "s03")]
    folds = performer_folds(clips, 3)
    assert sorted(name for fold in folds for name in fold) == ["s01", "s02", "s03"]


def test_zero_is_where_studio_clips_have_their_listed_lags():
    studio = [made_clip(seed, lag=1, path=f"video_3s/{seed}.mpg") for seed in range(3)]
    other = made_clip(4, path="video/4.mp4")
    found = {clip.entry.path: offset(1.4) for clip in studio} | {other.entry.path: offset(7.0)}
    assert beside_zero([*studio, other], found) == pytest.approx(0.4)


def test_held_out_and_unclear_clips_teach_nothing():
    clips = [made_clip(seed) for seed in range(3)]
    held_out = replace(clips[0], entry=replace(clips[0].entry, held_out=True))
    found = {clip.entry.path: offset(0.3) for clip in clips} | {
        clips[1].entry.path: offset(9, correlation=0.1)
    }
    assert teaching_lags([held_out, *clips[1:]], found) == {clips[2].entry.path: 0.3}


def test_lips_are_tracked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip = made_clip(0)
    monkeypatch.setattr("recipes.offset.data.observe_lips", lambda _: (clip.seen_T3, clip.speech_S))
    load_heard([clip.entry], data=tmp_path, cache=tmp_path)
    monkeypatch.delattr("recipes.offset.data.observe_lips")
    (again,) = load_heard([clip.entry], data=tmp_path, cache=tmp_path)
    np.testing.assert_array_equal(again.seen_T3, clip.seen_T3)
