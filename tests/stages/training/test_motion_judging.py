from __future__ import annotations

import numpy as np
import pytest
import torch
from motion_clips import moving_clip

from stages.faco.composer_stage import ComposerStage
from stages.faco.network import FacoConfig, FaCoNet
from stages.payloads import Motion
from stages.training.motion_data import MotionClip
from stages.training.motion_judging import ContestantRow, reference_rows, rows_of

CLIPS = [moving_clip(frames=60, seed=seed) for seed in range(3)]


class Oracle:
    """Knows the motion that belongs to a clip's speech; its takes differ in where the head is."""

    name = "oracle"

    def take(self, clip: MotionClip, features_TD: np.ndarray, *, take: int = 1) -> Motion:
        (known,) = [each for each in CLIPS if np.array_equal(each.features_TD, features_TD)]
        rows_TC = known.rows_TC.copy()
        rows_TC[:, 303] += take
        return Motion.from_rows(rows_TC)


@pytest.fixture(scope="module")
def composer() -> ComposerStage:
    torch.manual_seed(0)
    config = FacoConfig(encoder_width=8, subject_width=8, decoder_width=16)
    return ComposerStage(FaCoNet(config).eval(), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def rows(composer: ComposerStage) -> list[ContestantRow]:
    return [*rows_of(Oracle(), CLIPS, composer, takes=4), *reference_rows(CLIPS)]  # type: ignore[arg-type]


def test_who_knows_the_motion_beats_the_mean_face_and_another_clips_speech(rows: list[ContestantRow]):
    own, shuffled, still, truth = rows
    assert truth.scores.lmd == 0 < own.scores.lmd < still.scores.lmd < shuffled.scores.lmd
    assert own.scores.opening > 0.9 > shuffled.scores.opening
    assert own.scores.mouth_area > still.scores.mouth_area


def test_diverse_is_taken_over_the_takes_and_told_apart(rows: list[ContestantRow]):
    (own, *others) = rows
    assert own.diversity is not None
    # Takes lie 1 px apart to the side: a variance of 1.25 in x, and none in y.
    assert own.diversity.head == pytest.approx(1.25 / 2, rel=0.01)
    assert own.diversity.face == pytest.approx(own.diversity.head, rel=0.01)
    assert (own.diversity.lips, own.diversity.eyes) == (0, 0)
    assert all(row.diversity is None for row in others)
