"""A small judge learns from three made-up clips, and judges clips it never saw."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from talking_clips import save_talking_clip

from benchmarks.sync.trials import summarise, try_clip
from recipes.corpus import performer_of
from recipes.sync.data import SyncClip, folds, load_clips
from recipes.sync.training import SyncTraining, train_judge
from stages.errors import SubjectError
from stages.speech.encoder import SpeechEncoder
from stages.speech.loading import load_encoder
from stages.sync.inputs import ENCODER
from stages.sync.judge_network import SyncConfig, SyncNetwork

SMALL = SyncTraining(
    steps=80, windows=6, frames=40, warm_up=10, network=SyncConfig(width=24, embedding=16, layers=2)
)


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
def taught(clips: list[SyncClip]) -> SyncNetwork:
    return train_judge(clips[:3], SMALL)


def test_the_same_seed_gives_the_same_weights(clips: list[SyncClip]):
    short = SyncTraining(steps=3, windows=2, frames=20, network=SMALL.network)
    first, again = (train_judge(clips[:2], short).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_what_it_learned_holds_for_clips_it_never_saw(
    clips: list[SyncClip], taught: SyncNetwork, encoder: SpeechEncoder
):
    torch.manual_seed(0)
    untaught = SyncNetwork(SMALL.network).eval()
    summaries = [
        summarise([try_clip(network, clip, clips, encoder) for clip in clips[3:]])
        for network in (taught, untaught)
    ]
    knows, guesses = summaries
    assert knows.within_one == 1.0
    assert knows.shifts_within_one >= 0.9
    assert knows.auc_strangers >= 0.9
    assert guesses.shifts_within_one <= 0.5
    assert knows.confidence > 3 * guesses.confidence


def test_clips_shorter_than_a_window_are_refused(clips: list[SyncClip]):
    with pytest.raises(SubjectError) as caught:
        train_judge(clips, SyncTraining(frames=151))
    assert caught.value.code == "sync_no_clips"


def test_folds_part_performers_and_an_actor_stays_with_the_one_it_repeats(clips: list[SyncClip]):
    groups = folds(clips, 2)
    assert sorted(len(group) for group in groups) == [2, 3]
    assert set.union(*groups) == {clip.performer for clip in clips}
    assert performer_of("actor-a") == performer_of("s01")
    assert performer_of("nobody-1") == "nobody-1"
