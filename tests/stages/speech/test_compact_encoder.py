"""Compact encoders hear locally, say what they are, and stand in for Whisper."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.builtin import builtin_weights
from stages.errors import WeightsError
from stages.speech.compact import CompactConfig, CompactEncoder, CompactNetwork
from stages.speech.context import CONTEXT_FRAMES, speech_slice
from stages.speech.encoder import encode_speech, encode_with_context
from stages.speech.loading import load_encoder
from stages.sync.inputs import ENCODER
from stages.weights import save_weights
from stages.weights_header import WeightsHeader, read_header

CPU = torch.device("cpu")
TINY = CompactConfig(width=16, heads=2, attention_blocks=2, reach=4, features=24)
FRONTED = replace(TINY, front_blocks=2, front_width=32, front_reach=6)


def tiny_weights(
    folder: Path,
    *,
    architecture: str = "encoder",
    encoder: str = "compact-test",
    config: CompactConfig = TINY,
) -> Path:
    torch.manual_seed(3)
    network = CompactNetwork(config)
    for block in (*network.front, *network.attentions):
        torch.nn.init.normal_(block.bias_NR)
    header = WeightsHeader(
        architecture=architecture, sizes=asdict(config), encoder=encoder, fps=25, training_data=""
    )
    save_weights(folder / "encoder.safetensors", network, header)
    return folder / "encoder.safetensors"


@pytest.fixture(params=[TINY, FRONTED], ids=["convolutions", "front"])
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> CompactEncoder:
    return CompactEncoder(tiny_weights(tmp_path, config=request.param), name="compact-test")


def murmur(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, 640 * frames).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 2, 25, 90])
def test_there_is_one_row_a_frame(encoder: CompactEncoder, frames: int):
    rows_TD = encoder.encode(murmur(frames))
    assert rows_TD.shape == (frames, encoder.width) == (frames, 24)
    assert rows_TD.dtype == np.float32
    assert np.isfinite(rows_TD).all()


def test_the_rows_of_a_window_do_not_depend_on_where_it_was_cut(encoder: CompactEncoder):
    speech_S = murmur(160)
    whole_TD = encoder.encode(speech_S)
    for first in (25, 61, 100):
        cut_S = speech_slice(speech_S, first_frame=first, frame_count=30)
        np.testing.assert_allclose(
            encode_with_context(encoder, cut_S), whole_TD[first : first + 30], rtol=1e-3, atol=1e-4
        )


def test_a_sound_is_heard_as_far_as_the_encoder_reaches_and_no_further(encoder: CompactEncoder):
    quiet_S, loud_S = murmur(81), murmur(81)
    loud_S[40 * 640 : 41 * 640] = murmur(1, seed=5)
    change_T = np.abs(encoder.encode(loud_S) - encoder.encode(quiet_S)).max(axis=1)
    reach = encoder.network.config.reach_frames
    touched = np.flatnonzero(change_T > 1e-6)
    assert touched.min() >= 40 - reach
    assert touched.max() <= 40 + reach
    # It does reach beyond what convolutions alone would bring.
    assert touched.max() - touched.min() > 2 * TINY.attention_blocks * TINY.reach - 2


def test_the_default_network_hears_no_further_than_the_context_of_a_window():
    assert CompactConfig().reach_frames <= CONTEXT_FRAMES


def test_a_whole_recording_is_encoded_as_rendering_hears_it(encoder: CompactEncoder):
    speech_S = murmur(320)
    rows_TD = encode_speech(encoder, speech_S)
    assert rows_TD.shape == (320, 24)
    last_TD = encode_with_context(encoder, speech_slice(speech_S, first_frame=300, frame_count=20))
    np.testing.assert_array_equal(rows_TD[300:], last_TD)


@pytest.mark.parametrize(("field", "value"), [("architecture", "moda"), ("encoder", "compact-3")])
def test_weights_of_another_kind_are_refused(tmp_path: Path, field: str, value: str):
    path = tiny_weights(tmp_path, **{field: value})
    with pytest.raises(WeightsError, match=value) as caught:
        CompactEncoder(path, name="compact-test")
    assert caught.value.code == "weights_mismatch"


def test_sizes_of_another_network_are_refused(tmp_path: Path):
    header = WeightsHeader(
        architecture="encoder", sizes={"latent": 3}, encoder="compact-test", fps=25, training_data=""
    )
    save_weights(tmp_path / "a.safetensors", CompactNetwork(TINY), header)
    with pytest.raises(WeightsError) as caught:
        CompactEncoder(tmp_path / "a.safetensors", name="compact-test")
    assert caught.value.code == "weights_mismatch"


@pytest.fixture(scope="module")
def shipped() -> CompactEncoder:
    encoder = load_encoder("compact-3", device=CPU)
    assert isinstance(encoder, CompactEncoder)
    return encoder


def test_the_shipped_encoder_is_small_and_loads_by_its_name(shipped: CompactEncoder):
    assert (shipped.name, shipped.width) == ("compact-3", 64)
    assert builtin_weights("compact-3").stat().st_size <= 12_000_000
    assert read_header(builtin_weights("compact-3")).facts["teacher"] == "whisper-base-layers-2-4"


def test_a_sound_beyond_the_context_does_not_touch_a_row(shipped: CompactEncoder):
    assert shipped.network.config.reach_frames <= CONTEXT_FRAMES


def test_the_judges_ears_are_not_modas():
    assert (
        load_encoder(ENCODER, device=CPU).name == "compact-1" != read_header(builtin_weights("moda")).encoder
    )


def test_another_version_is_not_taken_for_the_shipped_one(shipped: CompactEncoder):
    with pytest.raises(WeightsError) as caught:
        load_encoder("compact-0", device=CPU)
    assert caught.value.code == "weights_encoder_unknown"


def test_the_judges_ears_hear_what_whisper_hears_in_a_voice_they_never_heard(data: Path):
    from stages.speech.decode import read_speech
    from stages.speech.whisper import WhisperEncoder

    try:
        whisper = WhisperEncoder()
    except WeightsError as error:
        pytest.skip(f"{error.where}: {error.what}")
    speech_S = read_speech(data / "video" / "s13_5s.mp4").samples_S
    ours_TD = encode_speech(load_encoder(ENCODER, device=CPU), speech_S)
    theirs_TD = encode_speech(whisper, speech_S)
    # Ours has no place in the window; over 5 s a straight line takes nearly all of Whisper's away.
    line_T2 = np.stack([np.arange(len(theirs_TD)), np.ones(len(theirs_TD))], axis=1)
    flat_TD = theirs_TD - line_T2 @ np.linalg.lstsq(line_T2, theirs_TD, rcond=None)[0]

    def alike(rows_TD: np.ndarray) -> float:
        pairs = zip(rows_TD.T, flat_TD.T, strict=True)
        return float(np.median([np.corrcoef(ours_T, theirs_T)[0, 1] for ours_T, theirs_T in pairs]))

    # Measured 0.64, and -0.05 when the same rows come a second late: a guard against the wrong weights.
    assert alike(ours_TD) > 0.55
    assert abs(alike(np.roll(ours_TD, 25, axis=0))) < 0.2
