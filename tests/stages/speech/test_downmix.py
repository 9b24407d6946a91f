"""Which channels the motion hears. Legend: S samples, C channels."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from made_voices import RATE, MadeTrack, level_db, voice, write_tracks
from numpy.typing import NDArray

from stages.speech.decode import Speech, read_levelled, read_speech
from stages.speech.downmix import ChannelMeter, ChannelRule

VOICE_S = voice(3.0)
OTHER_S = voice(3.0, pitch=190.0, level_db=-25.0)
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def written(tmp_path: Path, *channels_S: NDArray[np.float32], layout: str = "") -> Path:
    track = MadeTrack(samples_SC=np.stack(channels_S, axis=1), codec="pcm_f32le", layout=layout)
    return write_tracks(tmp_path / "a.wav", track)


def without_places(tmp_path: Path, *channels_S: NDArray[np.float32]) -> Path:
    """As field recorders write it: a WAV file that does not say where its channels belong."""
    path = tmp_path / "field.wav"
    samples_SC = np.stack(channels_S, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples_SC.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples_SC * 32767).astype("<i2").tobytes())
    return path


def names_of(layout: str) -> list[str]:
    return [channel.name for channel in av.AudioLayout(layout).channels]


def rule_of(speech: Speech) -> tuple[ChannelRule | None, int | None]:
    assert speech.media.sound is not None
    return speech.media.sound.channels.rule, speech.media.sound.channels.channel


def alone(tmp_path: Path, samples_S: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a file of this one channel comes to."""
    track = MadeTrack(samples_SC=samples_S[:, None], codec="pcm_f32le")
    return read_speech(write_tracks(tmp_path / "alone.wav", track)).samples_S


def delayed(samples_S: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(samples, np.float32), samples_S[: len(samples_S) - samples]])


@pytest.mark.parametrize(
    "right",
    [
        lambda v: -v,
        lambda v: -0.8 * v,
        lambda v: -1.2 * v,
        lambda v: -delayed(v, 1),
        lambda v: -delayed(v, 5),
        lambda v: -v + np.float32(0.02) * OTHER_S,
        lambda v: np.concatenate([v[: len(v) // 2], -v[len(v) // 2 :]]),
    ],
    ids=["inverted", "weaker", "louder", "a sample late", "five late", "with crosstalk", "half of the time"],
)
def test_channels_that_cancel_are_heard_by_the_louder_one(
    tmp_path: Path, right: Callable[[NDArray[np.float32]], NDArray[np.float32]]
):
    channels = (VOICE_S, right(VOICE_S).astype(np.float32))
    speech = read_speech(written(tmp_path, *channels))
    louder = int(level_db(channels[1]) > level_db(channels[0]) + 0.1)
    assert rule_of(speech) == (ChannelRule.LOUDEST, louder + 1)
    np.testing.assert_array_equal(speech.samples_S, alone(tmp_path, channels[louder]))
    assert any(f"channel {louder + 1}, alone" in told for told in speech.media.sentences())


@pytest.mark.parametrize(
    "right",
    [
        lambda v: v,
        lambda v: OTHER_S,
        lambda v: 0.3 * v,
        lambda v: delayed(v, 14),
        lambda v: np.where(np.arange(len(v)) % (2 * RATE) < 0.05 * RATE, -v, v),
    ],
    ids=["the same", "another voice", "weaker", "late", "a moment inverted"],
)
def test_stereo_is_otherwise_the_mean_as_it_always_was(
    tmp_path: Path, right: Callable[[NDArray[np.float32]], NDArray[np.float32]]
):
    both_SC = np.stack([VOICE_S, right(VOICE_S).astype(np.float32)], axis=1)
    speech = read_speech(written(tmp_path, *both_SC.T))
    assert rule_of(speech) == (ChannelRule.MEAN, None)
    assert speech.media.sentences() == []
    np.testing.assert_array_equal(speech.samples_S, alone(tmp_path, both_SC.mean(axis=1, dtype=np.float32)))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("noise", [0.0, 2e-4])
def test_a_voice_on_one_side_alone_is_not_halved(tmp_path: Path, side: int, noise: float):
    hiss_S = np.random.default_rng(2).normal(0, noise, len(VOICE_S)).astype(np.float32)
    speech = read_speech(written(tmp_path, *((VOICE_S, hiss_S) if side == 0 else (hiss_S, VOICE_S))))
    assert rule_of(speech) == (ChannelRule.SOUNDING, side + 1)
    np.testing.assert_array_equal(speech.samples_S, alone(tmp_path, VOICE_S))


@pytest.mark.parametrize("layout", ["5.1", "5.1(side)", "7.1", "3.0", "5.0"])
def test_a_voice_in_the_centre_is_as_loud_as_in_a_mono_file(tmp_path: Path, layout: str):
    names = names_of(layout)
    channels = [VOICE_S if name == "FC" else np.zeros_like(VOICE_S) for name in names]
    speech = read_speech(written(tmp_path, *channels, layout=layout))
    assert rule_of(speech)[0] is ChannelRule.STANDARD
    np.testing.assert_allclose(speech.samples_S, alone(tmp_path, VOICE_S), atol=1e-4)


@pytest.mark.parametrize("layout", ["5.1", "7.1", "2.1", "quad"])
def test_a_voice_in_left_and_right_is_as_loud_as_in_a_stereo_file(tmp_path: Path, layout: str):
    rumble_S = np.sin(2 * np.pi * 40 * np.arange(len(VOICE_S)) / RATE).astype(np.float32) * np.float32(0.5)
    places = {"FL": VOICE_S, "FR": VOICE_S, "LFE": rumble_S}
    channels = [places.get(name, np.zeros_like(VOICE_S)) for name in names_of(layout)]
    speech = read_speech(written(tmp_path, *channels, layout=layout))
    np.testing.assert_allclose(speech.samples_S, alone(tmp_path, VOICE_S), atol=1e-4)


def test_low_frequencies_are_heard_where_there_is_nothing_else(tmp_path: Path):
    channels = [VOICE_S if name == "LFE" else np.zeros_like(VOICE_S) for name in SURROUND]
    speech = read_speech(written(tmp_path, *channels, layout="5.1"))
    assert rule_of(speech) == (ChannelRule.SOUNDING, 4)
    np.testing.assert_array_equal(speech.samples_S, alone(tmp_path, VOICE_S))


def test_microphones_without_places_are_heard_as_loud_as_the_loudest(tmp_path: Path):
    silent_S = np.zeros_like(VOICE_S)
    one = read_speech(without_places(tmp_path, silent_S, silent_S, VOICE_S, silent_S))
    assert rule_of(one) == (ChannelRule.SOUNDING, 3)
    np.testing.assert_allclose(one.samples_S, alone(tmp_path, VOICE_S), atol=1e-4)
    in_turn = [
        np.where(np.arange(len(VOICE_S)) * 3 // len(VOICE_S) == k, VOICE_S, 0).astype(np.float32)
        for k in range(3)
    ]
    three = read_speech(without_places(tmp_path, *in_turn, silent_S))
    assert rule_of(three) == (ChannelRule.MEAN, None)
    assert abs(level_db(three.samples_S) - level_db(in_turn[0][::3])) < 1.0
    assert any("4 channels belong" in told for told in three.media.sentences())


def test_one_of_four_microphones_wired_the_wrong_way_round_does_not_silence_the_voice(tmp_path: Path):
    speech = read_speech(without_places(tmp_path, VOICE_S, -VOICE_S, VOICE_S, -VOICE_S))
    assert rule_of(speech)[0] is ChannelRule.LOUDEST
    np.testing.assert_allclose(speech.samples_S, alone(tmp_path, VOICE_S), atol=1e-4)


def test_whatever_the_channels_the_motion_hears_one_level(tmp_path: Path):
    silent_S = np.zeros_like(VOICE_S)
    expected = level_db(read_levelled(written(tmp_path, VOICE_S)).samples_S)
    on_the_side = [VOICE_S if name == "SL" else silent_S for name in names_of("7.1")]
    for channels, layout in (
        ((VOICE_S, -VOICE_S), ""),
        ((0.5 * VOICE_S, silent_S), ""),
        (on_the_side, "7.1"),
        ((0.1 * VOICE_S, VOICE_S, 0.3 * VOICE_S), "3.0"),
    ):
        found = level_db(read_levelled(written(tmp_path, *channels, layout=layout)).samples_S)
        assert abs(found - expected) <= 1.0


def test_the_peak_of_a_sum_stays_within_full_scale():
    loud_S = np.sign(np.sin(np.arange(RATE, dtype=np.float32) * 0.05)).astype(np.float32)
    meter = ChannelMeter(SURROUND)
    meter.take(np.stack([loud_S] * 6))
    loud_S[: RATE // 2] = 0.0
    meter.take(np.stack([loud_S, 0 * loud_S, np.roll(loud_S, RATE // 2), 0 * loud_S, loud_S, 0 * loud_S]))
    rows = meter.decided().master_2C
    for row in rows:
        assert sum(row) <= 1.0
    # The balance of the downmix is kept: surrounds and centre 3 dB below the front.
    assert rows[0][2] / rows[0][0] == pytest.approx(0.5**0.5)
    assert rows[0][3] == 0.0


def test_surround_sound_that_cancels_in_every_sum_is_heard_by_one_channel(tmp_path: Path):
    channels = [VOICE_S, VOICE_S, (-(2**0.5) * VOICE_S).astype(np.float32)]
    speech = read_speech(written(tmp_path, *channels, layout="3.0"))
    assert rule_of(speech)[0] is ChannelRule.LOUDEST
    assert level_db(speech.samples_S) > -30


def test_a_constant_beside_the_voice_is_no_sound(tmp_path: Path):
    constant_S = np.full_like(VOICE_S, 0.5)
    speech = read_speech(written(tmp_path, constant_S, VOICE_S))
    assert rule_of(speech) == (ChannelRule.SOUNDING, 2)
