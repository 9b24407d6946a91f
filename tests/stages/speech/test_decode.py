from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from stages.errors import SpeechError
from stages.speech.decode import frame_count, read_speech


def noise(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """Band-limited noise: codecs and filters leave it alone."""
    rng = np.random.default_rng(rate)
    count = int(seconds * rate)
    time = np.arange(count) / rate
    waves = [np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) for f in (180, 430, 1_150, 2_700)]
    return np.stack([0.2 * sum(waves)] * channels, axis=1).astype(np.float32)


def write_wav(path: Path, data: bytes, *, rate: int, channels: int, kind: int, bits: int) -> Path:
    """A WAV header around any bytes: also what no encoder would write."""
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits)
    body = (
        b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    )
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 16_000),
        ("a.wav", "pcm_s24le", 44_100),
        ("a.wav", "pcm_u8", 8_000),
        ("a.wav", "pcm_f32le", 96_000),
        ("a.aiff", "pcm_s16be", 22_050),
        ("a.flac", "flac", 48_000),
        ("a.m4a", "alac", 44_100),
        ("a.m4a", "aac", 48_000),
        ("a.mp4", "aac", 44_100),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.ogg", "flac", 44_100),
        ("a.opus", "libopus", 48_000),
        ("a.mka", "flac", 32_000),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_container_codec_rate_and_channel_count_reads_the_same(
    write_audio, name, codec, rate, channels
):
    path = write_audio(name, noise(1.0, rate, channels), rate=rate, codec=codec)
    speech = read_speech(path)
    assert speech.source_rate == rate
    # Codec delay and padding are taken off: a second stays a second, and 25 frames.
    assert speech.source_sample_count == rate
    assert speech.frame_count == 25
    assert speech.samples_S.dtype == np.float32
    assert speech.samples_S.shape == (16_000,)
    expected = noise(1.0, rate)[:, 0]
    found = speech.samples_S[1_000:-1_000]
    wanted = np.interp(np.arange(1_000, 15_000) / 16_000, np.arange(rate) / rate, expected)
    assert np.corrcoef(found, wanted)[0, 1] > 0.98


def test_channels_are_averaged(write_audio):
    both = noise(0.5, 16_000, 2)
    both[:, 1] *= -0.5
    speech = read_speech(write_audio("a.wav", both, rate=16_000, codec="pcm_f32le"))
    np.testing.assert_allclose(speech.samples_S[:8_000], both.mean(axis=1), atol=1e-6)


def test_surround_sound_is_speech_too(write_audio):
    speech = read_speech(
        write_audio("a.wav", noise(0.5, 48_000, 6), rate=48_000, codec="pcm_s16le", layout="5.1")
    )
    assert speech.source_sample_count == 24_000
    assert np.abs(speech.samples_S).max() > 0.2


@pytest.mark.parametrize("count", [1, 639, 640, 641, 8_000, 15_999, 16_001])
def test_the_last_frame_begun_is_filled_up_with_silence(write_audio, count: int):
    path = write_audio("a.wav", np.full((count, 1), 0.5, np.float32), rate=16_000, codec="pcm_f32le")
    speech = read_speech(path)
    assert speech.source_sample_count == count
    assert speech.frame_count == -(-count // 640)
    assert len(speech.samples_S) == 640 * speech.frame_count
    np.testing.assert_array_equal(speech.samples_S[:count], 0.5)
    np.testing.assert_array_equal(speech.samples_S[count:], 0.0)


def test_frames_are_counted_in_integers():
    assert frame_count(44_100 * 3_600, 44_100) == 90_000
    assert frame_count(44_100 * 3_600 + 1, 44_100) == 90_001
    assert frame_count(1, 192_000) == 1


def test_the_same_file_gives_the_same_samples(write_audio):
    path = write_audio("a.mp3", noise(1.0, 44_100, 2), rate=44_100, codec="libmp3lame")
    np.testing.assert_array_equal(read_speech(path).samples_S, read_speech(path).samples_S)


def test_samples_louder_than_full_scale_are_cut_off(write_audio):
    loud = 3 * np.sign(noise(0.5, 16_000))
    speech = read_speech(write_audio("a.wav", loud, rate=16_000, codec="pcm_f32le"))
    assert speech.samples_S.min() == -1.0
    assert speech.samples_S.max() == 1.0


def test_silence_is_speech(write_audio):
    speech = read_speech(write_audio("a.wav", np.zeros((8_000, 1)), rate=16_000, codec="pcm_s16le"))
    assert speech.frame_count == 13
    assert not speech.samples_S.any()


def test_sound_that_starts_late_in_a_clip_keeps_its_place(write_clip):
    frames = [np.zeros((32, 32, 3), np.uint8)] * 25
    path = write_clip("late.mkv", frames, fps=25, sound_seconds=0.8, sound_start=0.2)
    speech = read_speech(path)
    assert speech.source_sample_count == 16_000
    assert not speech.samples_S[:3_200].any()
    assert speech.samples_S[3_200:3_300].any()


def test_the_sound_of_a_clip_is_speech(data: Path):
    speech = read_speech(data / "actors" / "actor_a.mp4")
    assert speech.frame_count == 1_000


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(SpeechError) as caught:
        read_speech(tmp_path / "nobody.wav")
    assert caught.value.code == "speech_not_found"
    assert "nobody.wav" in caught.value.where


def test_a_folder_is_no_speech(tmp_path: Path):
    with pytest.raises(SpeechError) as caught:
        read_speech(tmp_path)
    assert caught.value.code == "speech_not_found"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, this is a text\n" * 40,
        bytes(5_000),
        b"RIFF\x00\x00\x00\x00WAVEjunk",
        b"\x00\x01\xff" * 999,
    ],
    ids=["empty", "text", "zeros", "cut WAV", "noise"],
)
def test_bytes_that_are_no_recording_are_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(SpeechError) as caught:
        read_speech(path)
    assert caught.value.code in {"speech_not_media", "speech_no_sound", "speech_empty", "speech_damaged"}
    assert caught.value.hint


def test_a_picture_is_no_speech(write_clip):
    path = write_clip("mute.mp4", [np.zeros((32, 32, 3), np.uint8)] * 3, fps=25)
    with pytest.raises(SpeechError) as caught:
        read_speech(path)
    assert caught.value.code == "speech_no_sound"


def test_a_recording_of_zero_samples_is_refused(tmp_path: Path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    with pytest.raises(SpeechError) as caught:
        read_speech(path)
    assert caught.value.code == "speech_empty"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bits", [32, 64])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, bad: float, bits: int):
    samples = np.zeros(9_000, dtype=f"<f{bits // 8}")
    samples[8_000] = bad
    path = write_wav(tmp_path / "a.wav", samples.tobytes(), rate=16_000, channels=1, kind=3, bits=bits)
    with pytest.raises(SpeechError) as caught:
        read_speech(path)
    assert caught.value.code == "speech_not_finite"


def test_a_recording_with_channels_of_no_known_place_is_averaged(tmp_path: Path):
    samples = np.full((8_000, 3), 8_192, dtype="<i2")
    path = write_wav(tmp_path / "a.wav", samples.tobytes(), rate=16_000, channels=3, kind=1, bits=16)
    np.testing.assert_allclose(read_speech(path).samples_S[:8_000], 0.25)


def test_a_recording_cut_off_in_the_middle_is_read_as_far_as_it_goes(write_audio):
    path = write_audio("a.mp3", noise(2.0, 44_100), rate=44_100, codec="libmp3lame")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 20 <= read_speech(path).frame_count <= 30


def test_a_playlist_does_not_open_other_files(tmp_path: Path, write_audio):
    write_audio("secret.ts", noise(1.0, 48_000), rate=48_000, codec="aac")
    playlist = tmp_path / "speech.m3u8"
    playlist.write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\nsecret.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(SpeechError) as caught:
        read_speech(playlist)
    assert caught.value.code == "speech_not_media"


def test_a_name_that_looks_like_a_protocol_is_a_name(tmp_path: Path, write_audio, monkeypatch):
    write_audio("a.wav", noise(0.5, 16_000), rate=16_000, codec="pcm_s16le").rename(tmp_path / "concat:a.wav")
    monkeypatch.chdir(tmp_path)
    assert read_speech(Path("concat:a.wav")).frame_count == 13
