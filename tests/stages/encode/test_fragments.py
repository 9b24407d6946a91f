"""Fragments for players that stream: the master's own pictures and sound, in pieces."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.encode.fragments import picture_fragment, sound_pieces, write_sound
from stages.encode.stitch import SYNTHETIC_MARK, stitch
from stages.errors import EncodeError
from stages.speech.decode import read_speech

FPS = Fraction(25)


@pytest.fixture
def speech(write_audio):
    def record(count: int, rate: int = 16_000, channels: int = 1) -> Path:
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / rate)
        return write_audio("speech.wav", np.stack([tone] * channels, 1), rate=rate, codec="pcm_s16le")

    return record


def fragments_of(parts: list[bytes]) -> list:
    return [
        picture_fragment(part, index=index, first_frame=50 * index, fps=FPS)
        for index, part in enumerate(parts)
    ]


def pictures(data: bytes | Path) -> list[tuple[Fraction, np.ndarray]]:
    with av.open(io.BytesIO(data) if isinstance(data, bytes) else str(data)) as container:
        return [(frame.pts * frame.time_base, frame.to_ndarray()) for frame in container.decode(video=0)]


def packets(data: bytes | Path) -> list[tuple[int, bytes]]:
    with av.open(io.BytesIO(data) if isinstance(data, bytes) else str(data)) as container:
        return [(each.pts, bytes(each)) for each in container.demux(audio=0) if each.pts is not None]


def written(path: Path, recording: Path) -> Path:
    with path.open("wb") as file:
        write_sound(file, recording=recording, speech=read_speech(recording), fps=FPS, segment_frames=50)
    return path


def test_joined_fragments_are_the_masters_pictures_each_at_its_time(segments, speech, tmp_path: Path):
    parts = segments(117)
    master = tmp_path / "master.mp4"
    stitch(parts, speech_path=speech(640 * 117), output=master, fps=FPS, metadata={})
    made = fragments_of(parts)
    assert len({each.header for each in made}) == 1
    assert [each.frame_count for each in made] == [50, 50, 17]
    streamed = pictures(made[0].header + b"".join(each.media for each in made))
    wanted = pictures(master)
    assert [at for at, _ in streamed] == [at for at, _ in wanted] == [k / FPS for k in range(117)]
    np.testing.assert_array_equal([frame for _, frame in streamed], [frame for _, frame in wanted])


def test_any_fragment_can_be_played_alone_and_lies_where_it_belongs(segments):
    parts = segments(117)
    made = fragments_of(parts)[2]
    alone = pictures(made.header + made.media)
    assert [at for at, _ in alone] == [k / FPS for k in range(100, 117)]
    np.testing.assert_array_equal([frame for _, frame in alone], [frame for _, frame in pictures(parts[2])])


def test_equal_segments_give_equal_bytes(segments):
    assert fragments_of(segments(117)) == fragments_of(segments(117))


def test_a_header_says_size_codec_and_that_it_is_synthetic(segments):
    made = fragments_of(segments(50))[0]
    assert (made.width, made.height) == (64, 64)
    assert made.codec == "avc1.64000a"
    assert SYNTHETIC_MARK.encode() in made.header


def test_what_is_no_segment_is_refused():
    with pytest.raises(EncodeError) as caught:
        picture_fragment(b"no segment", index=0, first_frame=0, fps=FPS)
    assert caught.value.code == "encode_bad_segment"


@pytest.mark.parametrize("rate", [8_000, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("frame_count", [1, 50, 51, 117])
def test_the_sound_is_the_masters_packet_by_packet(
    segments, speech, tmp_path: Path, rate: int, frame_count: int
):
    recording = speech(rate * frame_count // 25, rate, 2)
    master = tmp_path / "master.mp4"
    stitch(segments(frame_count), speech_path=recording, output=master, fps=FPS, metadata={})
    sound = written(tmp_path / "sound.mp4", recording)
    # Same packets at the same times: what is heard, and how long, is the master's.
    assert packets(sound) == packets(master)
    pieces = sound_pieces(sound, fps=FPS, segment_frames=50)
    assert (len(pieces.media), pieces.frame_count) == (-(-frame_count // 50), frame_count)
    assert sum(pieces.durations) == frame_count / FPS
    assert all(round(each) <= 2 and each > 0 for each in pieces.durations)
    data = sound.read_bytes()
    assert SYNTHETIC_MARK.encode() in data[: pieces.header.stop]
    # A piece begins at the first packet after the end of the segments before it.
    for index, span in enumerate(pieces.media[1:], start=1):
        first = packets(data[: pieces.header.stop] + data[span.start : span.stop])[0][0]
        assert 0 <= first / sound_rate(master) - 2 * index < 1024 / sound_rate(master)


def sound_rate(path: Path) -> int:
    with av.open(str(path)) as container:
        return container.streams.audio[0].rate


def test_equal_recordings_give_equal_sounds(speech, tmp_path: Path):
    recording = speech(640 * 117)
    first, second = written(tmp_path / "1.mp4", recording), written(tmp_path / "2.mp4", recording)
    assert first.read_bytes() == second.read_bytes()


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path):
    for content in (b"", b"no sound at all, but longer than a header", bytes(100)):
        (tmp_path / "sound.mp4").write_bytes(content)
        with pytest.raises(EncodeError) as caught:
            sound_pieces(tmp_path / "sound.mp4", fps=FPS, segment_frames=50)
        assert caught.value.code == "encode_bad_sound"
