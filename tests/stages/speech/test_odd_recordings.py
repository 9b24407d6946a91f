"""Recordings that a studio may hand in by mistake, or somebody else on purpose."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from stages.errors import SpeechError
from stages.speech.decode import read_speech


def refusal(path: Path) -> str:
    with pytest.raises(SpeechError) as caught:
        read_speech(path)
    assert caught.value.where == str(path)
    return caught.value.code


def write_wav(path: Path, *, rate: int, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * channels * 400))
    return path


def test_a_title_in_no_known_alphabet_does_no_harm(tmp_path: Path, write_audio):
    path = write_audio("a.flac", np.zeros((8_000, 1)), rate=16_000, codec="flac")
    with av.open(str(path)) as whole, av.open(str(tmp_path / "b.flac"), "w") as titled:
        titled.metadata["title"] = "T" * 8
        stream = titled.add_stream_from_template(whole.streams.audio[0])
        for packet in whole.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                titled.mux(packet)
    data = (tmp_path / "b.flac").read_bytes()
    assert b"T" * 8 in data
    (tmp_path / "b.flac").write_bytes(data.replace(b"T" * 8, "Dvořák!!".encode("iso8859-2")))
    assert read_speech(tmp_path / "b.flac").frame_count == 13


@pytest.mark.parametrize("rate", [1, 3_999, 191_999, 999_983, 2**31 - 1])
def test_a_rate_that_no_speech_has_is_refused(tmp_path: Path, rate: int):
    assert refusal(write_wav(tmp_path / "a.wav", rate=rate)) == "speech_unusual_format"


@pytest.mark.parametrize("rate", [8_000, 22_255, 44_056, 47_952, 96_000, 352_800, 384_000])
def test_rates_that_are_in_use_are_not(tmp_path: Path, rate: int):
    assert read_speech(write_wav(tmp_path / "a.wav", rate=rate)).source_rate == rate


def test_hundreds_of_channels_are_refused(tmp_path: Path):
    assert refusal(write_wav(tmp_path / "a.wav", rate=16_000, channels=200)) in {
        "speech_unusual_format",
        "speech_not_media",
    }


def test_a_script_that_makes_tones_up_is_no_recording(tmp_path: Path):
    path = tmp_path / "a.sbg"
    path.write_text("-SE\noff: -\non: 220+8/90\nNOW on\n+99:00:00 off\n")
    assert refusal(path) == "speech_not_media"


def test_a_name_that_no_file_can_have_is_no_file(tmp_path: Path):
    assert refusal(tmp_path / ("x" * 300)) == "speech_not_found"


@pytest.mark.parametrize("channels", [8, 9, 16])
def test_a_recording_of_many_channels_is_averaged(tmp_path: Path, channels: int):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        levels_SC = np.tile(np.arange(channels, dtype="<i2") * 1_000, (8_000, 1))
        file.writeframes(levels_SC.tobytes())
    expected = 1_000 * (channels - 1) / 2 / 32_768
    np.testing.assert_allclose(read_speech(path).samples_S[:8_000], expected, rtol=1e-5)
