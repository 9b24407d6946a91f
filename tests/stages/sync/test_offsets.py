from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import SpeechError
from stages.sync.offsets import LEAST_FRAMES, LONGEST_OFFSET, score_embeddings


def embeddings(seed: int, frames: int, width: int = 16) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(frames, width))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(offset=st.integers(-LONGEST_OFFSET, LONGEST_OFFSET), frames=st.integers(50, 90), zeros=st.booleans())
def test_any_offset_is_found_and_lagging_sound_is_positive(offset: int, frames: int, zeros: bool):
    moments = embeddings(1, frames + 2 * LONGEST_OFFSET)
    lips = moments[LONGEST_OFFSET : LONGEST_OFFSET + frames]
    sound = moments[LONGEST_OFFSET - offset : LONGEST_OFFSET - offset + frames]
    score = score_embeddings(sound, lips, zeros_beyond=zeros)
    assert score.offset == offset
    assert score.by_offset.index(min(score.by_offset)) == offset + LONGEST_OFFSET
    assert score.confidence > 0.5


def test_the_figures_are_those_of_lse_c_and_lse_d():
    score = score_embeddings(embeddings(2, 80), embeddings(3, 80))
    assert len(score.by_offset) == 2 * LONGEST_OFFSET + 1
    assert score.distance == min(score.by_offset)
    assert score.confidence == pytest.approx(np.median(score.by_offset) - min(score.by_offset))
    assert len(score.by_frame) == 80 - abs(score.offset)
    assert np.mean(score.by_frame) == pytest.approx(score.distance)


def test_lips_that_never_move_give_no_confidence():
    still = np.repeat(embeddings(4, 1), 400, axis=0)
    moving = score_embeddings(embeddings(5, 400), embeddings(5, 400))
    assert score_embeddings(embeddings(5, 400), still).confidence < 0.05 * moving.confidence


def test_beyond_the_recording_lips_are_held_against_zeros_only_where_asked():
    same = embeddings(6, 60)
    padded, cut = (score_embeddings(same, same, zeros_beyond=zeros) for zeros in (True, False))
    assert padded.offset == cut.offset == 0
    # A unit vector is nearer to zero than to a stranger: at offset 15 a quarter of the frames lies beyond.
    assert padded.by_offset[-1] == pytest.approx((45 * cut.by_offset[-1] + 15 * 1.0) / 60, abs=1e-6)


def test_less_than_two_seconds_are_refused_with_a_code():
    short, long = embeddings(7, LEAST_FRAMES - 1), embeddings(7, 200)
    for sound, lips in ((short, long), (long, short)):
        with pytest.raises(SpeechError) as caught:
            score_embeddings(sound, lips)
        assert caught.value.code == "sync_too_short"
    assert score_embeddings(long[:LEAST_FRAMES], long).offset == 0
