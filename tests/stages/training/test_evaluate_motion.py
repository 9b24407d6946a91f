from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from motion_clips import moving_clip

from stages.faco.composer_stage import ComposerStage
from stages.faco.network import FaceComposer, FacoConfig
from stages.payloads import Motion
from stages.training.evaluate_motion import Row, Table, reference_rows, rows_of
from stages.training.motion_data import MotionClip

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
    return ComposerStage(FaceComposer(config).eval(), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def rows(composer: ComposerStage) -> list[Row]:
    return [*rows_of(Oracle(), CLIPS, composer, takes=4), *reference_rows(CLIPS)]  # type: ignore[arg-type]


def test_who_knows_the_motion_beats_the_mean_face_and_another_clips_speech(rows: list[Row]):
    own, shuffled, still, truth = rows
    assert truth.scores.lmd == 0 < own.scores.lmd < still.scores.lmd < shuffled.scores.lmd
    assert own.scores.opening > 0.9 > shuffled.scores.opening
    assert own.scores.mouth_area > still.scores.mouth_area


def test_diverse_is_taken_over_the_takes_and_told_apart(rows: list[Row]):
    (own, *others) = rows
    assert own.diversity is not None
    # Takes lie 1 px apart to the side: a variance of 1.25 in x, and none in y.
    assert own.diversity.head == pytest.approx(1.25 / 2, rel=0.01)
    assert own.diversity.face == pytest.approx(own.diversity.head, rel=0.01)
    assert (own.diversity.lips, own.diversity.eyes) == (0, 0)
    assert all(row.diversity is None for row in others)


def test_a_table_names_its_speakers_and_has_a_cell_for_every_figure(rows: list[Row]):
    table = Table(title="Seen", speakers=("a", "b"), rows=tuple(rows))
    title, _, header, _, *lines = table.markdown().splitlines()
    assert title == "Seen: a, b"
    assert len(lines) == len(rows)
    assert {line.count("|") for line in lines} == {header.count("|")}


def test_a_table_is_json(rows: list[Row]):
    read = json.loads(json.dumps(asdict(Table(title="Seen", speakers=("a",), rows=tuple(rows)))))
    assert read["rows"][0]["scores"]["lmd"] == rows[0].scores.lmd
