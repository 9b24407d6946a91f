"""The shipped judge, on the shipped motion network speaking the example's synthetic speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.sync.moda_motion import MotionSpeaker
from stages.builtin import builtin_subject, builtin_weights
from stages.errors import SpeechError, WeightsError
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.decode import read_speech
from stages.subject.package import SubjectPackage
from stages.sync.score import SyncJudge, score_sync

HELLO = Path(__file__).parents[3] / "examples" / "hello.wav"


@pytest.fixture(scope="module")
def judge() -> SyncJudge:
    torch.set_num_threads(1)
    return SyncJudge()


@pytest.fixture(scope="module")
def speech_S() -> np.ndarray:
    return read_speech(HELLO).samples_S


@pytest.fixture(scope="module")
def mesh_TN3(speech_S: np.ndarray) -> np.ndarray:
    return MotionSpeaker(SubjectPackage.load(builtin_subject("actor-a")).template).speak(speech_S)


def test_lips_that_were_made_for_the_speech_are_in_sync(
    judge: SyncJudge, mesh_TN3: np.ndarray, speech_S: np.ndarray
):
    score = judge.score(mesh_TN3, speech_S)
    half = len(mesh_TN3) // 2
    other = judge.score(mesh_TN3[:half], speech_S[half * SAMPLES_PER_FRAME :])
    still = judge.score(np.repeat(mesh_TN3[:1], len(mesh_TN3), axis=0), speech_S)
    assert abs(score.offset) <= 1
    assert score.confidence > 1.5 * other.confidence
    assert score.confidence > 3 * still.confidence


@pytest.mark.parametrize("shift", [-7, -3, 4, 9])
def test_a_shift_of_the_sound_is_found(
    judge: SyncJudge, mesh_TN3: np.ndarray, speech_S: np.ndarray, shift: int
):
    own = judge.score(mesh_TN3, speech_S).offset
    shifted = judge.score(mesh_TN3[max(0, shift) :], speech_S[max(0, -shift) * SAMPLES_PER_FRAME :])
    assert abs(shifted.offset - own - shift) <= 1


def test_a_score_is_the_same_every_time_and_takes_what_both_cover(mesh_TN3: np.ndarray, speech_S: np.ndarray):
    cut = score_sync(mesh_TN3[:100], speech_S[: 100 * SAMPLES_PER_FRAME])
    assert score_sync(mesh_TN3[:100], speech_S) == cut
    assert score_sync(mesh_TN3, speech_S[: 100 * SAMPLES_PER_FRAME + 5]) == cut


def test_less_than_two_seconds_are_refused(judge: SyncJudge, mesh_TN3: np.ndarray, speech_S: np.ndarray):
    with pytest.raises(SpeechError) as caught:
        judge.score(mesh_TN3[:49], speech_S)
    assert caught.value.code == "sync_too_short"


def test_weights_of_another_network_are_refused():
    with pytest.raises(WeightsError) as caught:
        SyncJudge(builtin_weights("faco"))
    assert caught.value.code == "weights_mismatch"
