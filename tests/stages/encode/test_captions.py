"""Captions are read strictly and named cue by cue; what the master's track holds is what was handed in."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.encode.captions import LARGEST_BYTES, Captions, captions_of, read_captions
from stages.encode.languages import three_letters
from stages.encode.stitch import stitch
from stages.errors import CaptionsError

FPS = Fraction(25)

SRT = """\ufeff1
00:00:00,240 --> 00:00:00,900
Good morning.

2
00:00:01,000 --> 00:00:01,480 X1:10 X2:20
<i>Two</i> lines,
caf\u00e9 & {\\an8}more
"""
VTT = """WEBVTT - of the speech

NOTE a note
of two lines

STYLE
::cue { color: red }

first
00:00.240 --> 00:00.900 align:start line:0
<v Anna>Good morning.</v>

00:00:01.000 --> 00:00:01.480
Two <00:00:01.200>lines &amp; &lt;more&gt;
"""


def texts(captions: Captions) -> list[tuple[int, int, str]]:
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in captions.cues]


def test_subrip_and_webvtt_are_read_with_their_marks_taken_off() -> None:
    srt, vtt = captions_of(SRT.encode(), form="srt"), captions_of(VTT.encode(), form="vtt")
    assert texts(srt) == [(240, 900, "Good morning."), (1000, 1480, "Two lines,\ncaf\u00e9 & more")]
    assert texts(vtt) == [(240, 900, "Good morning."), (1000, 1480, "Two lines & <more>")]
    assert captions_of(SRT.replace("\n", "\r\n").encode(), form="srt").cues == srt.cues


def test_ffmpeg_reads_the_same_cues() -> None:
    """Its readers know more forms and refuse less; where ours accepts, both see the same times."""
    for text, form in ((SRT, "srt"), (VTT, "webvtt")):
        with av.open(io.BytesIO(text.encode()), format=form) as container:
            times = [
                (each.pts, each.pts + each.duration) for each in container.demux() if each.pts is not None
            ]
        ours = captions_of(text.encode(), form="vtt" if form == "webvtt" else "srt")
        assert times == [(cue.start_ms, cue.end_ms) for cue in ours.cues]


def one(times: str, text: str = "Word.") -> str:
    return f"1\n00:00:01,000 --> 00:00:02,000\nFirst.\n\n2\n{times}\n{text}\n"


BROKEN = {
    "behind": (one("00:00:00,500 --> 00:00:00,900"), "captions_out_of_order", "cue 2 begins at 00:00:00.500"),
    "negative": (one("-00:00:01,000 --> 00:00:03,000"), "captions_bad_time", "cue 2 has a time before"),
    "backwards": (one("00:00:03,000 --> 00:00:02,500"), "captions_bad_time", "cue 2 ends at 00:00:02.500"),
    "no length": (one("00:00:03,000 --> 00:00:03,000"), "captions_bad_time", "cue 2 ends at 00:00:03.000"),
    "no clock": (one("00:00:71,000 --> 00:02:00,000"), "captions_bad_time", "cue 2 has a time that no clock"),
    "no times": (
        one("in a while"),
        "captions_bad_cue",
        "cue 2 has no line with its times where 'in a while'",
    ),
    "half a time": (one("00:00:03,000 -->"), "captions_bad_cue", "cue 2 has no line with its times"),
    "no text": ("1\n00:00:01,000 --> 00:00:02,000\n", "captions_bad_cue", "cue 1 has no text"),
    "marks alone": (one("00:00:03,000 --> 00:00:04,000", "<i></i>"), "captions_bad_cue", "cue 2 has no text"),
    "one in another": (
        one("00:00:03,000 --> 00:00:04,000", "a\n3\n00:00:05,000 --> 00:00:06,000\nb"),
        "captions_bad_cue",
        "cue 2 holds -->",
    ),
    "too long": (one("00:00:03,000 --> 00:00:04,000", "a" * 2001), "captions_bad_cue", "cue 2 has 2001 char"),
    "nothing": ("\n\n", "captions_empty", "has no cue"),
    "the other": (VTT, "captions_other_form", "is WebVTT"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_refused_in_one_line_that_names_the_cue(kind: str) -> None:
    text, code, said = BROKEN[kind]
    with pytest.raises(CaptionsError) as caught:
        captions_of(text.encode(), form="srt")
    assert caught.value.code == code
    assert caught.value.what.startswith(said)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xfe1\x00\n\x00", "captions_not_text"),
        (b"1\n00:00:01,000 --> 00:00:02,000\na\x00b\n", "captions_not_text"),
        (b"\x00\x00\x00\x18ftypmp42", "captions_not_text"),
        (b"1" * (LARGEST_BYTES + 1), "captions_too_large"),
        (b"WEBVTT\n00:01.000 --> 00:02.000\nlost\n", "captions_bad_cue"),
    ],
)
def test_a_hostile_file_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(CaptionsError) as caught:
        captions_of(data, form="vtt" if data.startswith(b"WEBVTT") else "srt")
    assert caught.value.code == code


def test_a_screen_that_would_be_full_of_cues_is_refused() -> None:
    def piled(count: int) -> bytes:
        lines = [
            f"00:00:{number // 1000:02d},{number % 1000:03d} --> 00:59:00,000\nWord.\n"
            for number in range(count)
        ]
        return "\n".join(lines).encode()

    assert len(captions_of(piled(8), form="srt").shown()) == 8
    with pytest.raises(CaptionsError, match="cue 9 is shown while 8 others are"):
        captions_of(piled(9), form="srt")


@pytest.mark.parametrize("first", ["NOTE", "REGION 5", "STYLE"])
def test_a_cue_that_players_may_show_is_not_taken_for_a_note(first: str) -> None:
    cue = f"WEBVTT\n\n{first}\n00:01.000 --> 00:02.000\nHello\n"
    assert [each.text for each in captions_of(cue.encode(), form="vtt").cues] == ["Hello"]
    with pytest.raises(CaptionsError):
        captions_of(cue.replace(f"{first}\n", f"{first}\nmore\n").encode(), form="vtt")


@given(data=st.one_of(st.binary(max_size=300), st.text(alphabet="0123:,.-> \nWEBVTNOa<&", max_size=300)))
@settings(deadline=None)
def test_whatever_is_handed_in_is_read_or_refused(data: bytes | str) -> None:
    raw = data.encode() if isinstance(data, str) else data
    for form in ("srt", "vtt"):
        try:
            captions = captions_of(raw, form=form)
        except CaptionsError:
            continue
        spans = captions.shown()
        assert all(start < stop for start, stop, _ in spans)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_captions_of_another_speech_are_refused_and_a_last_cue_is_cut_and_told() -> None:
    captions = captions_of(one("00:00:03,000 --> 00:00:09,000").encode(), form="srt")
    assert captions.check_length(frame_count=300, fps=FPS) == []
    told = captions.check_length(frame_count=100, fps=FPS)
    assert told == ["cue 2 lasts until 00:00:09.000, and is cut at the master's end"]
    assert captions.within(frame_count=100, fps=FPS).cues[1].end_ms == 4000
    with pytest.raises(CaptionsError, match=r"cue 2 begins at 00:00:03.000, and the master ends at 00:00:02"):
        captions.check_length(frame_count=50, fps=FPS)


def test_cues_that_overlap_are_shown_below_one_another() -> None:
    text = "1\n00:00:00,000 --> 00:00:01,000\na\n\n2\n00:00:00,500 --> 00:00:02,000\nb\n"
    assert captions_of(text.encode(), form="srt").shown() == [
        (0, 500, "a"),
        (500, 1000, "a\nb"),
        (1000, 2000, "b"),
    ]


def track_of(path: Path) -> list[tuple[int, int, str]]:
    """Start, end and text of every cue of a master, as PyAV reads them; nothing where nothing is shown."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        found = []
        for packet in container.demux(stream):
            shown = packet.decode() if packet.size > 2 else []
            for each in shown:
                start = int(packet.pts * stream.time_base * 1000)
                stop = int((packet.pts + packet.duration) * stream.time_base * 1000)
                found.append((start, stop, each.dialogue.decode()))
        return found


@pytest.mark.parametrize(("text", "form"), [(SRT, "srt"), (VTT, "vtt")])
def test_the_track_of_a_master_has_the_texts_and_times_of_the_file(
    segments, write_audio, tmp_path: Path, text: str, form: str
) -> None:
    path = tmp_path / f"words.{form}"
    path.write_bytes(text.encode())
    captions = read_captions(path, form=form, language="pt-BR")
    tone_S1 = 0.3 * np.sin(np.arange(640 * 50) / 9)[:, None]
    parts, recording = segments(50), write_audio("a.wav", tone_S1, rate=16_000, codec="pcm_s16le")
    plain = stitch(parts, speech_path=recording, output=tmp_path / "plain.mp4", fps=FPS, metadata={})
    made = [
        stitch(
            parts,
            speech_path=recording,
            output=tmp_path / f"{k}.mp4",
            fps=FPS,
            metadata={},
            captions=captions,
        )
        for k in range(2)
    ]
    assert made[0].sha256 == made[1].sha256 != plain.sha256
    assert track_of(tmp_path / "0.mp4") == texts(captions)
    with av.open(str(tmp_path / "0.mp4")) as container:
        assert container.streams.subtitles[0].metadata["language"] == "por"
        pictures = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    with av.open(str(tmp_path / "plain.mp4")) as container:
        assert not container.streams.subtitles
        assert [frame.to_ndarray().tobytes() for frame in container.decode(video=0)] == pictures


def test_languages() -> None:
    tags = {"en": "eng", "pt-BR": "por", "deu": "deu", "": "und", "qq": "und", "zh-Hant-TW": "zho"}
    assert {tag: three_letters(tag) for tag in tags} == tags
