from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.errors import WeightsError

pytest.importorskip("transformers", reason="transformers is not installed")

import transformers

from stages.speech.wav2vec import Wav2VecEncoder

TWELVE_SECONDS = 12 * 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav2vec 2.0 with the strides of the base model and hardly any channels, freshly initialised."""
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    path = tmp_path_factory.mktemp("wav2vec")
    transformers.Wav2Vec2Model(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Wav2VecEncoder:
    return Wav2VecEncoder(str(folder), local_files_only=True)


def speech(seed: int = 0, samples: int = TWELVE_SECONDS) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.1, 0.2, samples).astype(np.float32)


def test_the_pretrained_weights_are_kept_bit_for_bit(folder: Path, encoder: Wav2VecEncoder):
    pretrained = transformers.Wav2Vec2Model.from_pretrained(folder).state_dict()
    ours = encoder.model.state_dict()
    assert ours.keys() == pretrained.keys()
    assert all(torch.equal(ours[name], pretrained[name]) for name in ours)


def test_twelve_seconds_are_599_rows_of_the_convolutions_and_300_of_ours(encoder: Wav2VecEncoder):
    with torch.no_grad():
        features_1CK = encoder.model.feature_extractor(torch.from_numpy(speech())[None])
    assert features_1CK.shape[-1] == 599
    assert encoder.encode(speech()).shape == (300, encoder.width) == (300, 16)


def test_the_convolutions_are_frozen_and_the_transformer_is_not(encoder: Wav2VecEncoder):
    assert not any(weight.requires_grad for weight in encoder.model.feature_extractor.parameters())
    encoder(torch.from_numpy(speech(samples=6400)), frame_count=10).sum().backward()
    assert encoder.model.encoder.layers[0].feed_forward.output_dense.weight.grad.abs().max() > 0


def test_neither_loudness_nor_offset_is_heard(encoder: Wav2VecEncoder):
    rows_TD = encoder.encode(speech())
    np.testing.assert_allclose(encoder.encode(3 * speech() + np.float32(0.2)), rows_TD, atol=1e-4)
    assert not np.allclose(encoder.encode(speech(seed=1)), rows_TD, atol=1e-3)


def test_the_same_speech_gives_the_same_rows(encoder: Wav2VecEncoder):
    np.testing.assert_array_equal(encoder.encode(speech()), encoder.encode(speech()))


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(WeightsError) as caught:
        Wav2VecEncoder(str(tmp_path), local_files_only=True)
    assert caught.value.code == "weights_encoder_missing"
