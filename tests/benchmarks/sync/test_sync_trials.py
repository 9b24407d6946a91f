"""Made-up clips in all their pairs, true and false, and the table that comes of them."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from talking_clips import save_talking_clip, talking_tracks

from benchmarks.sync import evaluate
from benchmarks.sync.trials import SHIFTS, area_under_curve, try_clip
from recipes.sync import train
from recipes.sync.data import SyncClip, load_clips
from stages.speech.encoder import SpeechEncoder
from stages.speech.loading import load_encoder
from stages.sync.inputs import ENCODER
from stages.sync.judge_network import SyncConfig, SyncNetwork
from stages.sync.score import SyncJudge, score_inputs, score_sync


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    torch.set_num_threads(1)
    return load_encoder(ENCODER, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("clips")
    return [save_talking_clip(home, seed, frames=150) for seed in range(5)]


@pytest.fixture(scope="module")
def clips(folders: list[Path], encoder: SpeechEncoder) -> list[SyncClip]:
    return load_clips(folders, encoder)


@pytest.fixture(scope="module")
def network() -> SyncNetwork:
    torch.manual_seed(0)
    return SyncNetwork(SyncConfig(width=24, embedding=16, layers=2)).eval()


def test_a_trial_tries_every_false_pair_there_is(
    clips: list[SyncClip], network: SyncNetwork, encoder: SpeechEncoder
):
    trial = try_clip(network, clips[4], clips, encoder)
    assert len(trial.found) == len(SHIFTS)
    assert len(trial.strangers) == len(clips) - 1
    assert len(trial.same_speaker) == 2
    assert trial.own == score_inputs(network, clips[4].sound_TA, clips[4].lips_TK)


@pytest.mark.parametrize(
    ("true", "false", "area"), [([2.0], [1.0], 1.0), ([1.0, 3.0], [2.0], 0.5), ([1.0], [1.0], 0.5)]
)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(
    true: list[float], false: list[float], area: float
):
    assert area_under_curve(true, false) == area
    assert np.isnan(area_under_curve(true, []))


def test_the_commands_train_a_judge_and_print_its_table(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    weights = tmp_path / "sync.safetensors"
    options = ["--clips", *map(str, folders), "--held-out", "nobody-3", "nobody-4"]
    monkeypatch.setattr(sys, "argv", ["train", *options, "--out", str(weights), "--steps", "2"])
    train.main()
    tracks = talking_tracks(9, frames=60)
    score = score_sync(tracks.canonical_TN3, tracks.speech_S, weights=weights)
    assert score == SyncJudge(weights).score(tracks.canonical_TN3, tracks.speech_S)
    monkeypatch.setattr(sys, "argv", ["evaluate", *options, "--weights", str(weights), "--each"])
    evaluate.main()
    table = capsys.readouterr().out
    assert "| held out " in table
    assert "| trained on " in table
    assert all(f"| {folder.name} " in table for folder in folders)
