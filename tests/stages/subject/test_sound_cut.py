"""Sound and pictures are cut so that a lag in parts of a frame is undone to the sample."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from stages.geometry.average_face import average_face
from stages.subject.framing import Framing

FRAMES = 60


@pytest.fixture(scope="module")
def prepare():
    try:
        import stages.subject.prepare as module
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")
    return module


def assembled(prepare, lag: float, *, shot_start: int = 0, samples: int = FRAMES * 640):
    from stages.subject.observation import Observation

    mesh_TN3 = np.repeat(average_face()[None].astype(np.float32), FRAMES, axis=0)
    head_T7 = np.zeros((FRAMES, 7), np.float32)
    head_T7[:, 3] = np.arange(FRAMES)
    observation = Observation(
        mesh_TN3=mesh_TN3,
        found_T=np.ones(FRAMES, np.bool_),
        heights_T18=np.full((FRAMES, 18), 400, np.float32),
        columns_18=np.linspace(50, 450, 18).astype(np.float32),
        hands_K3=np.zeros((0, 3), np.int32),
        corners_K42=np.zeros((0, 4, 2)),
        pieces_K=np.zeros(0, np.int32),
    )
    return prepare.assemble(
        observation,
        (mesh_TN3, head_T7),
        np.arange(samples, dtype=np.float32),
        audio_lag=lag,
        shot_start=shot_start,
        source="clip.mp4",
        speaker="x",
        framing=Framing(left=0, top=0, side=512),
    )


@pytest.mark.parametrize("shot_start", [0, 7])
@pytest.mark.parametrize("lag", [-3.3, -3.0, -0.7, -0.001, 0, 0.4, 2.6, 5])
def test_a_lag_is_undone_to_the_sample(prepare, lag: float, shot_start: int):
    tracks = assembled(prepare, lag, shot_start=shot_start, samples=(FRAMES + 20) * 640)
    first_frame = shot_start + max(0, ceil(-lag))
    assert tracks.facts.first_frame == first_frame
    # Sample k is number k of the file: the first that is kept belongs to the first picture that is kept.
    assert tracks.speech_S[0] == tracks.facts.dropped_samples == round((first_frame + lag) * 640)
    assert tracks.frame_count == FRAMES - (first_frame - shot_start)
    assert len(tracks.speech_S) == 640 * tracks.frame_count


@pytest.mark.parametrize("lag", [-3.3, -0.7, 0.4, 2.6])
def test_no_more_is_lost_than_must_be(prepare, lag: float):
    assert assembled(prepare, lag).frame_count == FRAMES - ceil(abs(lag))


@pytest.mark.parametrize("lag", [-100.5, 100.5])
def test_nothing_is_left_where_sound_and_picture_do_not_overlap(prepare, lag: float):
    tracks = assembled(prepare, lag)
    assert tracks.frame_count == len(tracks.speech_S) == 0
