from __future__ import annotations

import numpy as np
import pytest
import torch
from talking_clips import talking_tracks

from stages.speech.encoder import SpeechEncoder
from stages.speech.loading import load_encoder
from stages.sync.inputs import ENCODER, LIP_CHANNELS, MEL_CHANNELS, lip_input, sound_input


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return load_encoder(ENCODER, device=torch.device("cpu"))


def test_neither_place_nor_size_nor_shape_of_a_mouth_is_seen():
    mesh_TN3 = talking_tracks(0).canonical_TN3
    lips_TK = lip_input(mesh_TN3)
    assert lips_TK.shape == (len(mesh_TN3), LIP_CHANNELS)
    assert lips_TK.std() > 0.1
    np.testing.assert_allclose(lip_input(1.7 * mesh_TN3 + 30), lips_TK, atol=1e-3)
    other_shape_N3 = np.random.default_rng(0).normal(size=(478, 3)).astype(np.float32)
    other_shape_N3[[61, 291]] = 0
    np.testing.assert_allclose(lip_input(mesh_TN3 + other_shape_N3), lips_TK, atol=1e-3)


def test_sound_has_a_row_a_frame_and_its_gain_is_not_heard_in_the_spectrum(encoder: SpeechEncoder):
    speech_S = talking_tracks(1, frames=60).speech_S
    sound_TA = sound_input(encoder, speech_S)
    assert sound_TA.shape == (60, encoder.width + MEL_CHANNELS)
    louder_TA = sound_input(encoder, 3 * speech_S)
    np.testing.assert_allclose(louder_TA[:, encoder.width :], sound_TA[:, encoder.width :], atol=1e-3)


def test_samples_that_fill_no_frame_are_left_out(encoder: SpeechEncoder):
    speech_S = talking_tracks(1, frames=60).speech_S
    np.testing.assert_array_equal(
        sound_input(encoder, np.append(speech_S, speech_S[:100])), sound_input(encoder, speech_S)
    )
