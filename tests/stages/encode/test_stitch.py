from __future__ import annotations

import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.encode.segment import encode_segment
from stages.encode.stitch import SYNTHETIC_MARK, stitch
from stages.errors import EncodeError, SpeechError

FPS = Fraction(25)


@pytest.fixture
def speech(write_audio):
    """speech(sample_count, rate, channels): a recording of a tone."""

    def record(count: int, rate: int = 16_000, channels: int = 1, name: str = "speech.wav") -> Path:
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / rate)
        layout = {6: "5.1"}.get(channels)
        return write_audio(name, np.stack([tone] * channels, 1), rate=rate, codec="pcm_s16le", layout=layout)

    return record


def decoded(source: Path | bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def frames_for(count: int, rate: int) -> int:
    return -(-count * 25 // rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 37_800])
@pytest.mark.parametrize("seconds", [Fraction(1, 2), Fraction(77, 25), Fraction(1_237, 500)])
def test_picture_and_sound_end_together(segments, speech, tmp_path: Path, rate: int, seconds: Fraction):
    count = int(rate * seconds)
    frame_count = frames_for(count, rate)
    output = tmp_path / "master.mp4"
    record = stitch(
        segments(frame_count),
        speech_path=speech(count, rate),
        output=output,
        fps=FPS,
        metadata={"title": "t"},
    )
    assert record.frame_count == frame_count
    assert record.duration == frame_count / FPS
    assert record.size_bytes == output.stat().st_size
    with av.open(str(output)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert picture.frames == frame_count
        assert (picture.start_time, sound.start_time) == (0, 0)
        assert picture.duration * picture.time_base == frame_count / FPS
        assert sound.duration * sound.time_base == frame_count / FPS
        heard = Fraction(sum(frame.samples for frame in container.decode(sound)), sound.rate)
    # Also for a player that ignores how long the file says its sound is.
    assert abs(heard - frame_count / FPS) <= 1 / FPS


def test_every_frame_lies_at_exactly_its_time(segments, speech, tmp_path: Path):
    output = tmp_path / "master.mp4"
    stitch(segments(130), speech_path=speech(640 * 130), output=output, fps=FPS, metadata={})
    with av.open(str(output)) as container:
        frames = list(container.decode(video=0))
    assert [frame.pts * frame.time_base for frame in frames] == [k / FPS for k in range(130)]
    assert [k for k, frame in enumerate(frames) if frame.key_frame] == [0, 50, 100]


def test_joined_segments_decode_to_the_pixels_of_each_alone(segments, speech, tmp_path: Path):
    output = tmp_path / "master.mp4"
    parts = segments(130)
    stitch(parts, speech_path=speech(640 * 130), output=output, fps=FPS, metadata={})
    alone = [frame for part in parts for frame in decoded(part)]
    np.testing.assert_array_equal(decoded(output), alone)


def test_a_segment_can_be_played_from_its_middle_of_the_master(segments, speech, tmp_path: Path):
    output = tmp_path / "master.mp4"
    parts = segments(130)
    stitch(parts, speech_path=speech(640 * 130), output=output, fps=FPS, metadata={})
    with av.open(str(output)) as container:
        stream = container.streams.video[0]
        container.seek(int(2 / stream.time_base), stream=stream)
        first = next(container.decode(stream))
    assert first.time == 2.0
    np.testing.assert_array_equal(first.to_ndarray(), decoded(parts[1])[0])


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_sound_is_the_recording_in_place(segments, speech, tmp_path: Path, channels: int):
    output = tmp_path / "master.mp4"
    path = speech(48_000 * 2, 48_000, channels)
    record = stitch(segments(50), speech_path=path, output=output, fps=FPS, metadata={})
    assert (record.sound_rate, record.sound_channel_count) == (
        48_000,
        min(channels, 2) if channels < 3 else 1,
    )
    with av.open(str(output)) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / 48_000)
    inside = slice(5_000, 90_000)
    assert np.abs(heard[inside] - expected[inside]).max() < 0.02


def test_equal_input_gives_equal_bytes(segments, speech, tmp_path: Path):
    path = speech(44_100 * 3, 44_100, 2)
    records = [
        stitch(segments(75), speech_path=path, output=tmp_path / name, fps=FPS, metadata={"title": "a"})
        for name in ("one.mp4", "another.mp4")
    ]
    assert records[0] == records[1]
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "another.mp4").read_bytes()


def test_the_master_says_that_it_is_synthetic_and_what_it_was_told(segments, speech, tmp_path: Path):
    output = tmp_path / "master.mp4"
    metadata = {"title": "hello", "comment": "For the demo.", "seed": "7"}
    stitch(segments(50), speech_path=speech(640 * 50), output=output, fps=FPS, metadata=metadata)
    with av.open(str(output)) as container:
        found = dict(container.metadata)
    assert found["title"] == "hello"
    assert found["comment"] == f"{SYNTHETIC_MARK} For the demo. seed: 7"
    assert b"Lavf" not in output.read_bytes()
    assert b"Lavc" not in output.read_bytes()


def test_the_index_comes_before_the_data(segments, speech, tmp_path: Path):
    output = tmp_path / "master.mp4"
    stitch(segments(50), speech_path=speech(640 * 50), output=output, fps=FPS, metadata={})
    content = output.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_an_older_master_is_replaced_and_folders_are_made(segments, speech, tmp_path: Path):
    output = tmp_path / "new" / "folder" / "master.mp4"
    for count in (50, 60):
        path = speech(640 * count)
        record = stitch(segments(count), speech_path=path, output=output, fps=FPS, metadata={})
    assert record.frame_count == 60
    assert [entry.name for entry in output.parent.iterdir()] == ["master.mp4"]


def failures(segments, speech):
    good = segments(60)
    other = encode_segment([np.zeros((32, 32, 3), np.uint8)] * 10, fps=FPS, profile=_profile(size=32))
    return {
        "encode_length_mismatch": (good[:1], speech(640 * 60)),
        "encode_no_frames": ([], speech(640 * 60)),
        "encode_bad_segment": ([good[0], b"junk"], speech(640 * 60)),
        "encode_bad_segment ": ([good[0], good[1][:900]], speech(640 * 60)),
        "encode_bad_segment  ": ([good[0], other], speech(640 * 60)),
    }


def _profile(size: int):
    from stages.encode.profile import VideoProfile

    return VideoProfile(name="other", size=size, crf=14, preset="faster")


@pytest.mark.parametrize("index", range(5))
def test_a_failure_leaves_nothing_and_keeps_what_was_there(segments, speech, tmp_path: Path, index: int):
    code, (parts, path) = list(failures(segments, speech).items())[index]
    old = tmp_path / "out" / "master.mp4"
    old.parent.mkdir()
    old.write_bytes(b"yesterday's")
    for output in (old, tmp_path / "fresh" / "folder" / "master.mp4"):
        with pytest.raises(EncodeError) as caught:
            stitch(parts, speech_path=path, output=output, fps=FPS, metadata={})
        assert caught.value.code == code.strip()
    assert old.read_bytes() == b"yesterday's"
    assert [entry.name for entry in old.parent.iterdir()] == ["master.mp4"]
    assert not (tmp_path / "fresh").exists()


def test_too_many_frames_are_refused_too(segments, speech, tmp_path: Path):
    with pytest.raises(EncodeError, match="60 frames long and the speech needs 50"):
        stitch(segments(60), speech_path=speech(640 * 50), output=tmp_path / "m.mp4", fps=FPS, metadata={})


def test_a_missing_recording_is_an_error_of_the_speech(segments, tmp_path: Path):
    with pytest.raises(SpeechError) as caught:
        stitch(segments(50), speech_path=tmp_path / "no.wav", output=tmp_path / "m.mp4", fps=FPS, metadata={})
    assert caught.value.code == "speech_not_found"
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_fetching_a_segment_passes_through_untouched(segments, speech, tmp_path: Path):
    def fetched():
        yield segments(100)[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stitch(fetched(), speech_path=speech(640 * 100), output=tmp_path / "m.mp4", fps=FPS, metadata={})
    assert not list(tmp_path.glob("*.mp4")) + list(tmp_path.glob(".*"))


@pytest.mark.parametrize("kind", ["a folder", "below a file"])
def test_an_output_that_cannot_be_is_refused(segments, speech, tmp_path: Path, kind: str):
    if kind == "a folder":
        output = tmp_path / "m.mp4"
        output.mkdir()
    else:
        (tmp_path / "file").write_text("")
        output = tmp_path / "file" / "m.mp4"
    with pytest.raises(EncodeError) as caught:
        stitch(segments(50), speech_path=speech(640 * 50), output=output, fps=FPS, metadata={})
    assert caught.value.code == "encode_output_unwritable"
    assert str(output) in caught.value.where


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(segments, speech, tmp_path: Path):
    path = speech(640 * 50)
    tmp_path.chmod(0o500)
    with pytest.raises(EncodeError) as caught:
        stitch(segments(50), speech_path=path, output=tmp_path / "m.mp4", fps=FPS, metadata={})
    tmp_path.chmod(0o700)
    assert caught.value.code == "encode_output_unwritable"


@pytest.mark.parametrize("limit", [1_000, 40_000, 120_000])
def test_a_disk_that_fills_up_leaves_nothing(segments, speech, tmp_path: Path, limit: int):
    # A limit on file size fails writes as a full disk does, without needing one.
    parts = segments(250)
    (tmp_path / "parts").mkdir()
    for index, part in enumerate(parts):
        (tmp_path / "parts" / f"{index}.mp4").write_bytes(part)
    path = speech(640 * 250)
    script = (
        "import resource, sys\n"
        "from fractions import Fraction\n"
        "from pathlib import Path\n"
        "from stages.encode.stitch import stitch\n"
        "from stages.errors import EncodeError\n"
        "root = Path(sys.argv[1])\n"
        "parts = [(root / 'parts' / f'{k}.mp4').read_bytes() for k in range(5)]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))\n"
        "try:\n"
        "    output = root / 'out' / 'm.mp4'\n"
        "    stitch(parts, speech_path=Path(sys.argv[2]), output=output, fps=Fraction(25), metadata={})\n"
        "except EncodeError as error:\n"
        "    print(error.code, end='')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(path), str(limit)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "encode_disk_full"
    assert not (tmp_path / "out").exists()


def test_a_voice_in_the_centre_of_surround_sound_is_as_loud_in_the_master_as_alone(
    segments, write_audio, tmp_path: Path
):
    tone_S = 0.3 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)
    others_S = 0.1 * np.sin(2 * np.pi * 560 * np.arange(96_000) / 48_000)
    surround = {
        "alone": ([tone_S], "mono", 1),
        "centre": ([0 * tone_S, 0 * tone_S, tone_S, others_S, 0 * tone_S, 0 * tone_S], "5.1", 1),
        "music around": ([others_S, 0 * tone_S, tone_S, tone_S, others_S, 0 * tone_S], "5.1", 2),
    }
    levels = {}
    for name, (channels, layout, count) in surround.items():
        path = write_audio(
            f"{name}.wav", np.stack(channels, 1), rate=48_000, codec="pcm_s16le", layout=layout
        )
        record = stitch(segments(50), speech_path=path, output=tmp_path / "m.mp4", fps=FPS, metadata={})
        assert record.sound_channel_count == count
        with av.open(str(tmp_path / "m.mp4")) as container:
            sound_CS = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
        spectrum_CK = np.abs(np.fft.rfft(sound_CS[:, 24_000:72_000])) / 24_000
        levels[name] = spectrum_CK[:, 440]
        # The low frequencies of the LFE are left out, the music is on the left alone.
        assert spectrum_CK[-1, 560] < 1e-3
    assert levels["centre"] == pytest.approx(levels["alone"], rel=0.01)
    # With others beside it the whole is as loud as the voice, and so the voice a little quieter.
    assert 0.75 * levels["alone"][0] < levels["music around"].min() < levels["alone"][0]


@pytest.mark.parametrize("right", [-1.0, 0.0])
def test_stereo_stays_in_the_master_as_it_was_recorded(segments, write_audio, tmp_path: Path, right: float):
    tone_S = 0.3 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)
    both_SC = np.stack([tone_S, right * tone_S], 1)
    path = write_audio("a.wav", both_SC, rate=48_000, codec="pcm_s16le")
    stitch(segments(50), speech_path=path, output=tmp_path / "m.mp4", fps=FPS, metadata={})
    with av.open(str(tmp_path / "m.mp4")) as container:
        sound_CS = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    np.testing.assert_allclose(sound_CS[:, 24_000:72_000], both_SC.T[:, 24_000:72_000], atol=0.02)
