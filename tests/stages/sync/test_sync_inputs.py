from __future__ import annotations

import numpy as np
import pytest
import torch
from talking_clips import talking_tracks

from stages.speech.encoder import SpeechEncoder
from stages.speech.loading import load_encoder
from stages.sync.augment import Augmentation, augmented, mirrored
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


def test_a_mirrored_mouth_opens_as_far_and_its_corners_change_places():
    mesh_TN3 = talking_tracks(2).canonical_TN3.copy()
    mesh_TN3[10:, 61, 0] -= 5
    lips_TN2 = lip_input(mesh_TN3).reshape(-1, 40, 2)
    turned_TN2 = mirrored(lips_TN2)
    np.testing.assert_array_equal(mirrored(turned_TN2), lips_TN2)
    vertices = sorted(
        {61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185}
        | {78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191}
    )
    right, left, lower = (vertices.index(vertex) for vertex in (61, 291, 14))
    np.testing.assert_array_equal(turned_TN2[:, left, 0], -lips_TN2[:, right, 0])
    np.testing.assert_array_equal(turned_TN2[:, lower, 1], lips_TN2[:, lower, 1])


def test_augmented_lips_still_move_as_they_did():
    lips_TK = lip_input(talking_tracks(3).canonical_TN3)
    random = np.random.default_rng(0)
    for _ in range(20):
        changed_TK = augmented(lips_TK, random, Augmentation())
        assert changed_TK.shape == lips_TK.shape
        assert not np.array_equal(changed_TK, lips_TK)
        heights = [lips.reshape(-1, 40, 2)[..., 1].mean(axis=1) for lips in (lips_TK, changed_TK)]
        assert np.corrcoef(*heights)[0, 1] > 0.8
